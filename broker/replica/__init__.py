"""Partitions and what they keep beside their logs: epochs, producers, waiting requests."""
