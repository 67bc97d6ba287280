"""Who knows the cluster's secret is let in; who does not may read, and changes nothing."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from minikafka.broker.config import BrokerConfig
from minikafka.broker.control.door import FAILURE_DELAY_S
from minikafka.broker.controller.greeting import (
    ANSWERS,
    ASKS,
    NONCE_BYTES,
    ClusterSecret,
    Greeting,
)
from minikafka.broker.controller.raft_messages import (
    EpochAndOffset,
    FetchRequest,
    Voter,
    VoteRequest,
)
from minikafka.broker.node import Node
from minikafka.broker.options import ConfigError
from minikafka.protocol.control import (
    AutoCreateTopics,
    Challenge,
    Events,
    Forward,
    Heartbeat,
    Hello,
    Proof,
    ReadEvents,
    Refused,
    RegisterBroker,
    Voters,
    WhoVotes,
)
from minikafka.protocol.control_frame import MAX_REQUEST_BYTES, SIZE

from ..controller.quorum_cluster import cluster, until
from ..in_process import ServedNode, serving
from .peer import Peer

SECRET = b"correct horse battery staple"
NONCE = bytes(range(NONCE_BYTES))
END = EpochAndOffset(9, 9)
WRITING = [
    WhoVotes(),
    RegisterBroker(2, "i", "h", 1, "h", 2, is_lossless=True),
    Heartbeat(1, 2, 3, wants_to_leave=True),
    AutoCreateTopics(("orders",)),
    Forward(19, 7, "c", "h", b""),
    VoteRequest(9, Voter(2, "d"), END, is_pre_vote=False),
    FetchRequest(9, Voter(2, "d"), END, 0),
]


@pytest_asyncio.fixture
async def guarded(tmp_path: Path) -> AsyncIterator[ServedNode]:
    """A node with a secret."""
    (tmp_path / "secret").write_bytes(SECRET + b"\n")
    (tmp_path / "secret").chmod(0o600)
    async with serving(tmp_path / "node", cluster_secret_file=str(tmp_path / "secret")) as node:
        yield node


async def challenged(node: ServedNode) -> tuple[Peer, Greeting]:
    """A peer that has said hello, and what both have said."""
    peer = await Peer.connect(node)
    challenge = await peer.ask(Hello(NONCE))
    assert isinstance(challenge, Challenge)
    assert len(challenge.nonce) == NONCE_BYTES
    return peer, Greeting(NONCE, challenge.nonce, peer.cluster_id, peer.cluster_id)


@pytest.mark.parametrize("question", WRITING, ids=lambda each: type(each).__name__)
async def test_what_nodes_ask_needs_a_proof_and_reading_does_not(
    guarded: ServedNode, question: Any
) -> None:
    end_offset = guarded.node._controller.end_offset
    peer = await Peer.connect(guarded)
    for _ in range(2):
        answer = await peer.ask(question)
        assert isinstance(answer, Refused)
        assert answer.error == "CLUSTER_AUTHORIZATION_FAILED"
        assert "--cluster-secret-file" in answer.message
        assert isinstance(await peer.ask(ReadEvents()), Events)
        assert isinstance(await peer.ask(Hello(NONCE)), Challenge)  # A challenge is no proof.
    assert guarded.node._controller.end_offset == end_offset
    peer.abort()


async def test_both_prove_that_they_know_it(guarded: ServedNode) -> None:
    peer, greeting = await challenged(guarded)
    secret = ClusterSecret(SECRET)
    answer = await peer.ask(Proof(secret.prove(ASKS, greeting)))
    assert isinstance(answer, Proof)
    assert secret.is_proof(answer.proof, ANSWERS, greeting)
    assert isinstance(await peer.ask(WhoVotes()), Voters)
    peer.abort()


async def test_a_wrong_proof_is_refused_late_and_closes_the_connection(
    guarded: ServedNode, caplog: pytest.LogCaptureFixture
) -> None:
    loop = asyncio.get_running_loop()
    other = ClusterSecret(b"another secret altogether")
    right = ClusterSecret(SECRET)
    wrong_proofs: list[Callable[[Greeting], bytes]] = [
        lambda greeting: other.prove(ASKS, greeting),
        lambda greeting: right.prove(ANSWERS, greeting),
        lambda greeting: right.prove(ASKS, replace(greeting, asker_nonce=bytes(NONCE_BYTES))),
        lambda greeting: right.prove(ASKS, replace(greeting, answerer_nonce=bytes(NONCE_BYTES))),
        lambda greeting: right.prove(ASKS, replace(greeting, asker_cluster_id="another")),
        lambda greeting: right.prove(ASKS, replace(greeting, answerer_cluster_id="")),
        lambda greeting: right.prove(ASKS, greeting)[:-1],
        lambda _: b"",
    ]
    for prove_wrong in wrong_proofs:
        peer, greeting = await challenged(guarded)
        began_s = loop.time()
        answer = await peer.ask(Proof(prove_wrong(greeting)))
        assert loop.time() - began_s >= FAILURE_DELAY_S * 0.9
        assert isinstance(answer, Refused)
        assert answer.error == "CLUSTER_AUTHORIZATION_FAILED"
        assert await peer.closed_by_node() == b""
        assert f"{peer.name}: closing: its peer does not know the cluster's secret" in caplog.text
        await peer.close()
    assert SECRET.decode() not in caplog.text


async def test_a_proof_that_was_overheard_is_of_no_use_again(guarded: ServedNode) -> None:
    peer, greeting = await challenged(guarded)
    overheard = Proof(ClusterSecret(SECRET).prove(ASKS, greeting))
    assert isinstance(await peer.ask(overheard), Proof)
    other, second = await challenged(guarded)
    assert second.answerer_nonce != greeting.answerer_nonce
    assert isinstance(await other.ask(overheard), Refused)
    await other.close()
    alone = await Peer.connect(guarded)  # and without a challenge it is none at all
    assert isinstance(await alone.ask(overheard), Refused)
    assert isinstance(await alone.ask(WhoVotes()), Refused)
    for each in (peer, alone):
        each.abort()


async def test_a_frame_before_the_proof_is_small(guarded: ServedNode) -> None:
    peer, _ = await challenged(guarded)
    peer.send_bytes(SIZE.pack(MAX_REQUEST_BYTES + 1))
    assert await peer.closed_by_node() == b""
    await peer.close()


async def test_nodes_with_one_secret_are_a_cluster(tmp_path: Path) -> None:
    async with cluster(tmp_path, started=False) as nodes:
        for each in (1, 2, 3):
            nodes[each].members = replace(nodes[each].members, secret=ClusterSecret(SECRET))
            await nodes[each].start()
        await nodes.settle()
        observer = nodes.observe(4, 1)
        observer.members = replace(observer.members, secret=ClusterSecret(SECRET))
        await observer.start()
        await nodes.settle()


@pytest.mark.parametrize("other", [ClusterSecret(b"another secret altogether"), None])
async def test_a_node_with_another_secret_or_none_is_kept_out_on_both_sides(
    tmp_path: Path, other: ClusterSecret | None, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    sentence = "different secrets" if other is not None else "has no secret; give it the"
    async with cluster(tmp_path, started=False) as nodes:
        for each in (1, 2, 3):
            secret = other if each == 3 else ClusterSecret(SECRET)
            nodes[each].members = replace(nodes[each].members, secret=secret)
        await nodes[3].start()
        await nodes[1].start()
        await until(lambda: sentence in caplog.text)
        assert [each.controller.leader_id for each in nodes.up] == [-1, -1]
        await nodes[2].start()
        await until(lambda: nodes[1].controller.leader_id in (1, 2))
        await until(lambda: nodes[3].controller.obstacle)
        assert nodes[3].controller.end_offset == 0


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, "No such file or directory"),
        (b"", "a secret has 16 to 4096 bytes, and this one has 0"),
        (b"  short \n", "and this one has 5"),
        (b"x" * 5000, "and this one has 5000"),
    ],
)
async def test_a_secret_that_cannot_be_used_stops_the_start(
    tmp_path: Path, content: bytes | None, sentence: str
) -> None:
    file = tmp_path / "secret"
    if content is not None:
        file.write_bytes(content)
    config = BrokerConfig(
        listen="127.0.0.1:0", data_dir=str(tmp_path / "node"), cluster_secret_file=str(file)
    )
    with pytest.raises(ConfigError, match=sentence) as error:
        await Node(config).start()
    assert str(file) in str(error.value)
    assert not (tmp_path / "node").exists()


async def test_a_secret_that_others_may_read_is_told_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "secret"
    file.write_bytes(SECRET)
    file.chmod(0o644)
    async with serving(tmp_path / "node", cluster_secret_file=str(file)):
        assert f"other users may use {file}" in caplog.text


def test_a_secret_shows_itself_nowhere() -> None:
    assert "horse" not in f"{ClusterSecret(SECRET)!r} {ClusterSecret(SECRET)}"


async def test_a_lone_node_without_a_secret_takes_no_questions_of_nodes(
    node: ServedNode, peer: Peer
) -> None:
    end_offset = node.node._controller.end_offset
    for question in WRITING[1:]:
        answer = await peer.ask(question)
        assert isinstance(answer, Refused)
        assert answer.message == "node 1 was started alone, and takes in no others"
    assert node.node._controller.end_offset == end_offset
