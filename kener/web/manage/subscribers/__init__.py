"""Subscribers: who hears of incidents and maintenance, and what they were told."""
