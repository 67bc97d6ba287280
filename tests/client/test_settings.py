"""How bootstrap servers are written."""

import pytest

from minikafka.client.settings import parse_servers


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("localhost:9092", (("localhost", 9092),)),
        ("a:1, b:2", (("a", 1), ("b", 2))),
        (["a:1", "b"], (("a", 1), ("b", 9092))),
        ("[::1]:9093", (("::1", 9093),)),
        ("[::1]", (("::1", 9092),)),
    ],
)
def test_servers_are_host_and_port(text: str | list[str], expected: tuple[tuple[str, int], ...]):
    assert parse_servers(text) == expected


@pytest.mark.parametrize("text", ["", "a:", ":1", "a:x", "a:0", "a:70000", "a:1,"])
def test_what_is_no_address_is_refused(text: str):
    with pytest.raises(ValueError, match="is not HOST:PORT"):
        parse_servers(text)
