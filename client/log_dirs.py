"""What lies in the data directories of brokers. PURE."""

from dataclasses import dataclass

from ..protocol.api.describe_log_dirs import DescribeLogDirsResponse, DescribeLogDirsResult
from .metadata import TopicPartition, error_code_of


@dataclass(frozen=True, slots=True)
class ReplicaInfo:
    """One partition's log; `offset_lag` counts what it is behind the high watermark."""

    size_bytes: int
    offset_lag: int
    is_future: bool
    """Whether it is being moved here from another directory."""


@dataclass(frozen=True, slots=True)
class LogDirInfo:
    """One data directory; the bytes are those of its volume, None where a broker does not say.

    `error` says what is wrong with the directory, None for nothing.
    """

    path: str
    error: str | None
    replicas: dict[TopicPartition, ReplicaInfo]
    total_bytes: int | None
    usable_bytes: int | None


def log_dirs_of(response: DescribeLogDirsResponse) -> tuple[LogDirInfo, ...]:
    """The directories in an answer."""
    return tuple(_log_dir(result) for result in response.results)


def _log_dir(result: DescribeLogDirsResult) -> LogDirInfo:
    return LogDirInfo(
        path=result.log_dir,
        error=error_code_of(result.error_code).message if result.error_code else None,
        replicas={
            TopicPartition(topic.name, each.partition_index): ReplicaInfo(
                each.partition_size, each.offset_lag, each.is_future_key
            )
            for topic in result.topics
            for each in topic.partitions
        },
        total_bytes=None if result.total_bytes < 0 else result.total_bytes,
        usable_bytes=None if result.usable_bytes < 0 else result.usable_bytes,
    )
