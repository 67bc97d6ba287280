"""Tests of framed connections."""
