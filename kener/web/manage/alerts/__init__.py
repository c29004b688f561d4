"""Alert configurations, why they fired, their log."""
