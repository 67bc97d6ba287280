"""Where --from begins, in a partition that holds the offsets 10 to 19."""

import pytest

from minikafka.cli.start_position import parse_start_position, start_offset


@pytest.mark.parametrize(
    ("text", "offset"),
    [
        ("beginning", 10),
        ("end", 20),
        ("15", 15),
        ("3", 10),
        ("99", 20),
        ("-4", 16),
        ("-0", 20),
        ("-99", 10),
    ],
)
def test_a_position_is_an_offset_inside_the_partition(text: str, offset: int) -> None:
    assert start_offset(parse_start_position(text), 10, 20, None) == offset


def test_a_time_is_the_offset_that_the_broker_found_or_the_end() -> None:
    position = parse_start_position("@1000")
    assert start_offset(position, 10, 20, 12) == 12
    assert start_offset(position, 10, 20, None) == 20


@pytest.mark.parametrize(
    "text",
    ["@86400000", "@1970-01-02", "@1970-01-02T00:00:00Z", "@1970-01-02T09:00:00+09:00"],
)
def test_a_time_is_ms_or_iso_8601_in_utc(text: str) -> None:
    assert parse_start_position(text) == parse_start_position("@86400000")


@pytest.mark.parametrize("text", ["", "stored", "+5", "--5", "@", "@tomorrow", "1.5", f"@{2**63}"])
def test_anything_else_is_refused_with_a_sentence(text: str) -> None:
    with pytest.raises(ValueError, match="is n"):
        parse_start_position(text)
