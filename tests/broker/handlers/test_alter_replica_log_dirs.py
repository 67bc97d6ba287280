"""AlterReplicaLogDirs: partitions stay where they are."""

from pathlib import Path

import pytest

from minikafka.protocol.api.alter_replica_log_dirs import (
    AlterReplicaLogDir,
    AlterReplicaLogDirsRequest,
    AlterReplicaLogDirTopic,
)
from minikafka.protocol.errors import ErrorCode

from ..in_process import ServedNode


@pytest.mark.parametrize("version", [1, 2])
async def test_a_partition_may_stay_and_cannot_go(
    node: ServedNode, tmp_path: Path, version: int
) -> None:
    await node.create("orders")
    wanted = [AlterReplicaLogDirTopic(name="orders", partitions=[0, 1])]
    paths = (str(tmp_path / "node"), str(tmp_path / "other"))
    dirs = [AlterReplicaLogDir(path=path, topics=wanted) for path in paths]
    answer = await node.call(AlterReplicaLogDirsRequest(dirs=dirs), version)
    codes = [
        (topic.topic_name, [each.error_code for each in topic.partitions])
        for topic in answer.results
    ]
    assert codes == [
        ("orders", [ErrorCode.NONE, ErrorCode.REPLICA_NOT_AVAILABLE]),
        ("orders", [ErrorCode.LOG_DIR_NOT_FOUND] * 2),
    ]
