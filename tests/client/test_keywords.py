"""Unknown keywords name the one that was meant."""

from typing import Any

import pytest

from minikafka.client.keywords import suggest_keywords


class Example:
    """A class with options."""

    @suggest_keywords
    def __init__(
        self, name: str, *, linger_ms: int = 5, acks: int = 1, check_crcs: bool = True
    ) -> None:
        self.linger_ms = linger_ms


def test_a_known_keyword_passes():
    assert Example("x", linger_ms=7).linger_ms == 7


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ("linger", "Example has no option 'linger': did you mean linger_ms?"),
        ("xyz", "Example has no option 'xyz': known are linger_ms, acks, check_crcs"),
    ],
)
def test_an_unknown_keyword_is_refused_with_a_hint(wrong: str, sentence: str):
    with pytest.raises(TypeError) as caught:
        Example("x", **{wrong: 1})
    assert str(caught.value) == sentence


@pytest.mark.parametrize(
    ("option", "error", "sentence"),
    [
        ({"linger_ms": "5"}, TypeError, "Example: linger_ms='5' is no whole number"),
        ({"linger_ms": 0.5}, TypeError, "Example: linger_ms=0.5 is no whole number"),
        ({"linger_ms": None}, TypeError, "Example: linger_ms=None is no whole number"),
        ({"acks": True}, TypeError, "Example: acks=True is no whole number"),
        ({"acks": -1}, ValueError, "Example: acks=-1 is below 0"),
        ({"check_crcs": 1}, TypeError, "Example: check_crcs=1 is neither True nor False"),
    ],
)
def test_a_number_that_is_none_is_refused(
    option: dict[str, Any], error: type[Exception], sentence: str
):
    with pytest.raises(error) as caught:
        Example("x", **option)
    assert str(caught.value) == sentence
