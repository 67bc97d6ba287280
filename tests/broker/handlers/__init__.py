"""Tests of the APIs, each over a real socket to a node in the test's own loop."""
