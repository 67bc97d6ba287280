"""The minikafka command."""
