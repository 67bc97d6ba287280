"""AlterReplicaLogDirs (key 34): move replicas to other data directories of their brokers.

An admin client asks each broker about that broker's own disks. The answer says that the move has
begun; DescribeLogDirs tells how far it is.

    v1   the oldest served: directories, and the partitions that shall lie in each (KIP-113)
    v2   flexible (KIP-482)
"""

from ..codec import array, field, message, struct
from ..primitives import INT16, INT32, STRING


@struct
class AlterReplicaLogDirTopic:
    """The partitions of one topic that shall lie in the directory."""

    name: str = field(STRING)
    partitions: list[int] = field(array(INT32))


@struct
class AlterReplicaLogDir:
    """One directory, by its absolute path, and what shall lie in it."""

    path: str = field(STRING)
    topics: list[AlterReplicaLogDirTopic] = field(array(AlterReplicaLogDirTopic))


@message(key=34, versions="1-2", flexible="2+")
class AlterReplicaLogDirsRequest:
    """Move these partitions to these directories: an admin client."""

    dirs: list[AlterReplicaLogDir] = field(array(AlterReplicaLogDir))


@struct
class AlterReplicaLogDirPartitionResult:
    """What became of one partition."""

    partition_index: int = field(INT32)
    error_code: int = field(INT16)


@struct
class AlterReplicaLogDirTopicResult:
    """The answers for one topic."""

    topic_name: str = field(STRING)
    partitions: list[AlterReplicaLogDirPartitionResult] = field(
        array(AlterReplicaLogDirPartitionResult)
    )


@message(key=34, versions="1-2", flexible="2+")
class AlterReplicaLogDirsResponse:
    """One answer per partition named."""

    throttle_time_ms: int = field(INT32, default=0)
    results: list[AlterReplicaLogDirTopicResult] = field(array(AlterReplicaLogDirTopicResult))
