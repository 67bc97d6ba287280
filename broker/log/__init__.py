"""The log of one partition: segments, indexes, checkpoints, and the one door to the disk."""
