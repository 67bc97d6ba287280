"""Tests of the package history: hand-made histories, models with and without faults, scale."""
