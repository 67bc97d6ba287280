"""Which peers have hung up is known without reading from them."""

import socket
import struct
from collections.abc import Iterator

import pytest

from minikafka.transport.hanging_up import hung_up


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Both ends of a connection; what was sent to ours has not been read."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        peer = socket.create_connection(server.getsockname())
        ours, _ = server.accept()
    peer.sendall(b"unread")
    with peer, ours:
        yield ours, peer


def test_a_peer_that_may_send_more_has_not(ends: tuple[socket.socket, socket.socket]) -> None:
    assert hung_up([ends[0].fileno()]) == []


def test_nobody_is_asked_about() -> None:
    assert hung_up([]) == []


@pytest.mark.parametrize("way", ["close", "half close", "reset"])
def test_one_that_has_ended(ends: tuple[socket.socket, socket.socket], way: str) -> None:
    ours, peer = ends
    if way == "half close":
        peer.shutdown(socket.SHUT_WR)
    else:
        at_once = struct.pack("ii", 1, 0)
        peer.setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, at_once if way == "reset" else bytes(8)
        )
        peer.close()
    assert hung_up([ours.fileno()]) == [ours.fileno()]
