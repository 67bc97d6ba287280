"""What a client finds at an address: does a broker answer, what does it serve, whom does it name?

A client that reaches a broker is told the addresses of all brokers, and uses those from then on.
An address that is right inside a container and wrong outside is the commonest reason for which
clients hang, so each is tried. Kafka's protocol does not tell a broker's time: clocks are not
compared.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Final

from ..client.errors import KafkaError
from ..protocol.api import api_name, request_class
from ..protocol.api.metadata import MetadataRequest, MetadataResponse
from ..protocol.api.produce import ProduceRequest
from ..protocol.primitives import ProtocolError
from ..protocol.schema import schema_of
from ..transport.connection import Connection
from .finding import Finding, bad, ok, warn

TIMEOUT_MS: Final = 5000
NEEDED_APIS: Final = (0, 1, 2, 3)
"""Produce, Fetch, ListOffsets, Metadata: without these no record goes in or comes out."""


async def broker_findings(
    servers: tuple[tuple[str, int], ...], *, is_expected: bool
) -> AsyncIterator[Finding]:
    """Ask each address; without a broker that is bad only if one `is_expected` there."""
    for host, port in servers:
        try:
            connection = await _connect(host, port)
        except KafkaError as error:
            sentence = f"{error}; start one with `minikafka serve`, or name another with -b"
            yield bad("broker", sentence) if is_expected else warn("broker", sentence)
            continue
        try:
            yield _apis(connection)
            async for finding in _advertised(connection):
                yield finding
        except (KafkaError, ProtocolError) as error:
            yield bad("broker", f"{host}:{port} answers, and then: {error}")
        finally:
            connection.close()
            await connection.wait_closed()


def _apis(connection: Connection) -> Finding:
    """The API table, and whether a client can work with it."""
    served = connection.versions
    missing = [api_name(key) for key in NEEDED_APIS if not _is_served(connection, key)]
    if missing:
        names = ", ".join(missing)
        return bad("broker", f"{connection.address} serves no version that we speak of: {names}")
    newest = served[schema_of(ProduceRequest).key][1]
    return ok("broker", f"{connection.address} serves {len(served)} APIs, Produce up to v{newest}")


def _is_served(connection: Connection, key: int) -> bool:
    request = request_class(key)
    return request is not None and connection.serves(request)


async def _advertised(connection: Connection) -> AsyncIterator[Finding]:
    """Whether every broker of the cluster can be reached where it says that it can."""
    request = MetadataRequest(topics=[], allow_auto_topic_creation=False)
    response = await connection.request(request, MetadataResponse, TIMEOUT_MS)
    check = "advertised"
    if not response.brokers:
        yield bad(check, f"{connection.address} names no broker at all")
    for broker in response.brokers:
        address = f"{broker.host}:{broker.port}"
        try:
            reached = await _connect(broker.host, broker.port)
        except KafkaError as error:
            remedy = "give that broker an address that is right from here: --advertise HOST:PORT"
            yield bad(check, f"broker {broker.node_id} says {address}: {error}; {remedy}")
            continue
        reached.close()
        await reached.wait_closed()
        yield ok(check, f"broker {broker.node_id} can be reached at {address}")


async def _connect(host: str, port: int) -> Connection:
    loop = asyncio.get_running_loop()
    return await Connection.open(loop, host, port, timeout_ms=TIMEOUT_MS)
