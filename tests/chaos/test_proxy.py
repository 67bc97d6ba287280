"""The faulty network does what it says: between a client, node 1, and a server, node 2."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from .proxy import FaultyNetwork

DEADLINE_S = 10.0
SHORT_S = 0.3


class Echo:
    """Sends back what it gets; remembers how each connection ended."""

    def __init__(self) -> None:
        self.endings: list[str] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = self._listener.getsockname()
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Listen no more."""
        with contextlib.suppress(OSError):  # It may be closed already.
            self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            try:
                while data := connection.recv(65_536):
                    connection.sendall(data)
                self.endings.append("end")
                connection.sendall(b"bye")
            except OSError:
                self.endings.append("reset")


class World:
    """The echo server behind a network, and a client's connection to it."""

    def __init__(self, network: FaultyNetwork, echo: Echo) -> None:
        self.network = network
        self.echo = echo
        self._address = network.link(1, 2, echo.address)

    def connect(self) -> socket.socket:
        connection = socket.create_connection(self._address, DEADLINE_S)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def until(self, ending: str) -> None:
        """Wait until the server has seen a connection end so."""
        deadline_s = time.monotonic() + DEADLINE_S
        while ending not in self.echo.endings:
            assert time.monotonic() < deadline_s, self.echo.endings
            time.sleep(0.001)


@pytest.fixture
def world() -> Iterator[World]:
    echo = Echo()
    with FaultyNetwork() as network:
        yield World(network, echo)
    echo.close()


def receive(connection: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        part = connection.recv(size - len(data))
        if not part:
            break
        data += part
    return data


@contextlib.contextmanager
def silence(connection: socket.socket) -> Iterator[None]:
    """Nothing may come in this time."""
    yield
    connection.settimeout(SHORT_S)
    with pytest.raises(TimeoutError):
        connection.recv(1)
    connection.settimeout(DEADLINE_S)


def test_without_faults_everything_arrives_in_order(world: World):
    with world.connect() as connection:
        sent = bytes(range(256)) * 4000
        threading.Thread(target=connection.sendall, args=(sent,)).start()
        assert receive(connection, len(sent)) == sent
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(10) == b"bye"


@pytest.mark.parametrize("pair", [(1, 2), (2, 1)])
def test_a_cut_holds_back_one_way_and_healing_delivers(world: World, pair: tuple[int, int]):
    with world.connect() as connection, world.connect() as other_way_round:
        connection.sendall(b"a")
        assert receive(connection, 1) == b"a"
        world.network.cut(*pair)
        with silence(connection):
            connection.sendall(b"bc")
        world.network.heal()
        assert receive(connection, 2) == b"bc"
        other_way_round.sendall(b"d")
        assert receive(other_way_round, 1) == b"d"


def test_a_connection_that_is_opened_during_a_cut_hangs_until_it_is_healed(world: World):
    world.network.cut(1, 2)
    with world.connect() as connection:
        with silence(connection):
            connection.sendall(b"x")
        world.network.heal()
        assert receive(connection, 1) == b"x"


def test_a_delay_keeps_the_order(world: World):
    world.network.delay(1, 2, 0.2, jitter_s=0.1)
    with world.connect() as connection:
        began_s = time.monotonic()
        for number in range(20):
            connection.sendall(b"%02d" % number)
        assert receive(connection, 40) == b"".join(b"%02d" % number for number in range(20))
        assert time.monotonic() - began_s >= 0.2


def test_a_throttle_makes_bytes_slow(world: World):
    world.network.throttle(2, 1, 100_000)
    with world.connect() as connection:
        began_s = time.monotonic()
        sent = b"." * 30_000
        connection.sendall(sent)
        assert receive(connection, len(sent)) == sent
        assert time.monotonic() - began_s >= 0.3


def test_a_reset_breaks_both_ends(world: World):
    with world.connect() as connection:
        connection.sendall(b"x")
        assert receive(connection, 1) == b"x"
        world.network.reset(1, 2)
        with pytest.raises(ConnectionError):
            connection.recv(1)
        world.until("reset")


def test_a_direction_ends_and_the_other_goes_on(world: World):
    with world.connect() as connection:
        connection.sendall(b"x")
        assert receive(connection, 1) == b"x"
        world.network.half_close(1, 2)
        world.until("end")
        assert receive(connection, 3) == b"bye"


def test_one_bit_of_one_byte_is_changed(world: World):
    with world.connect() as connection:
        world.network.corrupt(1, 2)
        connection.sendall(b"abcd")
        assert receive(connection, 4) == b"`bcd"
        connection.sendall(b"abcd")
        assert receive(connection, 4) == b"abcd"


def test_nobody_behind_it_is_a_broken_connection(world: World):
    world.echo.close()
    with pytest.raises(ConnectionError):
        first_byte(world)


def first_byte(world: World) -> bytes:
    with world.connect() as connection:
        return connection.recv(1)
