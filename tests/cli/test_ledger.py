"""The books of the demo find every way in which a log can be wrong."""

import pytest

from minikafka.cli.ledger import Ledger, Verdict

LINES = (b"one", b"two", b"three")


def _ledger(acknowledged: int = 5) -> Ledger:
    ledger = Ledger(5, LINES)
    for id in range(acknowledged):
        ledger.acknowledge(id)
    return ledger


def _verdict(ledger: Ledger, *ids: int) -> Verdict:
    ledger.read(0, [ledger.record(id) for id in ids])
    return ledger.verdict()


def test_everything_once_and_in_order_is_good() -> None:
    ledger = _ledger()
    ledger.read(1, [ledger.record(3)])
    assert _verdict(ledger, 0, 1, 2, 4) == Verdict(0, 0, 0, 0, 0)
    assert ledger.verdict().is_good
    assert ledger.read_count == 5


@pytest.mark.parametrize(
    ("ids", "verdict"),
    [
        ((0, 1, 3, 4), Verdict(1, 0, 0, 0, 0)),
        ((0, 1, 2, 3, 3, 3, 4), Verdict(0, 2, 0, 0, 0)),
        ((0, 2, 1, 3, 4), Verdict(0, 0, 1, 0, 0)),
        ((), Verdict(5, 0, 0, 0, 0)),
    ],
    ids=["lost", "doubled", "out of order", "empty"],
)
def test_a_wrong_log_is_found_out(ids: tuple[int, ...], verdict: Verdict) -> None:
    assert _verdict(_ledger(), *ids) == verdict
    assert not verdict.is_good


@pytest.mark.parametrize("value", [b"4 one", b"4", b"9 one", b"x three", b"", b"-1 three"])
def test_a_changed_record_is_found_out(value: bytes) -> None:
    ledger = _ledger()
    ledger.read(0, [*(ledger.record(id) for id in range(4)), value])
    assert ledger.verdict() == Verdict(
        lost=1, doubled=0, out_of_order=0, changed=1, unacknowledged=0
    )


def test_a_record_without_acknowledgement_is_not_lost() -> None:
    assert _verdict(_ledger(4), 0, 1, 2, 3) == Verdict(0, 0, 0, 0, unacknowledged=1)


def test_the_order_holds_across_reads_of_one_partition() -> None:
    ledger = _ledger()
    ledger.read(0, [ledger.record(3)])
    ledger.read(1, [ledger.record(0)])
    assert _verdict(ledger, 1).out_of_order == 1
