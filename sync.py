"""The door `minikafka.sync`: the blocking clients. The room behind it: client/sync.py."""

from .client.sync import AdminClient, Cluster, Consumer, Producer

__all__ = ["AdminClient", "Cluster", "Consumer", "Producer"]
