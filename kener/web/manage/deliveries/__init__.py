"""Deliveries: what was sent to whom, and what came of it."""
