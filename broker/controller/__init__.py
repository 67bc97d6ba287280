"""The cluster coordinator: what the cluster is, how it changes, and how several nodes agree on it."""
