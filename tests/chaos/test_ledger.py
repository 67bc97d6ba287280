"""The judge of the kill test finds what it is there to find."""

from minikafka.protocol.records import Record

from .ledger import PARTITIONS, Ledger, Verdict, judge

COUNT = 30


def test_a_faithful_log_is_not_complained_of():
    ledger = _acknowledged()
    assert judge([ledger], _log(ledger)) == Verdict(COUNT, [], [], [], [])


def test_a_record_that_was_not_acknowledged_may_be_missing():
    ledger = _acknowledged()
    assert ledger.take_number(0) == COUNT
    assert not judge([ledger], _log(ledger)).lost


def test_an_acknowledged_record_that_is_missing_is_lost():
    ledger = _acknowledged()
    log = _log(ledger)
    del log[1][2]
    assert judge([ledger], log).lost == ["p 7"]


def test_a_record_that_is_there_twice_is_duplicated():
    ledger = _acknowledged()
    log = _log(ledger)
    log[1].insert(2, log[1][2])
    assert judge([ledger], log).duplicated == ["p 7"]


def test_a_record_behind_a_later_one_is_out_of_order():
    ledger = _acknowledged()
    log = _log(ledger)
    log[1][2], log[1][3] = log[1][3], log[1][2]
    assert judge([ledger], log).disordered == ["p 7 after 10"]


def test_a_record_in_the_wrong_partition_is_unknown():
    ledger = _acknowledged()
    log = _log(ledger)
    log[2].append(log[1][2])
    assert judge([ledger], log).unknown == ["p 7 in partition 2"]


def _acknowledged() -> Ledger:
    """A producer all of whose records were acknowledged."""
    ledger = Ledger("p")
    for number in range(COUNT):
        assert ledger.take_number(0) == number
        ledger.settle(number, None)
    return ledger


def _log(ledger: Ledger) -> list[list[Record]]:
    """The partitions as they should be."""
    return [
        [Record(0, 0, None, ledger.value(number)) for number in range(index, COUNT, PARTITIONS)]
        for index in range(PARTITIONS)
    ]
