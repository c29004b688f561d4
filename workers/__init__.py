"""Processes that watch, react and tell: the scheduler and the RQ workers."""
