"""A node under attack: memory is bounded, good clients are served, and all is well afterwards."""
