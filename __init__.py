"""minikafka: a message broker small enough to read in a weekend, speaking Kafka's own protocol.

The names below are the client's public face. They are loaded when they are first used, so that a
broker, which is a part of this package, never imports the client.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .client.admin import AdminClient, ConfigChange, ConfigResource, NewPartitions, NewTopic
    from .client.cluster import Cluster
    from .client.committed_offsets import OffsetAndMetadata
    from .client.concurrency import Inline, Pool, Processes, Tasks, ThreadPerRecord, Threads
    from .client.consumer import Consumer
    from .client.delivery import Delivery
    from .client.elections import ElectionType
    from .client.errors import (
        CannotConnect,
        ClientNotRunning,
        KafkaTimeout,
        NoOffset,
        UnsupportedByCluster,
    )
    from .client.metadata import TopicPartition
    from .client.producer import Producer
    from .client.rebalance_listener import RebalanceListener
    from .client.record import ConsumerRecord, RecordMetadata
    from .client.worker import Worker
    from .protocol.errors import ErrorCode, KafkaError

__all__ = [
    "AdminClient",
    "CannotConnect",
    "ClientNotRunning",
    "Cluster",
    "ConfigChange",
    "ConfigResource",
    "Consumer",
    "ConsumerRecord",
    "Delivery",
    "ElectionType",
    "ErrorCode",
    "Inline",
    "KafkaError",
    "KafkaTimeout",
    "NewPartitions",
    "NewTopic",
    "NoOffset",
    "OffsetAndMetadata",
    "Pool",
    "Processes",
    "Producer",
    "RebalanceListener",
    "RecordMetadata",
    "Tasks",
    "ThreadPerRecord",
    "Threads",
    "TopicPartition",
    "UnsupportedByCluster",
    "Worker",
]

_HOMES = {
    "AdminClient": "client.admin",
    "CannotConnect": "client.errors",
    "ClientNotRunning": "client.errors",
    "Cluster": "client.cluster",
    "ConfigChange": "client.configs",
    "ConfigResource": "client.configs",
    "Consumer": "client.consumer",
    "ConsumerRecord": "client.record",
    "Delivery": "client.delivery",
    "ElectionType": "client.elections",
    "ErrorCode": "protocol.errors",
    "Inline": "client.concurrency",
    "KafkaError": "protocol.errors",
    "KafkaTimeout": "client.errors",
    "NewPartitions": "client.new_topic",
    "NewTopic": "client.new_topic",
    "NoOffset": "client.errors",
    "OffsetAndMetadata": "client.committed_offsets",
    "Pool": "client.concurrency",
    "Processes": "client.concurrency",
    "Producer": "client.producer",
    "RebalanceListener": "client.rebalance_listener",
    "RecordMetadata": "client.record",
    "Tasks": "client.concurrency",
    "ThreadPerRecord": "client.concurrency",
    "Threads": "client.concurrency",
    "TopicPartition": "client.metadata",
    "UnsupportedByCluster": "client.errors",
    "Worker": "client.worker",
}


def __getattr__(name: str) -> Any:
    """Load a public name on its first use (PEP 562)."""
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f".{home}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """The public names, for completion."""
    return sorted(__all__)
