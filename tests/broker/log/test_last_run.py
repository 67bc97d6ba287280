"""What a crash may have taken, by how the last run wrote and by the boot of the machine."""

from pathlib import Path

import pytest

from minikafka.broker.log import last_run
from minikafka.broker.log.files import Files
from minikafka.broker.log.last_run import LastRun


@pytest.mark.parametrize(
    ("run", "boot_id", "is_lossless"),
    [
        (LastRun("fsync", "a"), "b", True),
        (LastRun("os", "a"), "a", True),
        (LastRun("os", "a"), "b", False),
        (LastRun("os", ""), "", False),
    ],
)
def test_only_page_cache_lost_with_the_power_makes_a_crash_lossy(
    run: LastRun, boot_id: str, is_lossless: bool
) -> None:
    assert run.is_lossless(boot_id) is is_lossless


def test_a_run_is_read_back(tmp_path: Path) -> None:
    files = Files()
    last_run.save(files, str(tmp_path), LastRun("fsync", "boot"))
    assert last_run.load(files, str(tmp_path)) == LastRun("fsync", "boot")


@pytest.mark.parametrize(
    "content",
    [
        None,
        b"",
        b"[]",
        b"{",
        b"\xff",
        b'{"flush": 7}',
        b'{"flush": "fsync", "boot_id": []}',
        b"[" * 9999,
    ],
)
def test_a_run_that_said_nothing_promised_nothing(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / last_run.LAST_RUN).write_bytes(content)
    assert last_run.load(Files(), str(tmp_path)) == LastRun("os", "")
