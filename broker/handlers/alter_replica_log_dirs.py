"""AlterReplicaLogDirs: there is one data directory, so nothing can move anywhere else."""

from os.path import abspath

from ...protocol.api.alter_replica_log_dirs import (
    AlterReplicaLogDirPartitionResult,
    AlterReplicaLogDirsRequest,
    AlterReplicaLogDirsResponse,
    AlterReplicaLogDirTopic,
    AlterReplicaLogDirTopicResult,
)
from ...protocol.errors import ErrorCode
from ..replica.partition import Partition
from .context import Context, Exchange


def handle(
    exchange: Exchange, request: AlterReplicaLogDirsRequest, context: Context
) -> AlterReplicaLogDirsResponse:
    """Where a partition lies already it may stay; every other directory is unknown."""
    del exchange
    ours = abspath(context.store.data_dir)
    return AlterReplicaLogDirsResponse(
        results=[
            _answer(topic, directory.path == ours, context)
            for directory in request.dirs
            for topic in directory.topics
        ]
    )


def _answer(
    topic: AlterReplicaLogDirTopic, is_ours: bool, context: Context
) -> AlterReplicaLogDirTopicResult:
    find = context.replicas.find
    return AlterReplicaLogDirTopicResult(
        topic_name=topic.name,
        partitions=[
            AlterReplicaLogDirPartitionResult(
                partition_index=index, error_code=_error_code(is_ours, find(topic.name, index))
            )
            for index in topic.partitions
        ],
    )


def _error_code(is_ours: bool, partition: Partition | None) -> ErrorCode:
    if not is_ours:
        return ErrorCode.LOG_DIR_NOT_FOUND
    return ErrorCode.REPLICA_NOT_AVAILABLE if partition is None else ErrorCode.NONE
