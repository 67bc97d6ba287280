"""Group commit and waiting requests: acks=all after the fsync, and what happens when it fails."""

import asyncio
from pathlib import Path
from unittest.mock import patch

import pytest

from minikafka.broker.log.files import StorageError, StorageFailed
from minikafka.broker.replica import manager as manager_module
from minikafka.broker.replica.manager import ReplicaManager
from minikafka.broker.replica.partition import Appended, Partition
from minikafka.protocol.errors import ErrorCode

from ..in_process import SteppedLoop, batch_of, run_stepped, until
from .unreliable_files import BROKEN, FULL, SHORTAGE, UnreliableFiles, open_partition

NOW_MS = 1_700_000_000_000


class Produce:
    """A produce request with acks=all for some partitions."""

    def __init__(self, manager: ReplicaManager, *partitions: Partition, timeout_ms: int = 60_000):
        self._partitions = list(partitions)
        self.appended = [
            manager.append(each, memoryview(batch_of()), NOW_MS) for each in partitions
        ]
        self.codes: list[ErrorCode] | None = None
        manager.finish_after_write(self, timeout_ms)

    def partitions(self) -> list[Partition]:
        return self._partitions

    def is_ready(self) -> bool:
        pairs = zip(self._partitions, self.appended, strict=True)
        return all(
            each.error_code or partition.is_removed or partition.high_watermark >= each.next_offset
            for partition, each in pairs
        )

    def finish(self) -> None:
        assert self.codes is None
        self.codes = [each.error_code for each in self.appended]

    @property
    def is_answered(self) -> bool:
        """Whether its client has an answer."""
        return self.codes is not None


class Setting:
    """A manager with partitions on unreliable files."""

    def __init__(self, data_dir: Path, count: int = 2, flush: str = "fsync") -> None:
        self.files = UnreliableFiles()
        self.manager = ReplicaManager(self.files, asyncio.get_running_loop())
        self.failures: list[StorageFailed] = []
        self.manager.on_failure = self.failures.append
        self.partitions = [
            open_partition(self.files, data_dir, index=index, flush=flush) for index in range(count)
        ]
        for partition in self.partitions:
            self.manager.add(partition)
        self.files.flushes = 0

    def produce(self, *indexes: int, timeout_ms: int = 60_000) -> Produce:
        """One readable event with one request for these partitions."""
        wanted = [self.partitions[index] for index in indexes or (0,)]
        produce = Produce(self.manager, *wanted, timeout_ms=timeout_ms)
        self.manager.settle()
        return produce


async def test_acks_all_is_answered_only_after_the_fsync(tmp_path: Path) -> None:
    setting = Setting(tmp_path)
    setting.files.hold()
    produce = setting.produce()
    await setting.files.held()
    assert not produce.is_answered
    assert setting.partitions[0].log.written_offset == 1
    setting.files.release()
    await setting.manager.flush_all()
    assert produce.codes == [ErrorCode.NONE]
    assert setting.partitions[0].high_watermark == 1


async def test_what_is_written_during_a_flush_waits_for_the_next(tmp_path: Path) -> None:
    setting = Setting(tmp_path)
    setting.files.hold()
    first = setting.produce()
    await setting.files.held()
    second = setting.produce()
    setting.files.release()
    await until(lambda: first.is_answered)
    assert not second.is_answered
    assert setting.partitions[0].high_watermark == 1
    await until(lambda: second.is_answered)
    assert setting.partitions[0].high_watermark == 2


async def test_one_flush_serves_all_that_was_written_before_it(tmp_path: Path) -> None:
    setting = Setting(tmp_path, count=5)
    setting.files.hold()
    produces = [setting.produce(0)]
    await setting.files.held()
    produces += [setting.produce(number % 5) for number in range(50)]
    setting.files.release()
    await setting.manager.flush_all()
    assert all(each.is_answered for each in produces)
    assert setting.files.flushes == 2


async def test_a_request_for_two_partitions_waits_for_both(tmp_path: Path) -> None:
    setting = Setting(tmp_path)
    produce = setting.produce(0, 1)
    await setting.manager.flush_all()
    assert produce.codes == [ErrorCode.NONE, ErrorCode.NONE]


async def test_a_request_may_name_a_partition_twice(tmp_path: Path) -> None:
    setting = Setting(tmp_path)
    produce = setting.produce(0, 0)
    await setting.manager.flush_all()
    assert produce.codes == [ErrorCode.NONE, ErrorCode.NONE]


async def test_who_has_no_lease_any_more_takes_nothing_though_no_timer_has_run(
    tmp_path: Path,
) -> None:
    setting = Setting(tmp_path)
    setting.manager.check_lease = lambda: setting.manager.suspend(is_suspended=True)
    produce = setting.produce(0)
    assert [each.error_code for each in produce.appended] == [ErrorCode.NOT_LEADER_OR_FOLLOWER]
    assert setting.partitions[0].log.log_end_offset == 0


async def test_with_flush_os_the_write_is_enough(tmp_path: Path) -> None:
    setting = Setting(tmp_path, flush="os")
    produce = setting.produce()
    assert produce.codes == [ErrorCode.NONE]
    assert setting.files.flushes == 0


async def test_an_event_without_a_produce_costs_nothing(tmp_path: Path) -> None:
    setting = Setting(tmp_path)
    setting.manager.settle()
    await setting.manager.flush_all()
    assert setting.files.flushes == 0


async def test_a_failed_fsync_acknowledges_nothing_any_more_and_is_reported(
    tmp_path: Path,
) -> None:
    setting = Setting(tmp_path)
    setting.files.flush_error = BROKEN
    produce = setting.produce()
    await until(lambda: setting.failures)
    later = setting.produce(1)
    await until(lambda: len(setting.failures) == 2)
    setting.files.flush_error = None  # a disk that seems well again is not to be trusted
    assert not produce.is_answered
    assert not later.is_answered
    assert [each.high_watermark for each in setting.partitions] == [0, 0]
    assert setting.failures == [BROKEN, BROKEN]


@pytest.mark.parametrize("error", [FULL, SHORTAGE], ids=["disk full", "no descriptors"])
async def test_a_full_disk_answers_with_an_error_and_later_appends_work(
    tmp_path: Path, error: StorageError
) -> None:
    setting = Setting(tmp_path)
    setting.files.append_error = error
    produce = setting.produce()
    assert produce.codes == [ErrorCode.KAFKA_STORAGE_ERROR]
    setting.files.append_error = None
    later = setting.produce()
    await setting.manager.flush_all()
    assert later.codes == [ErrorCode.NONE]
    assert later.appended[0].base_offset == 0
    assert setting.failures == []


async def test_a_write_that_fails_for_good_is_answered_and_reported(tmp_path: Path) -> None:
    setting = Setting(tmp_path)
    setting.files.append_error = BROKEN
    produce = setting.produce()
    assert produce.codes == [ErrorCode.KAFKA_STORAGE_ERROR]
    assert len(setting.failures) == 1


def test_a_request_is_finished_when_its_time_is_up(tmp_path: Path) -> None:
    async def test(loop: SteppedLoop) -> None:
        setting = Setting(tmp_path)
        setting.files.hold()
        late, early = setting.produce(timeout_ms=90_000), setting.produce(timeout_ms=20_000)
        loop.advance(19)
        await until(lambda: setting.files.flushing.is_set())
        assert not early.is_answered
        loop.advance(2)
        await until(lambda: early.is_answered)
        assert not late.is_answered
        loop.advance(70)
        await until(lambda: late.is_answered)
        setting.files.release()
        await setting.manager.flush_all()

    run_stepped(test)


@pytest.mark.parametrize("timeout_ms", [0, -1, -(2**31)])
async def test_no_time_is_up_at_once(tmp_path: Path, timeout_ms: int) -> None:
    setting = Setting(tmp_path)
    setting.files.hold()
    produce = setting.produce(timeout_ms=timeout_ms)
    await until(lambda: produce.is_answered)
    setting.files.release()
    await setting.manager.flush_all()


async def test_who_waits_for_a_removed_partition_is_answered(tmp_path: Path) -> None:
    setting = Setting(tmp_path)
    setting.files.hold()
    produce = setting.produce()
    await setting.files.held()
    assert setting.manager.remove("orders", 0) is setting.partitions[0]
    assert produce.is_answered
    assert setting.manager.find("orders", 0) is None
    assert setting.manager.remove("orders", 0) is None
    other = setting.produce(1)
    setting.files.release()
    await setting.manager.flush_all()
    assert other.codes == [ErrorCode.NONE]


async def test_a_removed_partition_does_not_hold_up_a_flush(tmp_path: Path) -> None:
    setting = Setting(tmp_path)
    setting.files.hold()
    setting.produce(1)
    await setting.files.held()
    produce = setting.produce(0, 1)
    removed = setting.manager.remove("orders", 0)
    assert removed is not None
    removed.log.let_go()
    setting.files.release()
    await setting.manager.flush_all()
    assert produce.is_answered
    assert setting.partitions[1].high_watermark == 2


async def test_too_much_unflushed_makes_readers_wait_until_it_is_flushed(tmp_path: Path) -> None:
    setting = Setting(tmp_path)
    setting.files.hold()
    with patch.object(manager_module, "MAX_UNFLUSHED_BYTES", 150):
        setting.produce()
        assert not setting.manager.is_full
        setting.produce()
        setting.produce()
    assert setting.manager.is_full
    woken: list[bool] = []
    setting.manager.wait_for_room(lambda: woken.append(setting.manager.is_full))
    setting.files.release()
    await setting.manager.flush_all()
    assert woken == [False]
    setting.produce()
    await setting.manager.flush_all()
    assert woken == [False]


async def test_a_stop_answers_everything(tmp_path: Path) -> None:
    setting = Setting(tmp_path)
    setting.files.hold()
    produce = setting.produce()
    setting.manager.stop()
    assert produce.is_answered
    setting.files.release()
    await setting.manager.flush_all()


def test_appended_that_failed_has_no_offset() -> None:
    appended = Appended()
    appended.base_offset, appended.next_offset = 5, 6
    appended.fail(ErrorCode.KAFKA_STORAGE_ERROR, "full")
    assert (appended.base_offset, appended.next_offset) == (-1, -1)
