"""A whole cluster in one thread: nodes, clients, faults, and all that must hold.

    start      all nodes, a topic
    safety     clients work while things go wrong
    liveness   everything is healed: each operation ends, ISRs are full, readers reach the end
    truth      what a last reader reads, what lies on each node's disk; the history is checked

The same seed does the same, to the byte (see `trace`). Python's own hashes of strings must not
differ either: `python -m tests.sim` sees to that.
"""

import asyncio
import gc
import traceback
from collections import Counter
from dataclasses import dataclass, field
from random import Random
from typing import Any

from minikafka.broker.config import BrokerConfig
from minikafka.client.admin import AdminClient, NewTopic
from minikafka.client.consumer import Consumer
from minikafka.client.errors import KafkaError
from minikafka.history.check import check
from minikafka.history.evidence import Promises
from minikafka.protocol.errors import ErrorCode
from minikafka.protocol.records import iterate, iterate_batches

from .as_events import events_of
from .clients import (
    API_TIMEOUT_MS,
    GROUP,
    REQUEST_TIMEOUT_MS,
    TOPIC,
    Client,
    MemberClient,
    ReadingClient,
    SendingClient,
    UnsafeClient,
)
from .cluster_check import check_history
from .cluster_history import ClusterHistory, Replica
from .loop import SimulatedLoop
from .machine import Machine
from .nemesis import Nemesis
from .operator import OperatorClient
from .process import Process
from .setup import Setup
from .watch import READ_BYTES, Watch

CLIENT_PORT, CONTROL_PORT = 9092, 19092
START_S = 60.0
LIVENESS_S = 60.0
"""In virtual time, all must be well so long after the last fault is healed."""
LOOK_AGAIN_S = 0.25
MAX_TURNS = 5_000_000


class NotInTime(Exception):
    """Something has not come true."""


@dataclass
class Result:
    """What a run has found, and how much there was of it."""

    setup: Setup
    violations: list[str] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)
    """Why it shows little although it found nothing."""
    trace_hash: str = ""
    recent: list[str] = field(default_factory=list)
    operations: int = 0
    acknowledged: int = 0
    faults: Counter[str] = field(default_factory=Counter[str])
    operated: Counter[str] = field(default_factory=Counter[str])
    leader_changes: int = 0
    turns: int = 0
    virtual_s: float = 0.0


class World:
    """See the module."""

    def __init__(self, setup: Setup) -> None:
        self.setup = setup
        self.loop = SimulatedLoop(self._dice("loop"))
        self.history = ClusterHistory()
        self.violations: list[str] = []
        self.loop.max_turns = MAX_TURNS
        network = self.loop.network
        network.delay_s, network.jitter_s = setup.delay_s, setup.jitter_s
        network.split = setup.split
        self.machines = [self._machine(node_id) for node_id in range(1, setup.nodes + 1)]
        self.watch = Watch(self.machines)
        self.clients = self._make_clients()
        dice = self._dice("nemesis")
        self.nemesis = Nemesis(self.loop, setup, self.machines, self.clients, dice, self.watch)
        self._by_process: dict[str, Machine] = {each.name: each for each in self.machines}
        self.loop.after_turn = self._look
        self.loop.set_exception_handler(self._failed)

    def run(self) -> Result:
        """Live from start to truth."""
        gc.collect()
        gc.disable()  # When it runs depends on what ran before, and it ends what nobody holds.
        try:
            asyncio.set_event_loop(self.loop)
            self.loop.run_until_complete(self._main())
        except Exception as error:  # noqa: BLE001 - whatever it is, it is a finding
            self.violations.append(f"{type(error).__name__}: {error}")
            if not isinstance(error, NotInTime):
                self.violations.append(traceback.format_exc())
        finally:
            asyncio.set_event_loop(None)
            result = self._result()
            self.loop.end()
            gc.enable()
        return result

    def _result(self) -> Result:
        history, loop = self.history, self.loop
        return Result(
            self.setup,
            [*self.watch.violations, *self.violations],
            self._doubts(),
            loop.trace.hash,
            list(loop.trace.recent),
            history.operations,
            sum(send.outcome == "ok" for send in history.sends),
            self.nemesis.fired,
            history.operated,
            self.watch.leader_changes,
            loop.turns,
            loop.now_s,
        )

    def _doubts(self) -> list[str]:
        """A run counts only if the cluster worked before its faults, and they came about."""
        doubts: list[str] = []
        early = [
            each
            for each in (*self.history.sends, *self.history.commits)
            if each.began_s < self.nemesis.first_s
        ]
        if sum(each.outcome == "ok" for each in early) < max(len(early) / 2, 1):
            doubts.append("fewer than half of the first operations were acknowledged")
        if self.setup.nodes > 1 and not self.watch.moves:
            doubts.append("no leader changed")
        missing = [each for each in self.setup.faults if not self.nemesis.fired[each]]
        if missing:
            doubts.append(f"it never came to {' '.join(missing)}")
        return doubts

    # Building

    def _dice(self, purpose: str) -> Random:
        return Random(f"{purpose} {self.setup.seed}")

    @property
    def bootstrap(self) -> str:
        """Where clients find the cluster."""
        return ",".join(f"{machine.host}:{CLIENT_PORT}" for machine in self.machines)

    def _machine(self, node_id: int) -> Machine:
        setup, host = self.setup, node_host(node_id)
        options: dict[str, Any] = {
            "node_id": node_id,
            "listen": f"{host}:{CLIENT_PORT}",
            "controller_listen": f"{host}:{CONTROL_PORT}",
            "data_dir": "/srv/minikafka",
            "flush": setup.flush,
            "log_segment_bytes": setup.segment_bytes,
            "log_cleaner_enable": False,
            "auto_create_topics_enable": False,
            "offsets_topic_num_partitions": 2,
        }
        if setup.nodes > 1:
            voters = range(1, setup.nodes - setup.observers + 1)
            if node_id in voters:
                options["voters"] = ",".join(f"{i}@{node_host(i)}:{CONTROL_PORT}" for i in voters)
            else:
                options["join"] = ",".join(f"{node_host(i)}:{CONTROL_PORT}" for i in voters)
        dice = self._dice(f"node {node_id}")
        machine = Machine(self.loop, host, BrokerConfig(**options), dice)
        machine.on_end = self._node_ended
        return machine

    def _make_clients(self) -> list[Client]:
        setup = self.setup
        kinds: list[type[Client]] = [
            *[SendingClient] * setup.producers,
            *[UnsafeClient] * setup.unsafe_producers,
            *[ReadingClient] * setup.readers,
            *[MemberClient] * setup.members,
            *[OperatorClient] * bool(setup.operations),
        ]
        return [
            kind(
                self.loop,
                f"127.0.2.{number}",
                self.bootstrap,
                setup,
                self.history,
                self.watch,
                self._dice(f"client {number}"),
            )
            for number, kind in enumerate(kinds, 1)
        ]

    # Watching

    def _look(self, processes: list[Process]) -> None:
        for process in processes:
            machine = self._by_process.get(process.name.partition(".")[0])
            if machine is not None and machine.process is process:
                self.watch.look(machine)

    def _node_ended(self, machine: Machine, reason: str) -> None:
        self.violations.append(f"{machine.name} has ended: {reason}")

    def _failed(self, loop: Any, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if isinstance(error, KafkaError):
            return  # A record that failed: its producer has noted it.
        self.violations.append(f"{context['message']}: {error!r}")
        loop.trace.event(loop.now_s, "loop", f"{context['message']}: {error!r}")

    # Living

    async def _main(self) -> None:
        for machine in self.machines:
            machine.start()
        await self._until(lambda: all(each.is_ready for each in self.machines), "start", START_S)
        await self._as_client(self._create_topic())
        for client in self.clients:
            client.start()
        await asyncio.sleep(2)
        await self.nemesis.run(self.setup.safety_s)
        self.nemesis.heal()
        await self._settle()
        await self._as_client(self._read_all())
        self._read_disks()
        self.violations += check_history(self.history)
        self._judge()

    def _judge(self) -> None:
        """The history's judge must say the same of it."""
        promises = Promises(is_idempotent=not self.setup.unsafe_producers, is_drained=True)
        report = check(events_of(self.history), promises)
        if not report.is_valid:
            self.violations.append(report.text())

    async def _as_client(self, work: Any) -> None:
        await self.loop.new_process("127.0.2.254", "admin").create_task(work)

    async def _create_topic(self) -> None:
        setup = self.setup
        configs = {"min.insync.replicas": str(setup.min_insync_replicas)}
        topic = NewTopic(TOPIC, setup.partitions, setup.replication_factor, configs)
        give_up_s = self.loop.now_s + START_S
        while True:
            try:
                async with AdminClient(**self._client_options("admin")) as admin:
                    await admin.create_topics([topic])
                return
            except KafkaError as error:
                if error.code == ErrorCode.TOPIC_ALREADY_EXISTS:
                    return
                if self.loop.now_s > give_up_s:
                    raise NotInTime(f"the topic is not created: {error}") from error
            await asyncio.sleep(0.5)

    def _client_options(self, client_id: str) -> dict[str, Any]:
        return {
            "bootstrap_servers": self.bootstrap,
            "client_id": client_id,
            "request_timeout_ms": REQUEST_TIMEOUT_MS,
            "random": self._dice(client_id),
        }

    async def _settle(self) -> None:
        """Everything that was begun ends, and the cluster is whole again."""
        for machine in self.machines:
            if not machine.is_on:
                machine.start()
        await asyncio.sleep(LOOK_AGAIN_S)
        for client in self.clients:
            client.is_over = not isinstance(client, MemberClient)
        await self._until(self._are_clients_done, "clients finish")
        await self._until(self._is_whole, "replicas are in sync")
        await self._until(self._is_group_at_the_end, "the group reaches the end")
        for client in self.clients:
            client.is_over = True
        await self._until(self._are_clients_done, "members leave")

    async def _until(self, condition: Any, what: str, seconds: float = LIVENESS_S) -> None:
        give_up_s = self.loop.now_s + seconds
        while not condition():
            if self.loop.now_s > give_up_s:
                raise NotInTime(f"not within {seconds:.0f} s: {what}; {self._state()}")
            for machine in self.machines:
                if not machine.is_on:
                    machine.start()
            await asyncio.sleep(LOOK_AGAIN_S)

    def _are_clients_done(self) -> bool:
        return all(client.is_done() for client in self.clients if client.is_over)

    def _is_whole(self) -> bool:
        """Every node knows that all replicas of all partitions are in sync, and has it all."""
        for machine in self.machines:
            if not machine.is_ready or machine.node is None:
                return False
            for topic in machine.node._controller.image.topics.values():
                for image in topic.partitions.values():
                    if sorted(image.isr) != sorted(image.replicas) or image.leader < 0:
                        return False
            for partition in machine.node._replicas.partitions.values():
                if partition.high_watermark != partition.log.log_end_offset:
                    return False
        return True

    def _is_group_at_the_end(self) -> bool:
        """Every record was handed out to some member, if there are members."""
        if not self.setup.members:
            return True
        seen: dict[int, int] = {}
        for poll in self.history.polls:
            if poll.is_member:
                for partition, records in poll.records.items():
                    seen[partition] = max(seen.get(partition, 0), records[-1][0] + 1)
        ends = {
            name[1]: partition.log.log_end_offset
            for machine in self.machines
            if machine.node is not None
            for name, partition in machine.node._replicas.partitions.items()
            if name[0] == TOPIC
        }
        return all(seen.get(index, 0) >= end for index, end in ends.items())

    def _state(self) -> str:
        """Who is in what state, for whoever has to find out why."""
        waiting = [each.name for each in self.clients if each.is_over and not each.is_done()]
        logs = {
            machine.name: {
                f"{name[0]}-{name[1]}": (partition.high_watermark, partition.log.log_end_offset)
                for name, partition in machine.node._replicas.partitions.items()
            }
            for machine in self.machines
            if machine.is_ready and machine.node is not None
        }
        return f"clients at work: {waiting}; high watermarks and ends: {logs}"

    # The truth

    async def _read_all(self) -> None:
        """Read every partition from its beginning to its end, and what the group committed."""
        give_up_s = self.loop.now_s + LIVENESS_S
        consumer = Consumer(
            group_id=GROUP,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            default_api_timeout_ms=API_TIMEOUT_MS,
            **self._client_options("last-reader"),
        )
        names = [(TOPIC, index) for index in range(self.setup.partitions)]
        consumer.assign(names)
        final = self.history.final = {index: [] for _, index in names}
        async with consumer:
            await consumer.seek_to_beginning()
            ends = await consumer.end_offsets(names)
            while any(_end_of(final[name.partition]) < end for name, end in ends.items()):
                for name, records in (await consumer.getmany(500)).items():
                    final[name.partition] += [(each.offset, each.value) for each in records]
                if self.loop.now_s > give_up_s:
                    raise NotInTime("the last reader does not reach the end")
            for name in names:
                offset = await consumer.committed(name)
                if offset is not None:
                    self.history.committed[name[1]] = offset

    def _read_disks(self) -> None:
        for machine in self.machines:
            assert machine.node is not None
            for (topic, index), partition in machine.node._replicas.partitions.items():
                if topic == TOPIC:
                    records = read_log(partition.log, partition.log.log_end_offset)
                    self.history.replicas.append(
                        Replica(machine.config.node_id, index, partition.high_watermark, records)
                    )


def _end_of(records: list[tuple[int, bytes]]) -> int:
    return records[-1][0] + 1 if records else 0


def node_host(node_id: int) -> str:
    """The address of a node: each is a host of its own."""
    return f"127.0.1.{node_id}"


def read_log(log: Any, end_offset: int) -> list[tuple[int, bytes]]:
    """Every (offset, value) of a log below an offset."""
    found: list[tuple[int, bytes]] = []
    offset = log.log_start_offset
    while offset < end_offset:
        piece = log.read(offset, READ_BYTES, end_offset)
        if piece is None:
            return found
        for batch in iterate_batches(piece.read()):
            found += [(record.offset, record.value or b"") for record in iterate(batch)]
        offset = found[-1][0] + 1
    return found


def run_seed(setup: Setup) -> Result:
    """Run the world of one setup."""
    return World(setup).run()
