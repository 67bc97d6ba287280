"""Faults of the real world against real processes."""
