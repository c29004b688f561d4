"""Notifiers tell the outside world. One module per trigger type; none knows our tables."""
