"""Incidents by hand, and the correction of automatic ones."""
