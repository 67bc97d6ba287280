"""The table of assigned partitions and its rules."""

import pytest

from minikafka.client.metadata import TopicPartition
from minikafka.client.subscription import Subscription
from minikafka.protocol.batch import read_header
from minikafka.protocol.records import Record, build_batch

T0, T1 = TopicPartition("t", 0), TopicPartition("t", 1)


def buffered(subscription: Subscription, name: TopicPartition) -> None:
    """Let a batch lie ready."""
    view = memoryview(build_batch([Record(0, 5, None, b"v")]))
    state = subscription.state(name)
    state.batches.append((view, read_header(view)))
    state.buffered_bytes += len(view)


def test_assign_keeps_the_place_in_partitions_that_stay():
    subscription = Subscription()
    assert [state.name for state in subscription.assign([T0])] == [T0]
    subscription.seek(T0, 5)
    assert [state.name for state in subscription.assign([T0, T1])] == [T1]
    assert subscription.state(T0).position == 5
    subscription.assign([T1])
    with pytest.raises(ValueError, match="t-0 is not assigned"):
        subscription.state(T0)


def test_a_seek_drops_what_was_fetched_and_what_may_still_come():
    subscription = Subscription()
    subscription.assign([T0])
    buffered(subscription, T0)
    state = subscription.state(T0)
    seeks = state.seeks
    subscription.seek(T0, 9)
    assert (state.position, state.fetch_offset, state.has_records) == (9, 9, False)
    assert (state.seeks, subscription.buffered_bytes()) == (seeks + 1, 0)


def test_a_paused_partition_has_no_records_and_keeps_them():
    subscription = Subscription()
    subscription.assign([T0, T1])
    buffered(subscription, T0)
    subscription.pause([T0])
    assert not subscription.state(T0).has_records
    assert subscription.buffered_bytes() > 0
    subscription.resume([T0])
    assert subscription.state(T0).has_records


def test_every_change_raises_the_epoch():
    subscription = Subscription()
    epochs = [subscription.epoch]
    for change in (
        lambda: subscription.assign([T0]),
        lambda: subscription.seek(T0, 1),
        lambda: subscription.pause([T0]),
        lambda: subscription.resume([T0]),
    ):
        change()
        epochs.append(subscription.epoch)
    assert epochs == sorted(set(epochs))
