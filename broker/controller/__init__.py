"""The cluster coordinator: what the cluster is (image) and how it changes (decide)."""
