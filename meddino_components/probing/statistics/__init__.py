"""Metrics, and their intervals by the bootstrap."""
