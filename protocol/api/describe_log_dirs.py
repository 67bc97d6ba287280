"""DescribeLogDirs (key 35): which partitions lie in your data directories, and how large are they?

An admin client asks each broker about that broker's own disks.

    v1   the oldest served: sizes and lags per partition (KIP-113)
    v2   flexible (KIP-482)
    v3   `error_code` of the whole answer (KIP-784)
    v4   `total_bytes` and `usable_bytes` of the volume (KIP-827)
    v5   `is_cordoned`: the directory takes no new partitions (KIP-1066)
"""

from ..codec import array, field, message, struct
from ..primitives import BOOLEAN, INT16, INT32, INT64, STRING
from ..schema import ZERO


@struct
class DescribableLogDirTopic:
    """One topic and the partitions of interest."""

    topic: str = field(STRING)
    partitions: list[int] = field(array(INT32), default=ZERO)


@message(key=35, versions="1-5", flexible="2+")
class DescribeLogDirsRequest:
    """What lies on your disks? A null list asks about every partition: an admin client."""

    topics: list[DescribableLogDirTopic] | None = field(
        array(DescribableLogDirTopic), nullable="0+"
    )


@struct
class DescribeLogDirsPartition:
    """One partition's log; the lag counts the offsets that it is behind the high watermark."""

    partition_index: int = field(INT32)
    partition_size: int = field(INT64)
    offset_lag: int = field(INT64)
    is_future_key: bool = field(BOOLEAN)


@struct
class DescribeLogDirsTopic:
    """The partitions of one topic in this directory."""

    name: str = field(STRING)
    partitions: list[DescribeLogDirsPartition] = field(array(DescribeLogDirsPartition))


@struct
class DescribeLogDirsResult:
    """One data directory: its path, its logs, and the volume around it."""

    error_code: int = field(INT16)
    log_dir: str = field(STRING)
    topics: list[DescribeLogDirsTopic] = field(array(DescribeLogDirsTopic))
    total_bytes: int = field(INT64, "4+", default=-1, ignorable=True)
    usable_bytes: int = field(INT64, "4+", default=-1, ignorable=True)
    is_cordoned: bool = field(BOOLEAN, "5+", default=False, ignorable=True)


@message(key=35, versions="1-5", flexible="2+")
class DescribeLogDirsResponse:
    """One answer per data directory."""

    throttle_time_ms: int = field(INT32, default=0)
    error_code: int = field(INT16, "3+", default=0, ignorable=True)
    results: list[DescribeLogDirsResult] = field(array(DescribeLogDirsResult))
