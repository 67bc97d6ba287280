"""A peer of the control plane that sends what it is told: messages, or any bytes."""

import asyncio
from typing import Any

from minikafka.broker.controller.decide import Decision
from minikafka.protocol.control import ANSWERS, NODE_ANSWERS, DescribeSegments, Segments
from minikafka.protocol.control_frame import MAX_ANSWER_BYTES, SIZE, decode, encode, payload_size

from ..in_process import DEADLINE_S, ServedNode


class Peer:
    """One connection to a node's control port."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, cluster_id: str
    ) -> None:
        self._reader = reader
        self._writer = writer
        self.cluster_id = cluster_id

    @staticmethod
    async def connect(served: ServedNode) -> "Peer":
        """A connection that says the right cluster id."""
        streams = await asyncio.open_connection(*served.node.control_address)
        return Peer(*streams, served.node._controller.image.cluster_id)

    @property
    def name(self) -> str:
        """How the node's log calls this connection."""
        host, port = self._writer.get_extra_info("sockname")
        return f"{host}:{port}"

    def send(self, message: Any) -> None:
        """Send a question."""
        self.send_bytes(encode(message, self.cluster_id))

    def send_bytes(self, data: bytes) -> None:
        """Send anything."""
        self._writer.write(data)

    async def receive(self) -> Any:
        """The next answer."""
        async with asyncio.timeout(DEADLINE_S):
            head = await self._reader.readexactly(SIZE.size)
            payload = await self._reader.readexactly(payload_size(head, MAX_ANSWER_BYTES))
        _, message = decode(payload, {**ANSWERS, **NODE_ANSWERS})
        return message

    async def ask(self, message: Any) -> Any:
        """Send a question and return its answer."""
        self.send(message)
        return await self.receive()

    async def segments(self, *arguments: Any) -> Segments:
        """What DescribeSegments with these arguments gives, which must be segments."""
        answer = await self.ask(DescribeSegments(*arguments))
        assert isinstance(answer, Segments), answer
        return answer

    async def closed_by_node(self) -> bytes:
        """Wait for the end of the connection; what came before it."""
        async with asyncio.timeout(DEADLINE_S):
            try:
                return await self._reader.read()
            except ConnectionError:
                return b""

    def stop_reading(self) -> None:
        """Leave the answers in the kernel, which then has no room for more."""
        self._writer.transport.pause_reading()  # type: ignore[attr-defined] # a read transport too

    def abort(self) -> None:
        """Go away with a reset."""
        self._writer.transport.abort()

    async def close(self) -> None:
        """Go away."""
        self._writer.close()
        try:
            await self._writer.wait_closed()
        except ConnectionError:
            return


async def happen(node: ServedNode, count: int, size_bytes: int = 0) -> None:
    """One command that makes so many events, each so large at least."""
    reserved: dict[str, Any] = {"type": "ProducerIdsReserved", "broker_id": 1}
    reserved |= {"next_producer_id": 5, "note": "x" * size_bytes}
    await node.node._controller.submit(lambda image: Decision([reserved] * count))
