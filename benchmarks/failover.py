"""How long the partitions of a leader that was killed accept no writes, and where the time goes.

    kill -9 ── decided: the controller has fenced the dead and elected others, by its metadata log
            ── new controller: there is one, if the dead was the controller
            ── known: another broker's Metadata names the new leaders
            ── accepted: our producer, with its defaults, has acks=all from each partition again

All are milliseconds since the kill. The records that are timed are sent right after it, one to each
partition that the dead node led.
"""

import asyncio
import time
from dataclasses import dataclass

from minikafka import Producer
from minikafka.client.control_link import ControlLink
from minikafka.protocol.api.metadata import MetadataRequest, MetadataRequestTopic, MetadataResponse
from minikafka.protocol.control import Event, Events, ReadEvents

from .three_nodes import ThreeNodes
from .wire import Address, Connection

TOPIC = "bench-failover"
VALUE = b"x" * 100
POLL_S = 0.005
ANSWER_MS = 5_000


@dataclass(frozen=True, slots=True)
class Failover:
    """The milliseconds since the kill."""

    new_controller_ms: float | None
    decided_ms: float
    known_ms: float
    accepted_ms: float


async def fail_over(cluster: ThreeNodes, node_id: int, topic: str) -> Failover:
    """Kill a node, wait until what it led is written to again, and start it again."""
    led = await cluster.led_by(topic, node_id)
    witness = next(each for each in cluster.nodes if each != node_id)
    from_offset = (await _read(cluster, witness, 0)).end_offset
    async with Producer(bootstrap_servers=cluster.bootstrap) as producer:
        for each in await producer.partitions_for(topic):
            await producer.send(topic, VALUE, partition=each)
        await producer.flush()
        began_s, began_wall_ms = time.monotonic(), time.time() * 1000
        await cluster.nodes[node_id].kill()
        knowing = asyncio.create_task(_known_s(cluster, witness, topic, node_id))
        writes = [producer.send_and_wait(topic, VALUE, partition=each) for each in led]
        await asyncio.gather(*writes)
        accepted_s = time.monotonic()
        known_s = await knowing
    events = (await _read(cluster, witness, from_offset)).events
    outcome = Failover(
        _since(began_wall_ms, events, {"type": "ControllerElected"}),
        _since(began_wall_ms, events, {"type": "BrokerChanged", "broker_id": node_id}) or 0.0,
        (known_s - began_s) * 1000,
        (accepted_s - began_s) * 1000,
    )
    await cluster.mend(node_id)
    return outcome


async def _read(cluster: ThreeNodes, node_id: int, from_offset: int) -> Events:
    """The metadata log from an offset on, as a node has it."""
    port = cluster.nodes[node_id].control_port
    cluster_id = (await cluster.admin.describe_cluster()).cluster_id or ""
    link = await ControlLink.open("127.0.0.1", port, cluster_id, ANSWER_MS)
    told = await link.ask(ReadEvents(from_offset), Events, ANSWER_MS)
    link.close()
    return told


def _since(
    began_wall_ms: float, events: tuple[Event, ...], wanted: dict[str, object]
) -> float | None:
    """When the first such record was written."""
    found = [each for each in events if wanted.items() <= dict(each.record).items()]
    return found[0].timestamp_ms - began_wall_ms if found else None


async def _known_s(cluster: ThreeNodes, witness: int, topic: str, dead: int) -> float:
    """When a broker's Metadata has a leader that lives for each partition."""
    connection = Connection(Address("127.0.0.1", cluster.nodes[witness].port))
    asked = MetadataRequest(topics=[MetadataRequestTopic(name=topic)])
    try:
        while True:
            told: MetadataResponse = await asyncio.to_thread(
                connection.ask, asked, MetadataResponse
            )
            if all(each.leader_id not in (-1, dead) for each in told.topics[0].partitions):
                return time.monotonic()
            await asyncio.sleep(POLL_S)
    finally:
        connection.close()
