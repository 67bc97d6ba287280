"""Tests of what the cluster is and how it changes."""
