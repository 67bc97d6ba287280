"""The node's options and a topic's: Kafka's names, units and meanings.

A topic's option that inherits overrides the node's option of the given name (`segment.bytes`
overrides `log.segment.bytes`). Where a default differs from Kafka's, because Kafka's hurts on one
machine, its meaning says so. Options that Kafka keeps in 32 bits have their maximum there, since
DescribeConfigs tells clients the type.

A node's dynamic options, which can be changed while it runs, are those that a topic inherits, and
those that are read anew each time; for the others a request says that they are read-only.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..protocol.compression import CompressionType
from .options import ConfigError, field_name, inherited, option, option_rules, read_options, shown

MAX_INT16 = 2**15 - 1
MAX_INT32 = 2**31 - 1
MAX_INT64 = 2**63 - 1
MEBIBYTE = 1 << 20
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS

Address = tuple[str, int]

_TIMESTAMP_TYPES = ("CreateTime", "LogAppendTime")
_CLEANUP_POLICIES = ("delete", "compact")
_COMPRESSION_TYPES = ("producer", "uncompressed", "gzip", "snappy", "lz4", "zstd")

STORED_ONLY = frozenset(
    {
        "file.delete.delay.ms",
        "flush.messages",
        "flush.ms",
        "follower.replication.throttled.rate",
        "preallocate",
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
    controller_listen: str = option(
        "", "HOST:PORT of the control plane; empty: the client host, client port + 10000"
    )
    voters: str = option(
        "", "ID@HOST:PORT,… of all controllers, the same on each for ever; empty: this node alone"
    )
    join: str = option(
        "", "HOST:PORT,… of controllers: become a broker of their cluster, without a vote"
    )
    cluster_secret_file: str = option(
        "", "a file with the secret that the nodes of a cluster share, off loopback"
    )
    route: str = option("", "ID=HOST:PORT,…: fetch from these brokers by way of a fault proxy")
    data_dir: str = option("", "where logs are kept; empty: minikafka-data/node-ID")
    flush: str = option(
        "fsync",
        "fsync: acks=all means on disk; os: in the page cache, which is Kafka's default",
        choices=("fsync", "os"),
    )
    chapter: int = option(
        10, "serve the APIs that the tutorials have built until this chapter", minimum=1, maximum=10
    )
    log_format: str = option("text", "how log lines look", choices=("text", "json"))
    log_level: str = option(
        "info", "the least level of log lines", choices=("debug", "info", "warning", "error")
    )

    num_partitions: int = option(
        1, "partitions of a topic created without a count", minimum=1, maximum=MAX_INT32
    )
    auto_create_topics_enable: bool = option(True, "create a topic when Metadata asks for it")
    delete_topic_enable: bool = option(True, "let clients delete topics")
    default_replication_factor: int = option(
        3,
        "replicas of a topic created without a number, at most one for each voter (Kafka: 1)",
        minimum=1,
        maximum=MAX_INT16,
    )
    min_insync_replicas: int = option(
        1, "replicas in sync that acks=all needs", minimum=1, maximum=MAX_INT32, is_dynamic=True
    )
    unclean_leader_election_enable: bool = option(
        False, "let a replica lead that may lack acknowledged records", is_dynamic=True
    )

    broker_heartbeat_interval_ms: int = option(
        500, "time between two signs of life to the controller (Kafka: 2 s)", minimum=1
    )
    broker_session_timeout_ms: int = option(
        6_000, "silence after which the controller fences a broker (Kafka: 9 s)", minimum=1
    )
    auto_leader_rebalance_enable: bool = option(
        True, "give the lead back to the first replica of each partition, once it is in sync"
    )
    leader_imbalance_check_interval_seconds: int = option(
        300, "time between two looks for leaders that are not the first replica", minimum=1
    )
    replica_lag_time_max_ms: int = option(
        10_000,
        "how long a follower may be behind before it is not in sync (Kafka: 30 s)",
        minimum=1,
    )
    replica_fetch_wait_max_ms: int = option(
        500, "how long a follower's fetch waits for records", minimum=0, maximum=MAX_INT32
    )
    replica_fetch_max_bytes: int = option(
        MEBIBYTE, "bytes of one partition in a follower's fetch", minimum=1, maximum=MAX_INT32
    )
    replica_fetch_response_max_bytes: int = option(
        10 * MEBIBYTE, "bytes of one follower's fetch", minimum=1, maximum=MAX_INT32
    )
    replica_fetch_backoff_ms: int = option(
        100, "a follower's wait after a fetch that failed (Kafka: 1 s)", minimum=0
    )
    follower_replication_throttled_rate: int = option(
        0,
        "bytes a second that this broker fetches for replicas being added; 0: no bound",
        minimum=0,
        is_dynamic=True,
    )

    log_segment_bytes: int = option(
        1 << 30,
        "size at which a segment is rolled",
        minimum=14,
        maximum=MAX_INT32,
        is_dynamic=True,
    )
    log_roll_ms: int = option(
        7 * DAY_MS, "age at which a segment is rolled", minimum=1, is_dynamic=True
    )
    log_index_interval_bytes: int = option(
        4096,
        "bytes of log between two index entries",
        minimum=0,
        maximum=MAX_INT32,
        is_dynamic=True,
    )
    log_retention_ms: int = option(
        7 * DAY_MS, "age at which a record may be deleted; -1: never", minimum=-1, is_dynamic=True
    )
    log_retention_bytes: int = option(
        -1, "size of a partition above which it may shrink", minimum=-1, is_dynamic=True
    )
    log_retention_check_interval_ms: int = option(
        300_000, "time between two searches for old records", minimum=1
    )
    log_cleanup_policy: str = option(
        "delete",
        "delete, compact or both",
        choices=_CLEANUP_POLICIES,
        is_list=True,
        is_dynamic=True,
    )
    log_cleaner_enable: bool = option(True, "compact topics with cleanup.policy=compact")
    log_cleaner_backoff_ms: int = option(
        15_000, "wait when there is nothing to compact", minimum=1, is_dynamic=True
    )
    log_cleaner_dedupe_buffer_size: int = option(
        128 * MEBIBYTE,
        "memory for the keys of one compaction, 150 bytes each",
        minimum=1,
        is_dynamic=True,
    )
    log_cleaner_min_cleanable_ratio: float = option(
        0.5, "share of dirty log that starts compaction", is_dynamic=True
    )
    log_cleaner_min_compaction_lag_ms: int = option(
        0, "how long a record stays uncompacted", minimum=0, is_dynamic=True
    )
    log_cleaner_max_compaction_lag_ms: int = option(
        MAX_INT64, "longest wait for compaction", minimum=1, is_dynamic=True
    )
    log_cleaner_delete_retention_ms: int = option(
        DAY_MS, "how long a compacted topic keeps tombstones", minimum=0, is_dynamic=True
    )
    log_message_timestamp_type: str = option(
        "CreateTime", "whose time a record carries", choices=_TIMESTAMP_TYPES, is_dynamic=True
    )
    log_message_timestamp_after_max_ms: int = option(
        HOUR_MS, "how far ahead of us a record's time may be", minimum=0, is_dynamic=True
    )
    log_message_timestamp_before_max_ms: int = option(
        MAX_INT64, "how far back a record's time may be", minimum=0, is_dynamic=True
    )
    message_max_bytes: int = option(
        1_048_588, "largest record batch", minimum=0, maximum=MAX_INT32, is_dynamic=True
    )
    compression_type: str = option(
        "producer",
        "how batches are kept; producer: as the producer sent them",
        choices=_COMPRESSION_TYPES,
        is_dynamic=True,
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
    max_connections: int = option(
        10_000,
        "connections at one time (Kafka: unbounded)",
        minimum=1,
        maximum=MAX_INT32,
        is_dynamic=True,
    )
    connections_max_idle_ms: int = option(
        600_000, "silence after which a connection is closed", minimum=1
    )
    fetch_max_bytes: int = option(
        55 * MEBIBYTE, "largest answer to a fetch", minimum=1024, maximum=MAX_INT32
    )
    group_initial_rebalance_delay_ms: int = option(
        100, "how long an empty group waits for more members (Kafka: 3 s)", minimum=0
    )
    group_max_session_timeout_ms: int = option(
        1_800_000, "longest session that a member may ask for", minimum=1
    )
    group_max_size: int = option(MAX_INT32, "members of a group", minimum=1, maximum=MAX_INT32)
    group_min_session_timeout_ms: int = option(
        6_000, "shortest session that a member may ask for", minimum=1
    )
    offset_metadata_max_bytes: int = option(
        4096, "longest text beside a committed offset", minimum=0
    )
    offsets_retention_check_interval_ms: int = option(
        600_000, "time between two looks for offsets that are too old", minimum=1
    )
    offsets_retention_minutes: int = option(
        7 * 24 * 60, "how long the offsets of an empty group are kept", minimum=1
    )
    offsets_topic_num_partitions: int = option(
        8, "partitions of __consumer_offsets, once it is created (Kafka: 50)", minimum=1
    )
    offsets_topic_segment_bytes: int = option(
        16 * MEBIBYTE,
        "segment size of __consumer_offsets: a start reads the active one (Kafka: 100 MiB)",
        minimum=14,
        maximum=MAX_INT32,
    )
    max_incremental_fetch_session_cache_slots: int = option(
        1000,
        "fetch sessions kept; who gets none names all its partitions each time",
        minimum=0,
        maximum=MAX_INT32,
    )
    producer_id_expiration_ms: int = option(
        DAY_MS,
        "silence after which a producer is forgotten",
        minimum=1,
        maximum=MAX_INT32,
        is_dynamic=True,
    )

    @staticmethod
    def parse(values: Mapping[str, str | None]) -> "BrokerConfig":
        """From texts by Kafka's names; raises ConfigError with a sentence."""
        return BrokerConfig(**read_options(BrokerConfig, values))

    @property
    def is_clustered(self) -> bool:
        """Whether this node was told of others; else it is a cluster of its own."""
        return bool(self.voters or self.join)

    @property
    def voter_addresses(self) -> dict[int, Address]:
        """The control planes of all voters, by node id; empty without --voters."""
        return _addresses_by_id(self.voters, "voters", "@")

    @property
    def join_addresses(self) -> list[Address]:
        """The control planes to ask for the cluster's voters; empty without --join."""
        return [parse_address(text, "join") for text in _split(self.join)]

    @property
    def routes(self) -> dict[int, Address]:
        """Where to fetch from these brokers, instead of the address that they registered."""
        return _addresses_by_id(self.route, "route", "=")


@dataclass(frozen=True, slots=True)
class TopicConfig:
    """A topic's options; what it does not set comes from the node."""

    cleanup_policy: str = inherited(BrokerConfig, "log.cleanup.policy")
    compression_type: str = inherited(BrokerConfig, "compression.type")
    delete_retention_ms: int = inherited(BrokerConfig, "log.cleaner.delete.retention.ms")
    file_delete_delay_ms: int = option(
        60_000, "wait before a deleted segment's file goes", minimum=0
    )
    flush_messages: int = option(MAX_INT64, "records between forced flushes", minimum=1)
    flush_ms: int = option(MAX_INT64, "time between forced flushes", minimum=0)
    index_interval_bytes: int = inherited(BrokerConfig, "log.index.interval.bytes")
    max_compaction_lag_ms: int = inherited(BrokerConfig, "log.cleaner.max.compaction.lag.ms")
    max_message_bytes: int = inherited(BrokerConfig, "message.max.bytes")
    message_timestamp_after_max_ms: int = inherited(
        BrokerConfig, "log.message.timestamp.after.max.ms"
    )
    message_timestamp_before_max_ms: int = inherited(
        BrokerConfig, "log.message.timestamp.before.max.ms"
    )
    message_timestamp_type: str = inherited(BrokerConfig, "log.message.timestamp.type")
    min_cleanable_dirty_ratio: float = inherited(BrokerConfig, "log.cleaner.min.cleanable.ratio")
    min_compaction_lag_ms: int = inherited(BrokerConfig, "log.cleaner.min.compaction.lag.ms")
    min_insync_replicas: int = inherited(BrokerConfig, "min.insync.replicas")
    preallocate: bool = option(False, "reserve a segment's space ahead")
    retention_bytes: int = inherited(BrokerConfig, "log.retention.bytes")
    retention_ms: int = inherited(BrokerConfig, "log.retention.ms")
    segment_bytes: int = inherited(BrokerConfig, "log.segment.bytes")
    segment_index_bytes: int = option(
        10 * MEBIBYTE, "largest index of a segment", minimum=4, maximum=MAX_INT32
    )
    segment_jitter_ms: int = option(0, "random part of a segment's age", minimum=0)
    segment_ms: int = inherited(BrokerConfig, "log.roll.ms")
    unclean_leader_election_enable: bool = inherited(BrokerConfig, "unclean.leader.election.enable")

    @staticmethod
    def of(broker: BrokerConfig, overrides: Mapping[str, str | None]) -> "TopicConfig":
        """The node's values with a topic's own over them; raises ConfigError."""
        return TopicConfig.over(broker, read_options(TopicConfig, overrides))

    @staticmethod
    def over(broker: BrokerConfig, arguments: Mapping[str, Any]) -> "TopicConfig":
        """The node's values, and over them a topic's own that were read already."""
        values = {
            field_name(name): getattr(broker, field_name(rule.inherits))
            for name, rule in option_rules(TopicConfig).items()
            if rule.inherits
        }
        return TopicConfig(**values | dict(arguments))

    @property
    def is_compacted(self) -> bool:
        """Whether records of one key supersede each other, so that every record needs a key."""
        return "compact" in self.cleanup_policy

    @property
    def codec(self) -> CompressionType | None:
        """The codec in which every batch is kept; None: that of its producer."""
        if self.compression_type == "producer":
            return None
        if self.compression_type == "uncompressed":
            return CompressionType.none
        return CompressionType[self.compression_type]

    @property
    def longest_segment_ms(self) -> int:
        """When a segment is rolled for its age: before it must be compacted, if it must."""
        if self.is_compacted:
            return min(self.segment_ms, self.max_compaction_lag_ms)
        return self.segment_ms

    @property
    def allows_deletion(self) -> bool:
        """Whether records may go that nothing supersedes: by retention and by DeleteRecords."""
        return "delete" in self.cleanup_policy


def parse_address(text: str, option_name: str) -> Address:
    """HOST:PORT (IPv6 in brackets) as a pair; raises ConfigError."""
    host, colon, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not colon or not host or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise ConfigError(f"option {option_name!r} is HOST:PORT, not {text!r}")
    return host, int(port)


def format_address(host: str, port: int) -> str:
    """A pair as HOST:PORT."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _addresses_by_id(text: str, option_name: str, separator: str) -> dict[int, Address]:
    addresses: dict[int, Address] = {}
    for part in _split(text):
        number, found, address = part.partition(separator)
        if not found or not number.isascii() or not number.isdigit() or int(number) > MAX_INT32:
            form = f"ID{separator}HOST:PORT"
            raise ConfigError(f"option {option_name!r} is a list of {form}, not {shown(part)}")
        if int(number) in addresses:
            raise ConfigError(f"option {option_name!r} has node {int(number)} twice")
        addresses[int(number)] = parse_address(address, option_name)
    return addresses


def _split(text: str) -> list[str]:
    return [part.strip() for part in text.split(",")] if text else []
