"""What the offset checkpoints say of each log, and what a change in the middle of a save does."""

import asyncio
from pathlib import Path

import pytest

from minikafka.broker.log.checkpoints import HIGH_WATERMARK, RECOVERY_POINT, decode_offsets
from minikafka.broker.log.files import Files
from minikafka.broker.log.offset_checkpoints import OffsetCheckpoints
from minikafka.broker.log.recovery import Confirmed

from ..replica.unreliable_files import FULL, UnreliableFiles

ORDERS, BILLS = ("orders", 0), ("bills", 3)


def saved(data_dir: Path) -> OffsetCheckpoints:
    """What a start would read."""
    return OffsetCheckpoints(Files(), str(data_dir))


async def test_a_save_replaces_all_rows_but_those_of_unopened_logs(tmp_path: Path) -> None:
    offsets = saved(tmp_path)
    assert offsets.find(ORDERS) == Confirmed()
    await offsets.save({ORDERS: Confirmed(7, 5), BILLS: Confirmed(3, 3)}, [])
    assert saved(tmp_path).find(ORDERS) == Confirmed(7, 5)
    await offsets.save({}, [BILLS, ("unknown", 0)])
    assert saved(tmp_path).find(BILLS) == Confirmed(3, 3)
    assert saved(tmp_path).find(ORDERS) == Confirmed()
    assert sorted(path.name for path in tmp_path.iterdir()) == [RECOVERY_POINT, HIGH_WATERMARK]


async def test_a_log_forgotten_during_a_save_does_not_come_back(tmp_path: Path) -> None:
    files = UnreliableFiles()
    offsets = OffsetCheckpoints(files, str(tmp_path))
    offsets.save_now({ORDERS: Confirmed(1, 1), BILLS: Confirmed(2, 2)}, [])
    files.hold()
    saving = asyncio.ensure_future(
        offsets.save({ORDERS: Confirmed(8, 8), BILLS: Confirmed(9, 9)}, [])
    )
    await files.held()
    offsets.forget([ORDERS])
    files.release()
    await saving
    for name in (RECOVERY_POINT, HIGH_WATERMARK):
        assert decode_offsets((tmp_path / name).read_bytes()) == {BILLS: 9}


async def test_a_full_disk_leaves_the_files_and_the_next_save_mends_them(tmp_path: Path) -> None:
    files = UnreliableFiles()
    offsets = OffsetCheckpoints(files, str(tmp_path))
    await offsets.save({ORDERS: Confirmed(1, 1)}, [])
    files.append_error = FULL
    with pytest.raises(type(FULL)):
        await offsets.save({ORDERS: Confirmed(2, 2)}, [])
    assert saved(tmp_path).find(ORDERS) == Confirmed(1, 1)
    files.append_error = None
    await offsets.save({ORDERS: Confirmed(3, 3)}, [])
    assert saved(tmp_path).find(ORDERS) == Confirmed(3, 3)


async def test_nothing_is_replaced_before_it_is_flushed(tmp_path: Path) -> None:
    files = UnreliableFiles()
    offsets = OffsetCheckpoints(files, str(tmp_path))
    await offsets.save({ORDERS: Confirmed(1, 1)}, [])
    files.hold()
    saving = asyncio.ensure_future(offsets.save({ORDERS: Confirmed(2, 2)}, []))
    await files.held()
    assert saved(tmp_path).find(ORDERS) == Confirmed(1, 1)
    files.release()
    await saving
    assert saved(tmp_path).find(ORDERS) == Confirmed(2, 2)


def test_one_row_can_be_set(tmp_path: Path) -> None:
    offsets = saved(tmp_path)
    offsets.save_now({ORDERS: Confirmed(7, 5), BILLS: Confirmed(3, 3)}, [])
    offsets.set(ORDERS, Confirmed(2, 2))
    assert saved(tmp_path).find(ORDERS) == Confirmed(2, 2)
    assert saved(tmp_path).find(BILLS) == Confirmed(3, 3)
