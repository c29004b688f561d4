"""Alert Logs: every alert, as a list, as CSV, and one by one with what operators may do to it."""
