"""Triggers: the channels by which people hear of alerts."""
