"""Hostile bytes for everything that reads bytes: targets, a corpus, and what runs them."""
