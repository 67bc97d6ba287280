"""The node's options and a topic's: Kafka's names, units and meanings.

A topic's option overrides the node's (`segment.bytes` overrides `log.segment.bytes`). Where a
default differs from Kafka's, because Kafka's hurts on one machine, its meaning says so.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .options import ConfigError, option, read_options

MAX_INT32 = 2**31 - 1
MAX_INT64 = 2**63 - 1
MEBIBYTE = 1 << 20
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS

_TIMESTAMP_TYPES = ("CreateTime", "LogAppendTime")
_CLEANUP_POLICIES = ("delete", "compact")
_COMPRESSION_TYPES = ("producer", "uncompressed", "gzip", "snappy", "lz4", "zstd")

STORED_ONLY = frozenset(
    {
        "compression.type",
        "delete.retention.ms",
        "file.delete.delay.ms",
        "flush.messages",
        "flush.ms",
        "log.retention.bytes",
        "log.retention.ms",
        "max.compaction.lag.ms",
        "min.cleanable.dirty.ratio",
        "min.compaction.lag.ms",
        "min.insync.replicas",
        "preallocate",
        "retention.bytes",
        "retention.ms",
        "segment.index.bytes",
        "segment.jitter.ms",
    }
)
"""Options that are checked and kept, and that nothing acts on yet: who sets one is warned."""


@dataclass(frozen=True, slots=True)
class BrokerConfig:
    """Every option of a node. `BrokerConfig.parse` makes one from texts."""

    node_id: int = option(1, "this node's number in the cluster", minimum=0, maximum=MAX_INT32)
    listen: str = option("127.0.0.1:9092", "HOST:PORT for clients; port 0 takes a free one")
    advertise: str = option("", "HOST:PORT told to clients; empty: the address they reached")
    insecure_listen: bool = option(False, "allow an address off loopback without authentication")
    data_dir: str = option("", "where logs are kept; empty: minikafka-data/node-ID")
    flush: str = option(
        "fsync",
        "fsync: acks=all means on disk; os: in the page cache, which is Kafka's default",
        choices=("fsync", "os"),
    )
    log_format: str = option("text", "how log lines look", choices=("text", "json"))
    log_level: str = option(
        "info", "the least level of log lines", choices=("debug", "info", "warning", "error")
    )

    num_partitions: int = option(1, "partitions of a topic created without a count", minimum=1)
    auto_create_topics_enable: bool = option(True, "create a topic when Metadata asks for it")
    default_replication_factor: int = option(1, "replicas of an auto-created topic", minimum=1)
    min_insync_replicas: int = option(1, "replicas in sync that acks=all needs", minimum=1)

    log_segment_bytes: int = option(
        1 << 30, "size at which a segment is rolled", minimum=14, maximum=MAX_INT32
    )
    log_roll_ms: int = option(7 * DAY_MS, "age at which a segment is rolled", minimum=1)
    log_index_interval_bytes: int = option(
        4096, "bytes of log between two index entries", minimum=0
    )
    log_retention_ms: int = option(
        7 * DAY_MS, "age at which a record may be deleted; -1: never", minimum=-1
    )
    log_retention_bytes: int = option(
        -1, "size of a partition above which it may shrink", minimum=-1
    )
    log_cleanup_policy: str = option(
        "delete", "delete, compact or both", choices=_CLEANUP_POLICIES, is_list=True
    )
    log_message_timestamp_type: str = option(
        "CreateTime", "whose time a record carries", choices=_TIMESTAMP_TYPES
    )
    message_max_bytes: int = option(1_048_588, "largest record batch", minimum=0, maximum=MAX_INT32)
    compression_type: str = option(
        "producer", "producer: as the producer sent it", choices=_COMPRESSION_TYPES
    )
    log_flush_offset_checkpoint_interval_ms: int = option(
        5_000,
        "time between checkpoints, and so how much of the log a start after a crash reads "
        "(Kafka: 60 s)",
        minimum=1,
    )

    socket_request_max_bytes: int = option(
        16 * MEBIBYTE, "largest request (Kafka: 100 MiB)", minimum=1024, maximum=MAX_INT32
    )
    queued_max_request_bytes: int = option(
        128 * MEBIBYTE, "bytes of unfinished requests (Kafka: unbounded)", minimum=MEBIBYTE
    )
    max_connections: int = option(10_000, "connections at one time (Kafka: unbounded)", minimum=1)
    connections_max_idle_ms: int = option(
        600_000, "silence after which a connection is closed", minimum=1
    )
    fetch_max_bytes: int = option(55 * MEBIBYTE, "largest answer to a fetch", minimum=1024)
    max_incremental_fetch_session_cache_slots: int = option(
        1000, "fetch sessions kept; who gets none names all its partitions each time", minimum=0
    )
    producer_id_expiration_ms: int = option(
        DAY_MS, "silence after which a producer is forgotten", minimum=1
    )

    @staticmethod
    def parse(values: Mapping[str, str | None]) -> "BrokerConfig":
        """From texts by Kafka's names; raises ConfigError with a sentence."""
        return BrokerConfig(**read_options(BrokerConfig, values))


@dataclass(frozen=True, slots=True)
class TopicConfig:
    """A topic's options; what CreateTopics leaves out comes from the node (`TopicConfig.of`)."""

    cleanup_policy: str = option(
        "delete", "delete, compact or both", choices=_CLEANUP_POLICIES, is_list=True
    )
    compression_type: str = option(
        "producer", "producer: as the producer sent it", choices=_COMPRESSION_TYPES
    )
    delete_retention_ms: int = option(
        DAY_MS, "how long a compacted topic keeps tombstones", minimum=0
    )
    file_delete_delay_ms: int = option(
        60_000, "wait before a deleted segment's file goes", minimum=0
    )
    flush_messages: int = option(MAX_INT64, "records between forced flushes", minimum=1)
    flush_ms: int = option(MAX_INT64, "time between forced flushes", minimum=0)
    index_interval_bytes: int = option(4096, "bytes of log between two index entries", minimum=0)
    max_compaction_lag_ms: int = option(MAX_INT64, "longest wait for compaction", minimum=1)
    max_message_bytes: int = option(1_048_588, "largest record batch", minimum=0, maximum=MAX_INT32)
    message_timestamp_after_max_ms: int = option(
        HOUR_MS, "how far ahead of us a record's time may be", minimum=0
    )
    message_timestamp_before_max_ms: int = option(
        MAX_INT64, "how far back a record's time may be", minimum=0
    )
    message_timestamp_type: str = option(
        "CreateTime", "whose time a record carries", choices=_TIMESTAMP_TYPES
    )
    min_cleanable_dirty_ratio: float = option(0.5, "share of dirty log that starts compaction")
    min_compaction_lag_ms: int = option(0, "how long a record stays uncompacted", minimum=0)
    min_insync_replicas: int = option(1, "replicas in sync that acks=all needs", minimum=1)
    preallocate: bool = option(False, "reserve a segment's space ahead")
    retention_bytes: int = option(-1, "size of a partition above which it may shrink", minimum=-1)
    retention_ms: int = option(
        7 * DAY_MS, "age at which a record may be deleted; -1: never", minimum=-1
    )
    segment_bytes: int = option(
        1 << 30, "size at which a segment is rolled", minimum=14, maximum=MAX_INT32
    )
    segment_index_bytes: int = option(10 * MEBIBYTE, "largest index of a segment", minimum=4)
    segment_jitter_ms: int = option(0, "random part of a segment's age", minimum=0)
    segment_ms: int = option(7 * DAY_MS, "age at which a segment is rolled", minimum=1)

    @staticmethod
    def of(broker: BrokerConfig, overrides: Mapping[str, str | None]) -> "TopicConfig":
        """The node's defaults with a topic's own values over them; raises ConfigError."""
        arguments: dict[str, Any] = {
            "cleanup_policy": broker.log_cleanup_policy,
            "compression_type": broker.compression_type,
            "index_interval_bytes": broker.log_index_interval_bytes,
            "max_message_bytes": broker.message_max_bytes,
            "message_timestamp_type": broker.log_message_timestamp_type,
            "min_insync_replicas": broker.min_insync_replicas,
            "retention_bytes": broker.log_retention_bytes,
            "retention_ms": broker.log_retention_ms,
            "segment_bytes": broker.log_segment_bytes,
            "segment_ms": broker.log_roll_ms,
        }
        return TopicConfig(**arguments | read_options(TopicConfig, overrides))

    @property
    def is_compacted(self) -> bool:
        """Whether records of one key supersede each other, so that every record needs a key."""
        return "compact" in self.cleanup_policy


def parse_address(text: str, option_name: str) -> tuple[str, int]:
    """HOST:PORT (IPv6 in brackets) as a pair; raises ConfigError."""
    host, colon, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not colon or not host or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise ConfigError(f"option {option_name!r} is HOST:PORT, not {text!r}")
    return host, int(port)
