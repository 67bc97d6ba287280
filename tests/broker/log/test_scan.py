"""Reading from batch to batch, and finding one behind damage."""

from pathlib import Path

import pytest

from minikafka.broker.log.files import Files
from minikafka.broker.log.scan import CorruptLog, find_batch, holds_batch, scan, walk
from minikafka.protocol.records import Record, assign_offset, build_batch


def batch_of(offset: int, epoch: int = 0, value: bytes = b"value") -> bytes:
    """A batch of two records."""
    batch = build_batch([Record(0, 1000 + offset, b"key", value)] * 2)
    assign_offset(batch, offset, epoch)
    return bytes(batch)


def test_the_search_behind_damage_ends_on_the_safe_side(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bytes made to look like headers may make it dear, but not endless."""
    path = tmp_path / "log"
    path.write_bytes(b"\x02" * 100_000)
    file = Files().open(str(path))
    assert not holds_batch(file, 0, 0)
    monkeypatch.setattr("minikafka.broker.log.scan.MAX_SEARCH_BYTES", 50_000 * 1024)
    assert holds_batch(file, 0, 0)


def test_a_batch_is_found_on_the_seam_of_two_windows(tmp_path: Path) -> None:
    batch = batch_of(9)
    for position in range(1024 * 1024 - len(batch) - 1, 1024 * 1024 + 2, 7):
        path = tmp_path / "log"
        path.write_bytes(b"x" * position + batch + b"y" * 10)
        file = Files().open(str(path))
        assert holds_batch(file, 0, 9)
        assert find_batch(file, 0, 9) == position
        assert not holds_batch(file, 0, 10)
        assert not holds_batch(file, position, 9)


def test_a_walk_over_what_is_no_log_ends_in_an_error(tmp_path: Path) -> None:
    path = tmp_path / "log"
    for tail in (bytes(61), batch_of(2)[:60], batch_of(2)[:8] + bytes(4) + batch_of(2)[12:]):
        path.write_bytes(batch_of(0) + tail)
        file = Files().open(str(path))
        with pytest.raises(CorruptLog) as caught:
            list(walk(file, 0, file.size_bytes))
        assert caught.value.position == len(batch_of(0))


def test_a_walk_reads_small_batches_together_and_steps_over_large_ones(tmp_path: Path) -> None:
    large = batch_of(4, value=bytes(100_000))
    path = tmp_path / "log"
    path.write_bytes(batch_of(0) + batch_of(2) + large + batch_of(6))
    file = Files().open(str(path))
    found = [(position, header.base_offset) for position, header in walk(file, 0, file.size_bytes)]
    size_bytes = len(batch_of(0))
    ends = [0, size_bytes, 2 * size_bytes, 2 * size_bytes + len(large)]
    assert found == list(zip(ends, (0, 2, 4, 6), strict=True))


def test_a_scan_goes_on_from_a_batch_behind_damage(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(batch_of(0) + b"damage" + batch_of(4) + batch_of(6))
    file = Files().open(str(path))
    with pytest.raises(CorruptLog) as caught:
        list(scan(file, 0, -1))
    position = find_batch(file, caught.value.position, 0)
    assert position == len(batch_of(0)) + len(b"damage")
    assert [header.base_offset for _, header in scan(file, 0, -1, position)] == [4, 6]
