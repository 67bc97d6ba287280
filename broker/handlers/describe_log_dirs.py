"""DescribeLogDirs: the one data directory, how large its partitions are, and how full the disk."""

from os.path import abspath

from ...protocol.api.describe_log_dirs import (
    DescribeLogDirsPartition,
    DescribeLogDirsRequest,
    DescribeLogDirsResponse,
    DescribeLogDirsResult,
    DescribeLogDirsTopic,
)
from ...protocol.errors import ErrorCode
from ..log.files import StorageError
from ..replica.manager import ReplicaManager
from ..replica.partition import Partition
from .context import Context, Exchange


def handle(
    exchange: Exchange, request: DescribeLogDirsRequest, context: Context
) -> DescribeLogDirsResponse:
    """The partitions asked for that are here; what is not here is left out, as in Kafka."""
    del exchange
    directory = DescribeLogDirsResult(
        error_code=ErrorCode.NONE, log_dir=abspath(context.store.data_dir), topics=[]
    )
    try:
        directory.total_bytes, directory.usable_bytes = context.store.volume_space()
    except StorageError:
        directory.error_code = ErrorCode.KAFKA_STORAGE_ERROR
    else:
        directory.topics = _topics(request, context.replicas)
    return DescribeLogDirsResponse(results=[directory])


def _topics(
    request: DescribeLogDirsRequest, replicas: ReplicaManager
) -> list[DescribeLogDirsTopic]:
    if request.topics is None:
        wanted = set(replicas.partitions)
    else:
        wanted = {(topic.topic, index) for topic in request.topics for index in topic.partitions}
    topics: dict[str, DescribeLogDirsTopic] = {}
    for name, index in sorted(wanted & replicas.partitions.keys()):
        topic = topics.setdefault(name, DescribeLogDirsTopic(name=name, partitions=[]))
        topic.partitions.append(_describe(replicas.partitions[name, index]))
    return list(topics.values())


def _describe(partition: Partition) -> DescribeLogDirsPartition:
    return DescribeLogDirsPartition(
        partition_index=partition.index,
        partition_size=partition.log.size_bytes,
        offset_lag=0,  # As in Kafka: of the high watermark that it knows, no replica is behind.
        is_future_key=False,
    )
