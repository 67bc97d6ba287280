"""At the limit of open files: new connections are refused, and who is there is served."""

import re
import resource
import socket
from pathlib import Path

import pytest

from minikafka.protocol.api.create_topics import (
    CreateTopicsRequest,
    CreateTopicsRequestConfig,
    CreateTopicsRequestTopic,
)

from ..broker.in_process import batch_of, produce_request
from ..nodes import NodeProcess
from .good_client import GoodClient

LIMIT = 80
SOCKETS = 120


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="only Linux limits another process")
def test_more_sockets_than_files_may_be_open_harm_nobody_who_is_there(tmp_path: Path) -> None:
    node = NodeProcess(tmp_path / "node-1", file_limit=LIMIT).start()
    crowd: list[socket.socket] = []
    try:
        client = GoodClient(("127.0.0.1", node.port), "good")
        rolling = [CreateTopicsRequestConfig(name="segment.bytes", value="500")]
        topic = CreateTopicsRequestTopic(
            name="good", num_partitions=1, replication_factor=1, configs=rolling
        )
        client.call(CreateTopicsRequest(topics=[topic], timeout_ms=10_000), 5)
        crowd = [socket.create_connection(("127.0.0.1", node.port)) for _ in range(SOCKETS)]
        for number in range(20):  # each some segment's last, so that files are opened
            answer = client.call(produce_request("good", batch_of(b"x" * 300)), 9)
            partition = answer.responses[0].partition_responses[0]
            assert (partition.error_code, partition.base_offset) == (0, number)
        refused = sum(_is_closed(each) for each in crowd)
        assert SOCKETS - LIMIT < refused < SOCKETS
        for each in crowd:
            each.close()
        GoodClient(("127.0.0.1", node.port), "good").close()
        client.close()
        assert node.stop() == 0
    finally:
        for each in crowd:
            each.close()
        node.kill()
    lines = re.findall("refused: .* ulimit -n", node.log)
    assert 0 < len(lines) <= 40  # the log has a bound as well
    assert "Traceback" not in node.log


def _is_closed(sock: socket.socket) -> bool:
    sock.settimeout(0.01)
    try:
        return sock.recv(1) == b""
    except TimeoutError:
        return False
    except ConnectionResetError:
        return True
