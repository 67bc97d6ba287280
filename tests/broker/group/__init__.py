"""Tests of consumer groups; script.py plays golden scripts."""
