"""`minikafka check`: verdict, counter-example, picture, and what is no history."""

import json
from pathlib import Path

import pytest

from minikafka.history.event import Event, format_event

from ..history.scenes import Row, did, history
from .conftest import Command

SENDS = did(0, "send", sends=[("orders-0", "a", 0), ("orders-0", "b", 1)])
READS_ALL = did(1, "poll", reads={"orders-0": [(0, "a"), (1, "b")]})
READS_LAST = did(1, "poll", reads={"orders-0": [(1, "b")]})
PNG = b"\x89PNG"


def write(path: Path, *scenes: list[Row]) -> str:
    """A file with this history."""
    events: list[Event] = history(*scenes)
    path.write_text("".join(f"{format_event(each)}\n" for each in events))
    return str(path)


def test_a_valid_history_is_zero_and_a_table(minikafka: Command, tmp_path: Path) -> None:
    outcome = minikafka("check", write(tmp_path / "h.jsonl", SENDS, READS_ALL), "--drained")
    assert (outcome.status, outcome.err) == (0, "")
    first, _, titles, *rows = outcome.out.splitlines()
    assert first == "operations: 2 ok, 0 fail, 0 info; records: 2 sent, 2 read"
    assert titles.split()[:4] == ["CHECK", "VIOLATIONS", "ALLOWED", "VERDICT"]
    assert {row.split()[3] for row in rows} == {"ok"}


def test_a_violation_is_one_and_told(minikafka: Command, tmp_path: Path) -> None:
    outcome = minikafka("check", write(tmp_path / "h.jsonl", SENDS, READS_LAST))
    assert (outcome.status, outcome.err) == (1, "minikafka: violated: lost-write\n")
    assert "lost-write in orders-0: 'a' was written at offset 0 and nobody read it" in outcome.out
    assert "send ok sent orders-0 'a' at 0" in outcome.out


def test_the_rows_can_be_had_as_json(minikafka: Command, tmp_path: Path) -> None:
    outcome = minikafka("check", write(tmp_path / "h.jsonl", SENDS, READS_LAST), "-o", "json")
    rows = {row["check"]: row for row in map(json.loads, outcome.out.splitlines())}
    assert rows["lost-write"]["violations"] == 1
    assert rows["lost-write"]["verdict"] == "bad"
    assert rows["unseen"] | {"violations": 0, "allowed": 1, "verdict": "ok"} == rows["unseen"]


def test_promises_decide_what_is_allowed(minikafka: Command, tmp_path: Path) -> None:
    reads_first = did(1, "poll", reads={"orders-0": [(0, "a")]})
    unread = write(tmp_path / "unread.jsonl", SENDS, reads_first)
    assert minikafka("check", unread).status == 0
    assert minikafka("check", unread, "--drained").status == 1
    twice = did(1, "poll", reads={"orders-0": [(0, "a"), (1, "b"), (2, "b")]})
    doubled = write(tmp_path / "doubled.jsonl", SENDS, twice)
    assert minikafka("check", doubled).status == 1
    assert minikafka("check", doubled, "--not-idempotent").status == 0


def test_a_history_in_which_nothing_was_read_proves_nothing(
    minikafka: Command, tmp_path: Path
) -> None:
    outcome = minikafka("check", write(tmp_path / "h.jsonl", SENDS))
    assert outcome.status == 1
    assert "it proves nothing" in outcome.err


def test_what_is_no_history_is_two_and_names_the_line(minikafka: Command, tmp_path: Path) -> None:
    path = tmp_path / "h.jsonl"
    write(path, SENDS, READS_ALL)
    with path.open("a") as file:
        file.write("{\n")
    outcome = minikafka("check", str(path))
    assert outcome.status == 2
    assert outcome.err.startswith(f"minikafka: {path}, line 5: no JSON")
    assert outcome.out == ""
    write(path, SENDS[:1], SENDS[:1])
    assert "line 2: process 0 has not ended what it began" in minikafka("check", str(path)).err


def test_a_picture_is_drawn_of_what_was_found(minikafka: Command, tmp_path: Path) -> None:
    picture = tmp_path / "found.png"
    path = write(tmp_path / "h.jsonl", SENDS, READS_LAST, did(2, "poll", reads={"x": [(0, "$c$")]}))
    assert minikafka("check", path, "--picture", str(picture)).status == 1
    assert picture.read_bytes().startswith(PNG)
    outcome = minikafka("check", path, "--picture", str(tmp_path / "found.colors"))
    assert outcome.status == 1
    assert "no picture in" in outcome.err


def test_without_matplotlib_it_says_so_first(
    minikafka: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("minikafka.tutorials.labs.pictures.can_draw", lambda: False)
    outcome = minikafka("check", write(tmp_path / "h.jsonl", SENDS), "--picture", "found.png")
    assert outcome.status == 1
    assert "pip install 'minikafka[labs]'" in outcome.err
