"""What the target changes are questions of each kind, which are understood as they are."""

from typing import Any

import msgpack
import pytest

from minikafka.broker.control.conversation import KNOWN

from .control import SOUND, ask
from .conversation import host

QUESTIONS = [each for each in SOUND if each["type"] in KNOWN]
ANSWERED = [each for each in QUESTIONS if each["type"] != "Forward"]
"""A node that is alone carries nothing out for others."""


def test_there_is_one_of_each_kind() -> None:
    assert {each["type"] for each in QUESTIONS} == set(KNOWN)


@pytest.mark.parametrize("question", ANSWERED, ids=lambda each: each["type"])
def test_a_question_is_understood(question: dict[str, Any]) -> None:
    served = host("control")
    served.make_topic()
    cluster_id = served.node._control._context.cluster_id
    answer = ask(served, msgpack.packb({**question, "cluster_id": cluster_id}))
    assert getattr(answer, "error", "") != "UNSUPPORTED_VERSION"
