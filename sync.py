"""The door `minikafka.sync`: the blocking clients. The room behind it: client/sync.py."""

from .client.sync import AdminClient, Consumer, Producer

__all__ = ["AdminClient", "Consumer", "Producer"]
