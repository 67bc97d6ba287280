"""Frames of the control plane: a message or ProtocolError, and from a node always an answer."""

from contextlib import suppress
from random import Random
from typing import Any

import msgpack

from minikafka.broker.control.conversation import KNOWN, answer_to
from minikafka.broker.control.door import Door
from minikafka.broker.controller import link
from minikafka.protocol.control import ANSWERS, NODE_ANSWERS
from minikafka.protocol.control_frame import (
    MAX_ANSWER_BYTES,
    SIZE,
    Known,
    decode,
    encode,
    payload_size,
)
from minikafka.protocol.primitives import ProtocolError

from .choices import Choices
from .conversation import TOPIC, Host, host

_ALL: Known = {**KNOWN, **ANSWERS, **NODE_ANSWERS}
LINK_ANSWERS: Known = {**ANSWERS, **link.ANSWERS}
_SEGMENT = {
    "base_offset": 0,
    "next_offset": 5,
    "size_bytes": 400,
    "record_count": 5,
    "max_timestamp_ms": 7,
    "name": "00000000000000000000.log",
}
_ISR = {
    "topic_id": bytes(16),
    "index": 0,
    "leader_epoch": 0,
    "partition_epoch": 0,
    "isr": [{"broker_id": 1, "broker_epoch": 0}],
}
SOUND: tuple[dict[str, Any], ...] = (
    {"type": "ReadEvents", "from_offset": 0},
    {
        "type": "DescribeSegments",
        "topic": TOPIC,
        "partition": 0,
        "from_offset": 0,
        "max_segments": 9,
    },
    {
        "type": "Segments",
        "log_start_offset": 0,
        "high_watermark": 5,
        "log_end_offset": 5,
        "has_more": False,
        "segments": [_SEGMENT],
    },
    {
        "type": "Events",
        "end_offset": 1,
        "events": [
            {"offset": 0, "timestamp_ms": 1, "epoch": 1, "record": {"type": "TopicDeleted"}}
        ],
    },
    {"type": "Hello", "nonce": bytes(32)},
    {"type": "Proof", "proof": bytes(32)},
    {"type": "WhoVotes"},
    {
        "type": "FetchRequest",
        "epoch": 1,
        "sender": [2, "disk"],
        "end": {"epoch": 0, "offset": 0},
        "high_watermark": 0,
    },
    {
        "type": "VoteRequest",
        "epoch": 2,
        "sender": [2, "disk"],
        "end": {"epoch": 0, "offset": 0},
        "is_pre_vote": True,
    },
    {
        "type": "RegisterBroker",
        "broker_id": 2,
        "incarnation": "a",
        "host": "127.0.0.1",
        "port": 9092,
        "control_host": "127.0.0.1",
        "control_port": 9093,
        "is_lossless": True,
    },
    {
        "type": "Heartbeat",
        "broker_id": 2,
        "epoch": 0,
        "metadata_offset": 9,
        "wants_to_leave": False,
    },
    {"type": "AlterPartition", "broker_id": 1, "broker_epoch": 0, "partitions": [_ISR]},
    {"type": "ReserveProducerIds", "broker_id": 1, "broker_epoch": 0},
    {"type": "CreateOffsetsTopic"},
    {"type": "AutoCreateTopics", "names": ["made"]},
    {
        "type": "Forward",
        "api_key": 19,
        "api_version": 7,
        "client_id": "fuzz",
        "client_host": "127.0.0.1",
        "request": bytes(9),
    },
    {"type": "Refused", "error": "OFFSET_OUT_OF_RANGE", "message": "no"},
)
_VALUES = (None, 0, 1, -1, 1 << 31, (1 << 64) - 1, True, 0.5, "", TOPIC, "x" * 300, b"", [], {})
_NESTED = (*_VALUES, [_SEGMENT], [[]], {"a": [1]}, msgpack.ExtType(5, b"x"), msgpack.Timestamp(5))


def control(data: bytes) -> None:
    """What is decoded comes back the same, and a node answers whatever is a question."""
    choices = Choices(data)
    served = host("control")
    served.make_topic()
    own_id = served.node._control._context.cluster_id
    payload = _payload(choices, own_id)
    with suppress(ProtocolError):
        cluster_id, message = decode(payload, _ALL)
        frame = encode(message, cluster_id)
        assert payload_size(frame[: SIZE.size], MAX_ANSWER_BYTES) == len(frame) - SIZE.size
        assert decode(frame[SIZE.size :], _ALL) == (cluster_id, message)
    with suppress(ProtocolError):
        answer = ask(served, payload)
        frame = encode(answer, own_id)
        assert decode(frame[SIZE.size :], LINK_ANSWERS) == (own_id, answer)


def ask(served: Host, payload: bytes) -> Any:
    """What its node answers to a stranger; raises ProtocolError."""
    door = Door(None, Random(0).randbytes)
    answering = answer_to(payload, served.node._control._context, door)
    return served.loop.run_until_complete(answering)


def _payload(choices: Choices, cluster_id: str) -> bytes:
    """Any bytes, or a sound message with some fields, or some of its bytes, changed."""
    kind = choices.byte()
    if kind == 0xFF:
        return choices.rest()
    message = {**choices.one_of(SOUND), "cluster_id": cluster_id}
    for _ in range(choices.below(4)):
        name = choices.one_of([*message, "other"])
        if choices.byte() & 3:
            message[name] = choices.one_of(_NESTED)
        else:
            message.pop(name, None)
    payload = bytearray(msgpack.packb(message))
    for _ in range(choices.below(3) if kind & 1 else 0):
        payload[choices.below(len(payload))] = choices.byte()
    return bytes(payload)
