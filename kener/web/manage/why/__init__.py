"""Why something was decided about a monitor, or was not."""
