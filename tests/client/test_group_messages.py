"""What members write to each other by way of the coordinator, and what they make of nonsense."""

import pytest

from minikafka.client.assignors import ASSIGNORS
from minikafka.client.group_messages import (
    assignments_of,
    read_assignment,
    read_subscriptions,
    subscription_protocols,
)
from minikafka.client.metadata import TopicPartition
from minikafka.protocol.api.join_group import JoinGroupResponseMember
from minikafka.protocol.primitives import ProtocolError

A0, A1, B0 = TopicPartition("a", 0), TopicPartition("a", 1), TopicPartition("b", 0)


def told(metadata: bytes, instance_id: str | None = None) -> JoinGroupResponseMember:
    """A member as the leader is told of it."""
    return JoinGroupResponseMember(member_id="m", group_instance_id=instance_id, metadata=metadata)


def test_a_subscription_is_read_as_it_was_written():
    assignors = [ASSIGNORS["cooperative-sticky"], ASSIGNORS["range"]]
    protocols = subscription_protocols(assignors, ["a", "b"], [A0, B0], [A0], 7)
    assert [each.name for each in protocols] == ["cooperative-sticky", "range"]
    for each in protocols:
        read = read_subscriptions([told(each.metadata, "i")])["m"]
        assert (read.topics, read.owned) == (("a", "b"), (A0,))
        assert (read.generation, read.instance_id) == (7, "i")


def test_a_sticky_member_says_what_it_had_though_it_claims_nothing():
    (protocol,) = subscription_protocols([ASSIGNORS["sticky"]], ["a"], [A0], [], 7)
    read = read_subscriptions([told(protocol.metadata)])["m"]
    assert read.owned == ()
    assert read.user_data == ASSIGNORS["sticky"].user_data([A0], 7)


@pytest.mark.parametrize("nonsense", [b"", b"\0", b"\0\1\0\0\0\1", b"\xff" * 20, b"\x7f" * 9])
def test_a_member_that_writes_nonsense_wants_nothing_and_harms_nobody(nonsense: bytes):
    read = read_subscriptions([told(nonsense, "i")])["m"]
    assert (read.topics, read.owned, read.instance_id) == ((), (), "i")


def test_an_assignment_is_read_as_it_was_written_and_in_order():
    (written,) = assignments_of({"m": [B0, A1, A0]})
    assert written.member_id == "m"
    assert read_assignment(written.assignment) == (A0, A1, B0)


def test_no_bytes_are_no_partitions():
    assert read_assignment(b"") == ()
    (written,) = assignments_of({"m": []})
    assert read_assignment(written.assignment) == ()


@pytest.mark.parametrize("nonsense", [b"\0", b"\0\0\0\0\0\5", b"\xff" * 20])
def test_an_assignment_that_cannot_be_read_is_an_error(nonsense: bytes):
    with pytest.raises(ProtocolError):
        read_assignment(nonsense)
