"""Starts of a cluster's node that cannot work, or not yet: each says in one sentence why.

What is refused has changed nothing in its directory, and never makes a second cluster.
"""

import asyncio
import logging
import re
import shutil
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from minikafka.broker.config import BrokerConfig
from minikafka.broker.controller.image import NOBODY
from minikafka.broker.log.last_run import LAST_RUN
from minikafka.broker.node import Node, NodeError
from minikafka.protocol.api.create_topics import CreateTopicsRequest, CreateTopicsRequestTopic
from minikafka.protocol.errors import ErrorCode

from ..nodes import NodeProcess, free_ports
from .clusters import DEADLINE_S, Cluster
from .in_process import batch_of, fetch_request, produce_request, records_of, serving, until
from .replica.unreliable_files import BROKEN, UnreliableFiles
from .test_node import listing


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directories node-1 to node-4 of a cluster that has been stopped; 4 has no vote."""
    directory = tmp_path_factory.mktemp("stopped")

    async def live() -> None:
        nodes = Cluster(directory)
        await nodes.start(1, 2, 3)
        await nodes.start(4, join=nodes.control(1))
        await nodes.stop()

    asyncio.run(live())
    return directory


@asynccontextmanager
async def running(directory: Path, *node_ids: int) -> AsyncIterator[Cluster]:
    """A cluster whose voters of these ids run."""
    nodes = Cluster(directory)
    try:
        await nodes.start(*node_ids)
        yield nodes
    finally:
        await nodes.stop()


def contents(data_dir: Path) -> dict[str, bytes]:
    """What is in a directory, without what is made anew of the rest after a crash."""
    return {name: data for name, data in listing(data_dir).items() if not name.endswith("index")}


async def refused(config: BrokerConfig) -> str:
    """The sentence of a start that fails, and has left everything as it was."""
    data_dir = Path(config.data_dir)
    before = contents(data_dir)
    async with asyncio.timeout(DEADLINE_S):
        with pytest.raises(NodeError) as error:
            await Node(config).start()
    assert contents(data_dir) == before
    assert "\n" not in str(error.value)
    return str(error.value)


async def test_a_node_of_another_cluster_stops_and_the_cluster_goes_on(
    tmp_path: Path, stopped: Path
) -> None:
    shutil.copytree(stopped / "node-3", tmp_path / "node-3")
    shutil.copytree(stopped / "node-4", tmp_path / "node-4")
    async with running(tmp_path, 1, 2) as nodes:
        own = nodes.nodes[1]._controller.cluster_id
        for config in (nodes.config(3), nodes.config(4, join=nodes.control(1))):
            sentence = await refused(config)
            assert f"data directory {config.data_dir}: it is of cluster '" in sentence
            assert f"the nodes that it was told of are of '{own}'" in sentence
            assert "correct --voters or --join, or give it another --data-dir" in sentence
        assert nodes.leader


@pytest.mark.parametrize(
    ("node_id", "told", "sentence"),
    [
        (3, {"voters": ""}, "has the voters 1, 2, 3 for life, and this node was started as a lone"),
        (3, {"voters": "3"}, "was started with the voter 3"),
        (3, {"voters": "1, 3"}, "was started with the voters 1, 3"),
        (3, {"join": "127.0.0.1:1"}, "was started to join others, without a vote"),
        (4, {"voters": ""}, "has the voters 1, 2, 3 for life"),
        (4, {"voters": "4"}, "was started with the voter 4"),
    ],
)
async def test_a_directory_knows_the_voters_of_its_cluster(
    tmp_path: Path, stopped: Path, node_id: int, told: dict[str, str], sentence: str
) -> None:
    shutil.copytree(stopped / f"node-{node_id}", tmp_path / f"node-{node_id}")
    nodes = Cluster(tmp_path)
    if voters := told.get("voters"):
        told = {"voters": nodes.voters(*map(int, voters.split(",")))}
    assert sentence in await refused(nodes.config(node_id, **told))


@pytest.mark.parametrize("is_killed", [False, True])
async def test_a_lone_nodes_directory_is_no_voters(tmp_path: Path, is_killed: bool) -> None:
    nodes = Cluster(tmp_path)
    async with serving(nodes.data_dir(1)) as node:
        await node.create("orders")
        if is_killed:
            shutil.copytree(nodes.data_dir(1), tmp_path / "killed")
    if is_killed:
        shutil.rmtree(nodes.data_dir(1))
        (tmp_path / "killed").rename(nodes.data_dir(1))
    sentence = "its cluster has the voter 1 for life, and this node was started with the voters 1,"
    assert sentence in await refused(nodes.config(1))
    assert "to join others" in await refused(nodes.config(1, join=nodes.control(2)))


async def test_a_lone_node_becomes_the_only_voter_and_is_joined(tmp_path: Path) -> None:
    nodes = Cluster(tmp_path)
    async with serving(nodes.data_dir(1)) as node:
        await node.create("orders")
        await node.produce("orders", batch_of(b"a"))
    try:
        await nodes.start(1, voters=nodes.voters(1))
        await nodes.start(2, join=nodes.control(1))
        fetched = await nodes.call(1, fetch_request("orders", 0), 12)
        assert [each.value for each in records_of(fetched.responses[0].partitions[0])] == [b"a"]
        assert set(nodes.nodes[2]._controller.image.brokers) == {1, 2}
    finally:
        await nodes.stop(*sorted(nodes.nodes, reverse=True))


async def test_nobody_joins_a_lone_node(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    nodes = Cluster(tmp_path)
    async with serving(tmp_path / "alone") as alone:
        host, port = alone.node.control_address
        starting = asyncio.ensure_future(Node(nodes.config(4, join=f"{host}:{port}")).start())
        await until(lambda: "has waited for" in caplog.text)
        assert "is that of a lone node, which nobody can join: start node 1 with --voters" in (
            caplog.text
        )
        starting.cancel()
        await asyncio.wait([starting])
        assert set(alone.node._controller.image.brokers) == {1}


async def test_an_id_that_is_in_use_is_said_to_be_and_its_broker_lives_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(tmp_path, 1, 2, 3) as nodes:
        await nodes.start(4, join=nodes.control(1))
        other = BrokerConfig(
            node_id=4,
            join=nodes.control(2),
            listen="127.0.0.1:0",
            controller_listen="127.0.0.1:0",
            data_dir=str(tmp_path / "other"),
            broker_session_timeout_ms=500,
        )
        async with asyncio.timeout(DEADLINE_S):
            with pytest.raises(NodeError) as error:
                await Node(other).start()
        port = nodes.nodes[4].client_address[1]
        sentence = f"another process is broker 4 at 127.0.0.1:{port}, and was heard of a moment ago"
        assert f"{sentence}; give one of them another --node-id" == str(error.value)
        assert f"waiting up to 1 s: {sentence}" in caplog.text
        voter = nodes.config(
            2,
            join=nodes.control(1),
            listen="127.0.0.1:0",
            controller_listen="127.0.0.1:0",
            data_dir=str(tmp_path / "voter"),
        )
        async with asyncio.timeout(DEADLINE_S):
            with pytest.raises(NodeError, match="node 2 is a voter of the cluster at"):
                await Node(voter).start()
        assert nodes.nodes[4]._controller.image.is_alive(4)


async def test_a_wiped_voter_follows_without_a_vote_and_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(tmp_path, 1, 2, 3) as nodes:
        topic = CreateTopicsRequestTopic(name="orders", num_partitions=1, replication_factor=3)
        controller = nodes.leader.config.node_id
        answer = await nodes.call(controller, CreateTopicsRequest(topics=[topic]), 7)
        assert answer.topics[0].error_code == 0
        partition = nodes.leader._controller.image.topics["orders"].partitions[0]
        wiped = next(each for each in (3, 2, 1) if each not in (controller, partition.leader))
        await until(lambda: set(nodes.leader._controller.image.voters) == {1, 2, 3})
        await nodes.call(partition.leader, produce_request("orders", batch_of(b"a")), 9)
        await nodes.stop(wiped)
        shutil.rmtree(nodes.data_dir(wiped))
        await nodes.start(wiped)
        assert f"node {wiped} has another disk than the one that voted" in caplog.text

        def is_back() -> bool:
            found = nodes.nodes[wiped]._replicas.find("orders", 0)
            return found is not None and found.high_watermark == 1

        await until(is_back)
        for _ in range(2):
            raft = nodes.nodes[wiped]._controller._quorum._raft
            assert raft is not None
            assert not raft.is_voter
            caplog.clear()
            await nodes.stop(wiped)
            await nodes.start(wiped)
            assert "has another disk" in caplog.text
        third = next(each for each in (1, 2, 3) if each not in (controller, wiped))
        await nodes.stop(controller)
        await until(lambda: nodes.nodes[third]._controller.leader_id == NOBODY)


async def test_voters_that_disagree_say_so_and_make_no_cluster(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    nodes = Cluster(tmp_path)
    configs = (nodes.config(1), nodes.config(2, voters=nodes.voters(1, 2)))
    starting = [asyncio.ensure_future(Node(each).start()) for each in configs]
    sentences = [
        f"node {one} has waited for 3 s: there is no majority of the voters {told}: "
        for one, told in ((1, "1, 2, 3"), (2, "1, 2"))
    ]
    await until(lambda: all(each in caplog.text for each in sentences))
    expected = "node 2 was started with voters [1, 2], and this node with [1, 2, 3]: --voters is"
    assert expected in caplog.text
    for each in starting:
        each.cancel()
    await asyncio.wait(starting)
    for node_id in (1, 2):
        assert b"cluster.id=\n" in (nodes.data_dir(node_id) / "meta.properties").read_bytes()


async def test_more_replicas_than_brokers_are_refused(tmp_path: Path) -> None:
    async with running(tmp_path, 1, 2, 3) as nodes:
        topic = CreateTopicsRequestTopic(name="orders", num_partitions=1, replication_factor=4)
        for node_id in (1, 2, 3):
            answer = await nodes.call(node_id, CreateTopicsRequest(topics=[topic]), 7)
            (refusal,) = answer.topics
            assert refusal.error_code == ErrorCode.INVALID_REPLICATION_FACTOR
            assert refusal.error_message == "replication factor 4, and 3 brokers to hold replicas"


def test_a_voter_without_a_quorum_waits_says_why_and_stops_at_once(tmp_path: Path) -> None:
    control, client, second = free_ports(3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        mute = silent.getsockname()[1]
        voters = f"1@127.0.0.1:{control},2@127.0.0.1:{second},3@127.0.0.1:{mute}"
        node = NodeProcess(
            tmp_path / "node-1", "--voters", voters, port=client, control_port=control
        )
        process = node.launch()
        try:
            pattern = (
                r"node 1 has waited for \d+ s: there is no majority of the voters 1, 2, 3: .*"
                rf"cannot connect to the control plane at 127\.0\.0\.1:{second}"
            )
            asyncio.run(until(lambda: re.search(pattern, node.log)))
            mute_line = rf"has waited .*the control plane at 127\.0\.0\.1:{mute} did not answer"
            asyncio.run(until(lambda: re.search(mute_line, node.log)))
            process.send_signal(signal.SIGINT)
            assert process.wait(5) == 0
            assert "Traceback" not in node.log
        finally:
            node.kill()


async def test_a_disk_that_fails_while_a_start_waits_ends_the_start(tmp_path: Path) -> None:
    files = UnreliableFiles()
    async with running(tmp_path, 1, 2, 3) as nodes:
        controller = nodes.leader.config.node_id
        behind, away = (each for each in nodes.nodes if each != controller)
        # Who is behind cannot be elected, and nothing is committed without its disk.
        await nodes.stop(behind)
        topic = CreateTopicsRequestTopic(name="orders", num_partitions=1, replication_factor=2)
        await nodes.call(controller, CreateTopicsRequest(topics=[topic]), 7)
        await nodes.stop(away)
        broken = Node(nodes.config(behind), files=files)
        starting = asyncio.ensure_future(broken.start())
        await until(lambda: starting.done() or (broken._member and broken._member._session))
        files.flush_error = BROKEN  # Of the record that this broker is registered.
        async with asyncio.timeout(DEADLINE_S):
            with pytest.raises(NodeError, match=f"node-{behind}: {BROKEN}"):
                await starting
        assert not (nodes.data_dir(behind) / LAST_RUN).exists()
        await nodes.start(behind)  # The addresses and the lock are free again.


async def test_a_joiner_without_anybody_to_join_says_so_now_and_then(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    nodes = Cluster(tmp_path)
    starting = asyncio.ensure_future(Node(nodes.config(4, join=nodes.control(1))).start())
    await until(lambda: "has waited for 6 s: nobody tells who the voters are" in caplog.text)
    assert len(caplog.records) == 2
    starting.cancel()
    await asyncio.wait([starting])
