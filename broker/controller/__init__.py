"""The cluster coordinator: what the cluster is, how it changes, how nodes agree on it."""
