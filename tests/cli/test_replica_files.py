"""Replicas are compared by their bytes, wherever each has rolled its segments."""

from pathlib import Path

from minikafka.cli.replica_files import differing_partitions


def write(directory: Path, *segments: bytes) -> None:
    directory.mkdir(parents=True)
    for number, segment in enumerate(segments):
        (directory / f"{number:020d}.log").write_bytes(segment)


def test_the_same_bytes_in_other_segments_are_the_same(tmp_path: Path) -> None:
    write(tmp_path / "a" / "demo-0", b"abc", b"def")
    write(tmp_path / "b" / "demo-0", b"ab", b"cd", b"ef")
    assert differing_partitions([tmp_path / "a", tmp_path / "b"], "demo") == []


def test_a_changed_or_a_missing_byte_is_a_difference(tmp_path: Path) -> None:
    write(tmp_path / "a" / "demo-0", b"abcdef")
    write(tmp_path / "b" / "demo-0", b"abcdeg")
    write(tmp_path / "a" / "demo-1", b"abc")
    write(tmp_path / "b" / "demo-1", b"ab")
    write(tmp_path / "a" / "demo-2", b"abc")
    write(tmp_path / "a" / "other-0", b"abc")
    found = differing_partitions([tmp_path / "a", tmp_path / "b"], "demo")
    assert found == ["demo-0", "demo-1", "demo-2"]
