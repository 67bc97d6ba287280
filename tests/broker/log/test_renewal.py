"""What is written anew after a failed flush; that it helps, `tests/sim/test_faults.py` shows."""

from pathlib import Path

from minikafka.broker.log import renewal
from minikafka.broker.log.files import Files
from minikafka.broker.log.offset_checkpoints import OffsetCheckpoints
from minikafka.broker.log.recovery import Confirmed

CONTENT = {
    "orders-0/00000000000000000000.log": b"confirmed",
    "orders-0/00000000000000000005.log": b"half confirmed",
    "orders-0/00000000000000000007.log": b"not confirmed",
    "orders-0/00000000000000000007.log.tmp": b"half a copy of an earlier start, which was longer",
    "orders-0/00000000000000000007.snapshot": b"producers",
    "orders-0/leader-epoch-checkpoint": b"epochs",
    "new-0/00000000000000000000.log": b"",
    "new-0.0-damaged/00000000000000000000.log": b"kept aside",
    "meta-1": b"no directory",
}
RENEWED = [
    "new-0/00000000000000000000.log",
    "orders-0/00000000000000000005.log",
    "orders-0/00000000000000000007.log",
    "orders-0/00000000000000000007.snapshot",
]


def test_what_is_not_confirmed_becomes_another_file_with_the_same_content(tmp_path: Path) -> None:
    checkpoints = OffsetCheckpoints(Files(), str(tmp_path))
    checkpoints.set(("orders", 0), Confirmed(recovery_point=6))
    for name, content in CONTENT.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)
    kept = {name: (tmp_path / name).open() for name in CONTENT}  # So no number is given anew.
    before = {name: (tmp_path / name).stat().st_ino for name in CONTENT}
    renewal.renew(Files(), str(tmp_path), checkpoints)
    there = [name for name in CONTENT if (tmp_path / name).exists()]
    assert set(CONTENT) - set(there) == {"orders-0/00000000000000000007.log.tmp"}
    assert all((tmp_path / name).read_bytes() == CONTENT[name] for name in there)
    renewed = [name for name in there if (tmp_path / name).stat().st_ino != before[name]]
    assert sorted(renewed) == RENEWED
    for file in kept.values():
        file.close()
