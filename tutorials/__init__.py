"""What teaches: `labs` to measure, `demos` to read and run."""
