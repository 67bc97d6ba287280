"""A cluster under load that faults befall, and what has to be true of it in the end.

    three nodes ── a faulty network between them
    producers      confluent-kafka, aiokafka and ours: acks=all, idempotent, defaults otherwise
    committers     confluent-kafka and ours: groups that commit what they read
    witnesses      senders and readers on a topic of their own, at an easy pace, with a history

After each fault is mended, every producer and every committer gets on within LIVENESS_S, and every
replica is in sync again. In the end: each acknowledged record is there once and in order; the
replicas of each partition are the same, byte for byte; no acknowledged commit is lost; and the
history of the witnesses is one that a queue may have.
"""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from itertools import count, takewhile
from pathlib import Path
from types import TracebackType

from confluent_kafka import KafkaException

from minikafka import KafkaError, NewTopic
from minikafka.cli.replica_files import differing_partitions
from minikafka.protocol.records import Record
from minikafka.sync import AdminClient

from ..compat.confluent_client import ConfluentClient
from ..history.workload import TOPIC as WITNESSED
from ..history.workload import Workload
from ..nodes import NodeCluster
from .cluster_faults import Fault
from .committers import COMMITTERS, Commits
from .ledger import PARTITIONS, Ledger, Verdict, judge
from .producers import FLUSH_DEADLINE_S, PRODUCERS, Produce
from .proxy import separate_network

TOPIC = "shared"
REPLICAS = 3
DRIVERS: Mapping[str, Produce] = {
    name: PRODUCERS[name] for name in ("confluent", "aiokafka", "minikafka")
}
LIVENESS_S = 30.0
IN_SYNC_DEADLINE_S = 60.0
LOOK_EVERY_S = 0.05
READ_AT_ONCE = 50_000
ADMIN_TIMEOUT_MS = 5000
WITNESS_PAUSE_S = 0.02


class ClusterTrial:
    """One cluster and its drivers; `with` starts and ends them."""

    def __init__(self, directory: Path, *options: str) -> None:
        self._own_network = separate_network()
        self._directory = directory
        self._options = options
        self._stop = threading.Event()
        self._crashes: list[str] = []
        self._threads: list[threading.Thread] = []
        self.ledgers = {name: Ledger(name) for name in DRIVERS}
        self.commits = {name: Commits(f"group-{name}") for name in COMMITTERS}
        self._witnesses: list[Workload] = []
        self.slowest_s = 0.0
        """The longest that anybody needed to get on after a fault was mended."""
        self.witnessed = 0
        """How many records the history has in the end."""

    def __enter__(self) -> "ClusterTrial":
        self.network = self._own_network.__enter__()
        self.cluster = NodeCluster(
            self._directory, *self._options, control=self.network.link, data=self.network.link
        )
        try:
            self.cluster.start()
            with self._admin() as admin:
                admin.create_topics([NewTopic(TOPIC, PARTITIONS, REPLICAS)])
            self._begin_load()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.network.heal()
        self._stop.set()
        for thread in self._threads:
            thread.join(FLUSH_DEADLINE_S)
        self.cluster.kill()
        self._own_network.__exit__(None, None, None)

    def suffer(self, fault: Fault) -> None:
        """Let this happen, and see that everybody gets on afterwards."""
        self._wait_for_everybody()
        fault(self)
        began_s = time.monotonic()
        self._wait_for_everybody()
        self.slowest_s = max(self.slowest_s, time.monotonic() - began_s)
        self.wait_until_in_sync()

    def leader(self) -> int:
        """The leader of a partition that is not the controller, if there is such a one."""
        with self._admin() as admin:
            controller = admin.describe_quorum().leader_id
            (topic,) = admin.describe_topics([TOPIC])
        leaders = [each.leader for each in topic.partitions]
        return next((each for each in leaders if each != controller), leaders[0])

    def controller(self) -> int:
        """The active controller."""
        with self._admin() as admin:
            leader_id = admin.describe_quorum().leader_id
        assert leader_id is not None
        return leader_id

    def wait_until_in_sync(self) -> None:
        """Return when every replica of every partition is in sync."""
        self._wait(self._is_in_sync, IN_SYNC_DEADLINE_S, "not every replica is in sync")

    def finish(self) -> Verdict:
        """Stop the load, and compare what is there with what was acknowledged."""
        self._stop.set()
        for thread in self._threads:
            thread.join(FLUSH_DEADLINE_S)
        assert not any(thread.is_alive() for thread in self._threads)
        assert not self._crashes, self._crashes
        self.wait_until_in_sync()
        self._check_commits()
        for witness in self._witnesses:
            report = witness.judge(self._directory / "history.jsonl")
            assert report.is_valid, report.text()
            assert report.proves_something
            self.witnessed += report.records_sent
        verdict = judge(self.ledgers.values(), map(self._read, range(PARTITIONS)))
        # kill -9, since what counts is what is on disk, whatever a clean stop would have mended.
        self.cluster.kill()
        data_dirs = [node.data_dir for node in self.cluster.nodes.values()]
        for topic in (TOPIC, WITNESSED, "__consumer_offsets"):
            differing = differing_partitions(data_dirs, topic)
            assert not differing, f"the replicas differ: {differing}"
        return verdict

    def acknowledged(self) -> int:
        """How many records all producers together may rely on."""
        return sum(each.acknowledged_count for each in self.ledgers.values())

    def _begin_load(self) -> None:
        for name, ledger in self.ledgers.items():
            self._begin(DRIVERS[name], TOPIC, ledger, True, self._stop)
        for name, commits in self.commits.items():
            self._begin(COMMITTERS[name], TOPIC, commits, self._stop)
        self._begin(_witness, self._witnesses, self._stop)

    def _begin(self, work: Callable[..., None], *arguments: object) -> None:
        def run() -> None:
            try:
                work(self.cluster.bootstrap, *arguments)
            except Exception as crash:  # noqa: BLE001 - whatever it is, the test fails with it
                self._crashes.append(f"{work.__name__}: {crash!r}")

        thread = threading.Thread(target=run, name=work.__name__)
        self._threads.append(thread)
        thread.start()

    def _wait_for_everybody(self) -> None:
        """Each producer has another record acknowledged, and each group another commit."""
        records = {each: each.acknowledged_count + 1 for each in self.ledgers.values()}
        commits = {each: each.count + 1 for each in self.commits.values()}

        def is_reached() -> bool:
            return all(each.acknowledged_count >= goal for each, goal in records.items()) and all(
                each.count >= goal for each, goal in commits.items()
            )

        self._wait(is_reached, LIVENESS_S, "somebody does not get on")

    def _wait(self, is_reached: Callable[[], bool], deadline_s: float, complaint: str) -> None:
        end_s = time.monotonic() + deadline_s
        while not is_reached():
            records = {name: each.acknowledged_count for name, each in self.ledgers.items()}
            commits = {name: each.count for name, each in self.commits.items()}
            assert not self._crashes, self._crashes
            assert time.monotonic() < end_s, f"{complaint}: {records}, commits {commits}"
            time.sleep(LOOK_EVERY_S)

    def _is_in_sync(self) -> bool:
        try:
            with self._admin() as admin:
                topics = admin.describe_topics()
        except KafkaError:
            return False
        return all(
            set(each.in_sync_replicas) == set(each.replicas) and each.leader >= 0
            for topic in topics
            for each in topic.partitions
        )

    def _check_commits(self) -> None:
        for commits in self.commits.values():
            with self._admin() as admin:
                found = admin.list_group_offsets(commits.group)
            lost = commits.lost({each: offset.offset for each, offset in found.items()})
            assert not lost, f"{commits.group}: {lost}"

    def _read(self, partition: int) -> Iterator[Record]:
        client = ConfluentClient(self.cluster.bootstrap)
        start, end = self._watermarks(client, partition)
        while start < end:
            records = client.read(TOPIC, min(READ_AT_ONCE, end - start), partition, start)
            yield from records
            start = records[-1].offset + 1

    def _watermarks(self, client: ConfluentClient, partition: int) -> tuple[int, int]:
        """Where it starts and ends, from its leader; it may move to its preferred one just now."""
        found: list[tuple[int, int]] = []

        def is_told() -> bool:
            try:
                found.append(client.watermarks(TOPIC, partition))
            except KafkaException:
                return False
            return True

        self._wait(is_told, IN_SYNC_DEADLINE_S, f"nobody tells where partition {partition} ends")
        return found[0]

    def _admin(self) -> AdminClient:
        return AdminClient(
            bootstrap_servers=self.cluster.bootstrap, request_timeout_ms=ADMIN_TIMEOUT_MS
        )


def _witness(bootstrap: str, witnesses: list[Workload], stop: threading.Event) -> None:
    async def run() -> None:
        workload = Workload(bootstrap, replicas=REPLICAS, pause_s=WITNESS_PAUSE_S)
        witnesses.append(workload)
        await workload.run(lambda: takewhile(lambda _: not stop.is_set(), count()))

    asyncio.run(run())
