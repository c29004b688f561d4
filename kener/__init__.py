"""Kener: a self-hosted status page that opens, updates and closes public incidents by itself."""

__version__ = "0.1.0"
