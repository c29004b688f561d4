"""Monitors: list, page, form, test."""
