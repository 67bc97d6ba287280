"""Subscriptions and assignments against kio, and what becomes of bytes that are none."""

import contextlib
import io
from importlib import import_module

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kio.serial import entity_writer

from minikafka.protocol.consumer_protocol import (
    ConsumerProtocolAssignment,
    ConsumerProtocolSubscription,
    OwnedTopicPartitions,
    decode_versioned,
    encode_versioned,
)
from minikafka.protocol.primitives import ProtocolError


def kio_bytes(entity):
    buffer = io.BytesIO()
    entity_writer(type(entity))(buffer, entity)
    return buffer.getvalue()


def kio_module(name, version):
    return import_module(f"kio.schema.consumer_protocol_{name}.v{version}.data")


@pytest.mark.parametrize("version", range(4))
def test_kio_agrees_on_subscriptions(version):
    module = kio_module("subscription", version)
    fields = {"topics": ("a", "bß"), "user_data": b"xyz"}
    ours = ConsumerProtocolSubscription(topics=["a", "bß"], user_data=b"xyz")
    if version >= 1:
        fields["owned_partitions"] = (module.TopicPartition(topic="a", partitions=(1, 2)),)
        ours.owned_partitions = [OwnedTopicPartitions(topic="a", partitions=[1, 2])]
    if version >= 2:
        fields["generation_id"] = ours.generation_id = 9
    if version >= 3:
        fields["rack_id"] = ours.rack_id = "r"
    theirs = kio_bytes(module.ConsumerProtocolSubscription(**fields))
    encoded = encode_versioned(ours, version)
    assert encoded == version.to_bytes(2, "big") + theirs
    assert decode_versioned(ConsumerProtocolSubscription, encoded) == ours


@pytest.mark.parametrize("version", range(4))
def test_kio_agrees_on_assignments(version):
    module = kio_module("assignment", version)
    theirs = module.ConsumerProtocolAssignment(
        assigned_partitions=(module.TopicPartition(topic="a", partitions=(1, 2)),), user_data=None
    )
    ours = ConsumerProtocolAssignment(
        assigned_partitions=[OwnedTopicPartitions(topic="a", partitions=[1, 2])]
    )
    assert encode_versioned(ours, version) == version.to_bytes(2, "big") + kio_bytes(theirs)


def test_a_newer_version_is_read_as_far_as_it_is_known():
    ours = ConsumerProtocolSubscription(topics=["a"], rack_id="r")
    newer = b"\0\x09" + encode_versioned(ours, 3)[2:] + b"something new"
    assert decode_versioned(ConsumerProtocolSubscription, newer) == ours


@given(data=st.binary(max_size=40))
def test_any_bytes_are_read_or_refused(data):
    with contextlib.suppress(ProtocolError):
        decode_versioned(ConsumerProtocolSubscription, data)
