"""Unknown keywords name the one that was meant."""

import pytest

from minikafka.client.keywords import suggest_keywords


class Example:
    """A class with options."""

    @suggest_keywords
    def __init__(self, name: str, *, linger_ms: int = 5, acks: int = 1) -> None:
        self.linger_ms = linger_ms


def test_a_known_keyword_passes():
    assert Example("x", linger_ms=7).linger_ms == 7


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ("linger", "Example has no option 'linger': did you mean linger_ms?"),
        ("xyz", "Example has no option 'xyz': known are linger_ms, acks"),
    ],
)
def test_an_unknown_keyword_is_refused_with_a_hint(wrong: str, sentence: str):
    with pytest.raises(TypeError) as caught:
        Example("x", **{wrong: 1})
    assert str(caught.value) == sentence
