"""A start on what a crash left of a whole node, and all that must hold then.

the start       succeeds, and nothing of a clean stop is left behind it
topics          all that were created, with their ids; none that was deleted; no stray directory
records         all that were acknowledged, at their offsets; nothing that was not sent there
going on        a retry is a duplicate, what is produced now is acknowledged, and a power cut
                right after that takes nothing back
"""

from random import Random

from minikafka.broker.log.checkpoints import CLEAN_SHUTDOWN
from minikafka.broker.log.deletion import DELETED_ENDING
from minikafka.protocol.records import iterate, iterate_batches

from ..broker.in_process import ServedNode, batch_of
from .crash import Way, crash
from .disk import SimulatedDisk
from .files import SimulatedFiles
from .loop import run_simulated
from .node_run import (
    DATA_DIR,
    NAMES,
    PRODUCE_VERSION,
    PRODUCER_ID,
    UNANSWERED,
    NodePromise,
    Sent,
    TopicState,
    start_node,
)

MAX_OPERATIONS = 3000
Records = dict[tuple[str, int], list[tuple[int, bytes]]]


def check_node(
    image: SimulatedDisk,
    promise: NodePromise,
    flush: str,
    random: Random,
    *,
    is_last: bool = False,
) -> None:
    """Start on the image and look; again after a power cut, unless this start `is_last`."""
    image.max_operations = image.operations + MAX_OPERATIONS
    found: Records = run_simulated(_look(image, promise, flush))
    if is_last:
        return
    image = crash(image, Way.NOTHING, random)
    again: Records = run_simulated(_look(image, None, flush))
    lost = [key for key, records in found.items() if again.get(key, [])[: len(records)] != records]
    assert not lost, f"a second power cut takes records of {lost}"


async def _look(image: SimulatedDisk, promise: NodePromise | None, flush: str) -> Records:
    served = await start_node(SimulatedFiles(image), 1, flush)
    assert f"{DATA_DIR}/{CLEAN_SHUTDOWN}" not in image.tree(), "it looks cleanly stopped"
    if promise is not None:
        _check_topics(served, image, promise)
        for topic in promise.topics.values():
            if topic.name not in promise.doubtful:
                for index, sent in enumerate(topic.sent):
                    _check_records(_records(served, topic.name, index), sent)
                    await _go_on(served, topic, index, sent)
    return {
        key: _records(served, *key) for key, _ in sorted(served.node._replicas.partitions.items())
    }


def _check_topics(served: ServedNode, image: SimulatedDisk, promise: NodePromise) -> None:
    topics = served.node._controller.image.topics
    expected = set(promise.topics) - promise.doubtful
    assert expected <= set(topics) <= expected | promise.doubtful, f"there are {sorted(topics)}"
    for name in expected:
        assert topics[name].topic_id == promise.topics[name].topic_id
        assert len(topics[name].partitions) == promise.topics[name].partitions
    names = {path.removeprefix(f"{DATA_DIR}/").split("/")[0] for path in image.tree()}
    assert not [name for name in names if name.endswith(DELETED_ENDING)]
    deleted = set(NAMES) - expected - promise.doubtful
    left = [name for name in sorted(names) if name.rpartition("-")[0] in deleted]
    assert not left, f"the data of deleted topics is there: {left}"


def _records(served: ServedNode, topic: str, index: int) -> list[tuple[int, bytes]]:
    """(offset, value) of all that a consumer could read."""
    partition, found = served.partition(topic, index), []
    offset = partition.log.log_start_offset
    while offset < partition.high_watermark:
        piece = partition.read(offset, 1 << 20, True)
        assert piece is not None, f"nothing to read at {offset}"
        for batch in iterate_batches(piece.read()):
            found += [(one.offset, one.value or b"") for one in iterate(batch)]
        offset = found[-1][0] + 1
    return found


def _check_records(found: list[tuple[int, bytes]], sent: tuple[Sent, ...]) -> None:
    by_offset = dict(found)
    for each in sent:
        if each.offset >= 0:
            got = by_offset.get(each.offset)
            assert got == each.value, f"offset {each.offset} was acknowledged, and holds {got!r}"
    values = [value for _, value in found]
    assert len(set(values)) == len(values), "a record is there twice"
    assert set(values) <= {each.value for each in sent}, "a record was never sent"
    assert [offset for offset, _ in found] == list(range(len(found))), "offsets are missing"


async def _go_on(served: ServedNode, topic: TopicState, index: int, sent: tuple[Sent, ...]) -> None:
    """The client comes back: it sends again what it had no answer for, and one more."""
    acknowledged = [each for each in sent if each.offset >= 0]
    if acknowledged:
        last = acknowledged[-1]
        batch = batch_of(last.value, producer=(PRODUCER_ID, 0, last.sequence))
        answer = await served.produce(topic.name, batch, index=index, version=PRODUCE_VERSION)
        assert (answer.error_code, answer.base_offset) == (0, last.offset), answer
    unanswered = [each for each in sent if each.offset == UNANSWERED]
    sequence = acknowledged[-1].sequence + 1 if acknowledged else 0
    new = Sent(b"after the crash", sequence + len(unanswered))
    for each in (*unanswered, new):
        batch = batch_of(each.value, producer=(PRODUCER_ID, 0, each.sequence))
        answer = await served.produce(topic.name, batch, index=index, version=PRODUCE_VERSION)
        assert answer.error_code == 0, answer
    values = [value for _, value in _records(served, topic.name, index)]
    assert len(set(values)) == len(values), "a retry was appended twice"
    assert values[-1] == b"after the crash"
