"""What needs somebody, on one page."""
