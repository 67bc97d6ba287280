"""Real clients against a real node, with nothing set but its address and what the test is about."""
