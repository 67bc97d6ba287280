"""Fetch sessions on the wire (KIP-227): what a client may leave out, and what the broker does."""

import gc
from pathlib import Path
from typing import Any

import pytest

from minikafka.broker.replica.fetch_sessions import MAX_INT32, FetchSession, SessionPartition
from minikafka.protocol.api.delete_topics import DeleteTopicsRequest
from minikafka.protocol.api.fetch import (
    FetchRequest,
    FetchRequestPartition,
    FetchRequestTopic,
    FetchResponse,
    FetchResponsePartition,
    ForgottenTopic,
)
from minikafka.protocol.errors import ErrorCode

from ..in_process import RawClient, ServedNode, batch_of, records_of, serving, until

BATCH_BYTES = len(batch_of())
LONG_WAIT_MS = 60_000
MANY = 100
UNKNOWN_ID = b"\x07" * 16

Answers = dict[tuple[str, int], FetchResponsePartition]


def asking(offsets: dict[tuple[str, int], int], **fields: Any) -> list[FetchRequestTopic]:
    """These partitions of topics, named by name, from these offsets on."""
    options = {"partition_max_bytes": 1 << 20} | fields
    return [
        FetchRequestTopic(
            topic=name,
            partitions=[FetchRequestPartition(partition=index, fetch_offset=offset, **options)],
        )
        for (name, index), offset in offsets.items()
    ]


class Session:
    """A session as a client has it."""

    def __init__(self, client: RawClient, version: int = 12) -> None:
        self.client = client
        self.version = version
        self.id = 0
        self.epoch = 0

    async def open(self, topics: list[FetchRequestTopic]) -> Answers:
        """The full fetch that begins it."""
        answer = await self.client.call(self.request(topics), self.version)
        assert answer.error_code == 0
        self.id, self.epoch = answer.session_id, 1
        return by_partition(answer)

    async def poll(
        self,
        offsets: dict[tuple[str, int], int] | None = None,
        forget: dict[str, list[int]] | None = None,
        **limits: int,
    ) -> Answers:
        """Name what changes, and return what is news."""
        self.send(offsets, forget, **limits)
        return await self.receive()

    def send(
        self,
        offsets: dict[tuple[str, int], int] | None = None,
        forget: dict[str, list[int]] | None = None,
        **limits: int,
    ) -> None:
        """Send that request, and do not wait for the answer."""
        request = self.request(asking(offsets or {}), **limits)
        request.forgotten_topics_data = [
            ForgottenTopic(topic=name, partitions=indexes)
            for name, indexes in (forget or {}).items()
        ]
        self.client.send(request, self.version)
        self.epoch += 1

    async def receive(self) -> Answers:
        """The answer to what was sent."""
        answer = await self.client.receive(FetchRequest, self.version)
        assert (answer.error_code, answer.session_id) == (0, self.id)
        return by_partition(answer)

    def request(
        self, topics: list[FetchRequestTopic], max_wait_ms: int = 0, **limits: int
    ) -> FetchRequest:
        """The next request, with these partitions."""
        return FetchRequest(
            max_wait_ms=max_wait_ms,
            min_bytes=limits.pop("min_bytes", 1),
            session_id=self.id,
            session_epoch=self.epoch,
            topics=topics,
            **limits,
        )


def by_partition(answer: FetchResponse) -> Answers:
    """The partitions of an answer, in its order."""
    return {
        (topic.topic, each.partition_index): each
        for topic in answer.responses
        for each in topic.partitions
    }


def values(answers: Answers) -> dict[tuple[str, int], list[bytes | None]]:
    """The records of an answer."""
    return {key: [each.value for each in records_of(answer)] for key, answer in answers.items()}


def kept_by(node: ServedNode, session: Session) -> FetchSession:
    """The same session as the node has it."""
    return node.node._server.context.fetch_sessions._sessions[session.id]


async def opened(
    node: ServedNode, partitions: int = 2, offset: int = 0
) -> tuple[Session, dict[tuple[str, int], int]]:
    """A session over all partitions of a new topic."""
    await node.create("orders", partitions=partitions)
    wanted = {("orders", index): offset for index in range(partitions)}
    session = Session(await node.connect())
    await session.open(asking(wanted))
    return session, wanted


async def parked(node: ServedNode, session: Session, **limits: int) -> None:
    """The session's next poll, waiting."""
    before = len(node.node._replicas._purgatory)
    session.send(max_wait_ms=LONG_WAIT_MS, **limits)
    await until(lambda: len(node.node._replicas._purgatory) > before)


async def test_a_full_fetch_opens_a_session_and_answers_all(node: ServedNode) -> None:
    await node.create("orders", partitions=2)
    session = Session(await node.connect())
    answers = await session.open(asking({("orders", 1): 0, ("orders", 0): 0}))
    assert session.id > 0
    assert list(answers) == [("orders", 1), ("orders", 0)]


async def test_a_fetch_that_wants_no_session_gets_none(node: ServedNode) -> None:
    await node.create("orders")
    session = Session(await node.connect())
    session.epoch = -1
    assert len(await session.open(asking({("orders", 0): 0}))) == 1
    assert session.id == 0


async def test_only_what_has_news_is_answered(node: ServedNode) -> None:
    session, _ = await opened(node, 3)
    assert await session.poll() == {}
    await node.produce("orders", batch_of(b"news"), index=1)
    answers = await session.poll()
    assert values(answers) == {("orders", 1): [b"news"]}
    assert answers["orders", 1].high_watermark == 1


async def test_records_come_again_until_the_client_moves_on(node: ServedNode) -> None:
    session, _ = await opened(node)
    await node.produce("orders", batch_of(b"a"))
    for _ in range(3):
        assert values(await session.poll()) == {("orders", 0): [b"a"]}
    assert await session.poll({("orders", 0): 1}) == {}
    assert values(await session.poll({("orders", 0): 0})) == {("orders", 0): [b"a"]}


async def test_an_added_partition_is_answered_even_if_empty(node: ServedNode) -> None:
    session, _ = await opened(node)
    await node.create("more")
    answers = await session.poll({("more", 0): 0})
    assert list(answers) == [("more", 0)]
    assert answers["more", 0].high_watermark == 0


async def test_a_forgotten_partition_is_neither_watched_nor_read(node: ServedNode) -> None:
    session, _ = await opened(node)
    assert node.partition("orders", 0).watchers
    await session.poll(forget={"orders": [0]})
    assert not node.partition("orders", 0).watchers
    await session.poll({("orders", 0): 0})
    for index in (0, 1):
        await node.produce("orders", batch_of(b"news"), index=index)
    assert values(await session.poll(forget={"orders": [0]})) == {("orders", 1): [b"news"]}


async def test_a_session_with_nothing_left_ends(node: ServedNode) -> None:
    session, _ = await opened(node)
    session.send(forget={"orders": [0, 1]}, max_wait_ms=LONG_WAIT_MS)
    answer = await session.client.receive(FetchRequest, 12)
    assert (answer.error_code, answer.session_id, answer.responses) == (0, 0, [])
    session.send()
    answer = await session.client.receive(FetchRequest, 12)
    assert answer.error_code == ErrorCode.FETCH_SESSION_ID_NOT_FOUND


@pytest.mark.parametrize("epoch", [1, 2**31 - 1, -2])
async def test_a_session_that_nobody_opened_is_not_found(node: ServedNode, epoch: int) -> None:
    request = FetchRequest(max_wait_ms=0, min_bytes=1, topics=[])
    request.session_id, request.session_epoch = 77, epoch
    answer = await node.call(request, 12)
    assert answer.error_code == ErrorCode.FETCH_SESSION_ID_NOT_FOUND
    assert (answer.session_id, answer.responses) == (0, [])


async def test_a_wrong_epoch_is_refused_and_harms_nobody(node: ServedNode) -> None:
    session, _ = await opened(node)
    for epoch in (2, 7, -2):
        request = session.request([])
        request.session_epoch = epoch
        answer = await session.client.call(request, 12)
        assert answer.error_code == ErrorCode.INVALID_FETCH_SESSION_EPOCH
    assert await session.poll() == {}


async def test_a_session_by_names_cannot_go_on_by_ids_nor_the_other_way(node: ServedNode) -> None:
    session, _ = await opened(node)
    answer = await session.client.call(session.request([]), 13)
    assert answer.error_code == ErrorCode.FETCH_SESSION_TOPIC_ID_ERROR
    by_id = Session(session.client, 13)
    topic = FetchRequestTopic(topic_id=UNKNOWN_ID, partitions=asking({("", 0): 0})[0].partitions)
    await by_id.open([topic])
    answer = await session.client.call(by_id.request([]), 12)
    assert answer.error_code == ErrorCode.FETCH_SESSION_TOPIC_ID_ERROR


@pytest.mark.parametrize("epoch", [0, -1])
async def test_a_full_fetch_closes_the_session_that_it_names(node: ServedNode, epoch: int) -> None:
    session, wanted = await opened(node)
    old_id, session.epoch = session.id, epoch
    assert len(await session.open(asking(wanted))) == 2
    assert session.id not in (old_id, -1)
    session.id = old_id
    answer = await session.client.call(session.request([]), 12)
    assert answer.error_code == ErrorCode.FETCH_SESSION_ID_NOT_FOUND


async def test_after_the_largest_epoch_comes_1(node: ServedNode) -> None:
    session, _ = await opened(node)
    kept_by(node, session).epoch = session.epoch = MAX_INT32
    assert await session.poll() == {}
    session.epoch = 1
    assert await session.poll() == {}


async def test_without_slots_no_session_is_given(tmp_path: Path) -> None:
    async with serving(tmp_path, max_incremental_fetch_session_cache_slots=0) as node:
        session, _ = await opened(node)
        assert session.id == 0
        assert not node.partition("orders").watchers


async def test_who_never_closes_a_session_is_served_without_one_in_the_end(
    tmp_path: Path,
) -> None:
    async with serving(tmp_path, max_incremental_fetch_session_cache_slots=3) as node:
        await node.create("orders")
        await node.produce("orders", batch_of(b"a"))
        client, ids = await node.connect(), []
        for _ in range(5):
            session = Session(client)
            assert values(await session.open(asking({("orders", 0): 0}))) == {("orders", 0): [b"a"]}
            ids.append(session.id > 0)
        assert ids == [True, True, True, False, False]
        assert len(node.partition("orders").watchers) == 3


async def test_a_parked_poll_wakes_for_a_partition_that_it_does_not_name(node: ServedNode) -> None:
    session, _ = await opened(node, 3)
    await parked(node, session)
    await node.produce("orders", batch_of(b"news"), index=2)
    assert values(await session.receive()) == {("orders", 2): [b"news"]}


async def test_a_parked_poll_waits_for_min_bytes_over_all_its_partitions(node: ServedNode) -> None:
    session, _ = await opened(node, 3)
    await node.produce("orders", batch_of(b"a"))
    await parked(node, session, min_bytes=4 * BATCH_BYTES)
    for index in (0, 1):
        await node.produce("orders", batch_of(b"b"), index=index)
        assert len(node.node._replicas._purgatory) == 1
    await node.produce("orders", batch_of(b"c" * 50), index=1)
    assert values(await session.receive()) == {
        ("orders", 0): [b"a", b"b"],
        ("orders", 1): [b"b", b"c" * 50],
    }


async def test_an_idle_poll_reads_nothing_and_is_parked_once(node: ServedNode) -> None:
    session, _ = await opened(node, MANY)
    for _ in range(2):
        await parked(node, session)
        assert len(node.node._replicas._purgatory._watched) == 1
        assert not kept_by(node, session).moved
        node.node._replicas.stop()
        assert await session.receive() == {}
    await node.produce("orders", batch_of(), index=7)
    assert len(kept_by(node, session).moved) == 1


async def test_a_partition_that_the_limit_left_out_is_first_the_next_time(node: ServedNode) -> None:
    session, _ = await opened(node, 4)
    for index in range(4):
        for _ in range(3):
            await node.produce("orders", batch_of(), index=index)
    seen: list[int] = []
    for _ in range(8):
        answers = await session.poll(max_bytes=BATCH_BYTES)
        seen += [index for (_, index), answer in answers.items() if len(answer.records)]
    assert seen == [0, 1, 2, 3] * 2


async def test_every_partition_is_served_to_the_end_in_small_answers(node: ServedNode) -> None:
    session, positions = await opened(node, 3)
    for index in range(3):
        for _ in range(3):
            await node.produce("orders", batch_of(), index=index)
    answers = await session.poll(max_bytes=2 * BATCH_BYTES)
    while any(len(answer.records) for answer in answers.values()):
        for key, answer in answers.items():
            positions[key] += len(records_of(answer))
        news = {key: positions[key] for key in answers}
        answers = await session.poll(news, max_bytes=2 * BATCH_BYTES)
    assert set(positions.values()) == {3}


async def test_an_error_is_answered_in_each_poll_until_it_is_forgotten(node: ServedNode) -> None:
    session, _ = await opened(node)
    await node.call(DeleteTopicsRequest(topic_names=["orders"], timeout_ms=1000), 4)
    for _ in range(3):
        answers = await session.poll(max_wait_ms=LONG_WAIT_MS)
        codes = [ErrorCode(each.error_code) for each in answers.values()]
        assert codes == [ErrorCode.UNKNOWN_TOPIC_OR_PARTITION] * 2
    await node.create("other")
    assert list(await session.poll({("other", 0): 0}, forget={"orders": [0, 1]})) == [("other", 0)]


async def test_a_parked_poll_hears_of_its_deleted_topic(node: ServedNode) -> None:
    session, _ = await opened(node)
    await parked(node, session, min_bytes=1000)
    await node.call(DeleteTopicsRequest(topic_names=["orders"], timeout_ms=1000), 4)
    assert all(each.error_code for each in (await session.receive()).values())


async def test_a_topic_made_anew_is_the_same_by_name(node: ServedNode) -> None:
    session, _ = await opened(node, 1)
    await node.produce("orders", batch_of(b"old"))
    assert values(await session.poll()) == {("orders", 0): [b"old"]}
    await node.call(DeleteTopicsRequest(topic_names=["orders"], timeout_ms=1000), 4)
    await node.create("orders")
    answers = await session.poll({("orders", 0): 1})
    assert answers["orders", 0].error_code == ErrorCode.OFFSET_OUT_OF_RANGE
    assert answers["orders", 0].log_start_offset == 0
    assert values(await session.poll({("orders", 0): 0})) == {("orders", 0): []}
    await node.produce("orders", batch_of(b"new"))
    assert values(await session.poll()) == {("orders", 0): [b"new"]}


async def test_a_topic_made_anew_is_another_by_id(node: ServedNode) -> None:
    old_id = await node.create("orders")
    session = Session(await node.connect(), 16)
    partitions = asking({("", 0): 0})[0].partitions
    await session.open([FetchRequestTopic(topic_id=old_id, partitions=partitions)])
    await node.call(DeleteTopicsRequest(topic_names=["orders"], timeout_ms=1000), 4)
    await node.create("orders")
    await node.produce("orders", batch_of(b"new"))
    for _ in range(2):
        answers = await session.poll()
        assert [each.error_code for each in answers.values()] == [ErrorCode.UNKNOWN_TOPIC_ID]


async def test_a_topic_that_comes_later_is_found_then(node: ServedNode) -> None:
    session, _ = await opened(node)
    answers = await session.poll({("later", 0): 0})
    assert answers["later", 0].error_code == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    await node.create("later")
    answers = await session.poll()
    assert (answers["later", 0].error_code, answers["later", 0].high_watermark) == (0, 0)
    assert await session.poll() == {}


async def test_the_leader_epoch_of_each_partition_is_kept(node: ServedNode) -> None:
    await node.create("orders", partitions=2)
    session = Session(await node.connect())
    topics = asking({("orders", 0): 0}, current_leader_epoch=9) + asking({("orders", 1): 0})
    await session.open(topics)
    for _ in range(2):
        answers = await session.poll()
        assert {key: each.error_code for key, each in answers.items()} == {
            ("orders", 0): ErrorCode.UNKNOWN_LEADER_EPOCH
        }


async def test_a_log_that_lost_its_beginning_is_news(node: ServedNode) -> None:
    session, _ = await opened(node)
    for _ in range(3):
        await node.produce("orders", batch_of())
    await session.poll({("orders", 0): 3})
    await parked(node, session)
    node.partition("orders").log.advance_start(2)
    node.node._replicas.moved(node.partition("orders"))
    answers = await session.receive()
    assert {key: each.log_start_offset for key, each in answers.items()} == {("orders", 0): 2}


async def test_a_reader_behind_the_new_beginning_is_told(node: ServedNode) -> None:
    session, _ = await opened(node, 1)
    for _ in range(3):
        await node.produce("orders", batch_of())
    await parked(node, session, min_bytes=10_000)
    node.partition("orders").log.advance_start(2)
    node.node._replicas.moved(node.partition("orders"))
    answers = await session.receive()
    assert answers["orders", 0].error_code == ErrorCode.OFFSET_OUT_OF_RANGE


async def test_a_session_outlives_its_connection(node: ServedNode) -> None:
    session, _ = await opened(node)
    await parked(node, session)
    session.client.abort()
    await until(lambda: len(node.node._replicas._purgatory) == 0)
    await node.produce("orders", batch_of(b"meanwhile"))
    session.client = await node.connect()
    assert values(await session.poll()) == {("orders", 0): [b"meanwhile"]}


async def test_a_poll_on_another_connection_ends_the_one_that_waits(node: ServedNode) -> None:
    session, _ = await opened(node)
    await parked(node, session)
    first, session.client = session.client, await node.connect()
    session.send(max_wait_ms=LONG_WAIT_MS)
    second, session.client = session.client, first
    assert await session.receive() == {}
    await node.produce("orders", batch_of(b"news"))
    session.client = second
    assert values(await session.receive()) == {("orders", 0): [b"news"]}


async def test_a_poll_of_a_session_that_was_closed_meanwhile_goes_on(node: ServedNode) -> None:
    session, wanted = await opened(node)
    await parked(node, session)
    closing = Session(await node.connect())
    closing.id, closing.epoch = session.id, -1
    await closing.open(asking(wanted))
    await node.produce("orders", batch_of(b"news"))
    answer = await session.client.receive(FetchRequest, 12)
    assert (answer.error_code, answer.session_id) == (0, 0)
    assert values(by_partition(answer)) == {("orders", 0): [b"news"]}
    assert not node.partition("orders", 1).watchers


async def test_a_parked_fetch_without_a_session_leaves_no_watcher(node: ServedNode) -> None:
    await node.create("orders", partitions=2)
    for is_lost in (False, True):
        session = Session(await node.connect())
        session.epoch = -1
        request = session.request(asking({("orders", 0): 0, ("orders", 1): 0}), LONG_WAIT_MS)
        session.client.send(request, 12)
        await until(lambda: node.partition("orders", 1).watchers)
        if is_lost:
            session.client.abort()
        else:
            node.node._replicas.stop()
        await until(lambda: not node.partition("orders", 1).watchers)
        assert not node.partition("orders", 0).watchers


async def test_a_fetch_without_a_session_leaves_no_garbage(node: ServedNode) -> None:
    await node.create("orders", partitions=2)
    session = Session(await node.connect())
    session.epoch = -1
    gc.collect()
    gc.disable()
    try:
        for max_wait_ms in (0, 1):
            request = session.request(asking({("orders", 0): 0, ("orders", 1): 0}), max_wait_ms)
            await session.client.call(request, 12)
        left = [each for each in gc.get_objects() if isinstance(each, SessionPartition)]
    finally:
        gc.enable()
    assert left == []


@pytest.mark.parametrize("version", [*range(7, 13)])
async def test_every_version_with_sessions_by_name(node: ServedNode, version: int) -> None:
    await node.create("orders")
    session = Session(await node.connect(), version)
    await session.open(asking({("orders", 0): 0}))
    await node.produce("orders", batch_of(b"a"))
    assert values(await session.poll()) == {("orders", 0): [b"a"]}
    assert await session.poll({("orders", 0): 1}) == {}


@pytest.mark.parametrize("version", [*range(13, 19)])
async def test_every_version_with_sessions_by_id(node: ServedNode, version: int) -> None:
    topic_id = await node.create("orders")
    session = Session(await node.connect(), version)
    partitions = asking({("", 0): 0})[0].partitions
    await session.open([FetchRequestTopic(topic_id=topic_id, partitions=partitions)])
    await node.produce("orders", batch_of(b"a"))
    assert values(await session.poll()) == {("", 0): [b"a"]}
