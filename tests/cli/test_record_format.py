"""kcat's format tokens, and JSON lines."""

import json

import pytest

from minikafka.cli.record_format import DEFAULT_FORMAT, json_line, parse_format
from minikafka.client.record import ConsumerRecord

RECORD = ConsumerRecord("t", 2, 7, 1000, 0, b"k", b"va\xff", (("a", b"1"), ("b", None)), 0)
NULLS = RECORD._replace(key=None, value=None, headers=())


@pytest.mark.parametrize(
    ("text", "written"),
    [
        (DEFAULT_FORMAT, b"va\xff\n"),
        ("%t [%p] %o", b"t [2] 7"),
        ("%k=%v=%s", b"k=va\xff=va\xff"),
        ("%K,%S,%T,%h", b"1,3,1000,a=1,b="),
        (r"\t\n\r\\\x41", b"\t\n\r\\A"),
        ("100%% %v", b"100% va\xff"),
        ("", b""),
    ],
)
def test_a_token_is_replaced_and_text_stays(text: str, written: bytes) -> None:
    assert parse_format(text)(RECORD) == written


def test_null_is_written_as_nothing_and_its_length_is_minus_1() -> None:
    assert parse_format("%k|%K|%v|%S|%h")(NULLS) == b"|-1||-1|"


@pytest.mark.parametrize("text", ["%q", "%", r"\q", "\\", r"\x4"])
def test_an_unknown_token_is_refused_with_the_known_ones(text: str) -> None:
    with pytest.raises(ValueError, match="known are %t %p"):
        parse_format(text)


def test_json_is_an_object_on_a_line_and_says_what_is_not_text() -> None:
    line = json_line(RECORD)
    assert line.count(b"\n") == 1
    assert json.loads(line) == {
        "topic": "t",
        "partition": 2,
        "offset": 7,
        "timestamp": 1000,
        "timestamp_type": "CreateTime",
        "key": "k",
        "value": {"base64": "dmH/"},
        "headers": [["a", "1"], ["b", None]],
    }


def test_json_tells_null_from_empty() -> None:
    fields = json.loads(json_line(NULLS._replace(value=b"")))
    assert fields["key"] is None
    assert fields["value"] == ""
