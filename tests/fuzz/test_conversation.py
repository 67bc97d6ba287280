"""What the target says to its node is carried out: it must not pass because nothing happens."""

from typing import Any

import pytest

from minikafka.broker.handlers.table import SERVED_VERSIONS, find_route
from minikafka.protocol.api import api_name, request_class
from minikafka.protocol.api.metadata import MetadataRequest, MetadataRequestTopic
from minikafka.protocol.api.produce import ProduceRequest
from minikafka.protocol.codec import encode
from minikafka.protocol.header import RequestStart, encode_request

from .conversation import frames_in, host

METADATA_KEY = 3


def frame_of(request: Any, key: int) -> bytes:
    version = SERVED_VERSIONS[key][1]
    route = find_route(key, version)
    assert route is not None
    body = b"".join(map(bytes, encode(request, version)))
    start = RequestStart(key, version, 0)
    return b"".join(encode_request([body], start, "fuzz", route.has_flexible_request))


def answers(*frames: bytes) -> int:
    return len(list(frames_in(host("conversation").speak(list(frames)).written)))


@pytest.mark.parametrize("key", SERVED_VERSIONS, ids=api_name)
def test_a_request_is_answered_and_so_is_one_behind_it(key: int) -> None:
    cls = request_class(key)
    assert cls is not None
    request = ProduceRequest(acks=1) if cls is ProduceRequest else cls()
    assert answers(*[frame_of(request, key)] * 2) == 2


def test_what_does_not_fit_is_handed_over_when_there_is_room() -> None:
    topics = [MetadataRequestTopic(name=f"{'x' * 200}{number}") for number in range(2000)]
    request = MetadataRequest(topics=topics, allow_auto_topic_creation=False)
    assert answers(*[frame_of(request, METADATA_KEY)] * 3) == 3
