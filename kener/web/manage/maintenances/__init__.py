"""Maintenance: windows in which trouble is expected."""
