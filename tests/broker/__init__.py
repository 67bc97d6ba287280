"""Tests of the broker; in_process.py is what they share."""
