"""Leader epochs, against a naive scan of the log."""

from hypothesis import given
from hypothesis import strategies as st

from minikafka.broker.replica.epochs import UNDEFINED, LeaderEpochs

NOBODY_KNOWS = (UNDEFINED, UNDEFINED)


class NaiveLog:
    """The epoch of each record, and the epoch that was begun last."""

    def __init__(self) -> None:
        self.epochs: list[int] = []
        self.begun: list[tuple[int, int]] = []

    @property
    def starts(self) -> list[tuple[int, int]]:
        """(epoch, offset) of each epoch that has a record or is the last."""
        kept: list[tuple[int, int]] = []
        for epoch, start in self.begun:
            kept = [each for each in kept if each[1] < start]
            kept.append((epoch, start))
        return kept

    def end_offset_for(self, epoch: int) -> tuple[int, int]:
        """By looking at every entry."""
        starts = self.starts
        if epoch == UNDEFINED or not starts or epoch > starts[-1][0]:
            return NOBODY_KNOWS
        later = [start for each, start in starts if each > epoch]
        end = later[0] if later else len(self.epochs)
        floor = [each for each, _ in starts if each <= epoch]
        return (floor[-1] if floor else epoch), end


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 4)), max_size=12))
def test_every_epoch_ends_where_a_scan_of_the_log_says(steps: list[tuple[int, int]]) -> None:
    naive, epochs = NaiveLog(), LeaderEpochs()
    epoch = -1
    for by, records in steps:
        if by:
            epoch += by
            naive.begun.append((epoch, len(naive.epochs)))
        epochs.is_saved = True
        epochs.assign(epoch, len(naive.epochs))
        assert epochs.is_saved == (not by)
        if epoch >= 0:
            naive.epochs += [epoch] * records
        assert epochs.entries == naive.starts
        for asked in range(-1, epoch + 3):
            answer = epochs.end_offset_for(asked, len(naive.epochs))
            assert answer == naive.end_offset_for(asked)
        for offset, written_in in enumerate(naive.epochs):
            assert epochs.epoch_at(offset) == written_in


@given(
    st.lists(st.tuples(st.integers(1, 3), st.integers(1, 4)), min_size=1, max_size=8),
    st.integers(0, 40),
)
def test_a_truncated_log_forgets_the_epochs_that_it_lost(
    steps: list[tuple[int, int]], end_offset: int
) -> None:
    epochs = LeaderEpochs()
    epoch, offset = -1, 0
    for by, records in steps:
        epoch += by
        epochs.assign(epoch, offset)
        offset += records
    before = list(epochs.entries)
    epochs.truncate_to_end(end_offset)
    assert epochs.entries == [each for each in before if each[1] < end_offset]


def test_an_empty_table_knows_nothing() -> None:
    epochs = LeaderEpochs()
    assert epochs.latest == UNDEFINED
    assert epochs.end_offset_for(0, 5) == NOBODY_KNOWS
    assert epochs.epoch_at(0) == UNDEFINED


def test_epoch_0_is_an_epoch() -> None:
    epochs = LeaderEpochs()
    epochs.assign(0, 0)
    assert epochs.latest == 0
    assert epochs.end_offset_for(0, 5) == (0, 5)


def test_an_epoch_older_than_all_ends_where_the_first_begins() -> None:
    epochs = LeaderEpochs([(3, 100), (5, 200)])
    assert epochs.end_offset_for(1, 300) == (1, 100)
    assert epochs.end_offset_for(4, 300) == (3, 200)
    assert epochs.epoch_at(99) == UNDEFINED


def test_an_epoch_is_assigned_once_and_never_an_older_one() -> None:
    epochs = LeaderEpochs([(3, 100)])
    epochs.assign(3, 150)
    epochs.assign(2, 150)
    assert epochs.entries == [(3, 100)]
    assert epochs.is_saved


def test_elections_without_a_record_leave_one_entry() -> None:
    epochs = LeaderEpochs([(0, 0)])
    for epoch in (1, 2, 3):
        epochs.assign(epoch, 10)
    assert epochs.entries == [(0, 0), (3, 10)]


def test_a_table_does_not_share_the_list_it_was_made_of() -> None:
    saved = [(0, 0)]
    LeaderEpochs(saved).assign(1, 5)
    assert saved == [(0, 0)]


def test_the_epoch_at_the_log_start_begins_there() -> None:
    for start, expected in [
        (0, [(0, 0), (3, 120), (4, 250)]),
        (119, [(0, 119), (3, 120), (4, 250)]),
        (120, [(3, 120), (4, 250)]),
        (200, [(3, 200), (4, 250)]),
        (300, [(4, 300)]),
    ]:
        epochs = LeaderEpochs([(0, 0), (3, 120), (4, 250)])
        epochs.truncate_to_start(start)
        assert epochs.entries == expected
        assert epochs.is_saved == (start == 0)


def test_an_epoch_that_begins_behind_the_log_start_stays() -> None:
    epochs = LeaderEpochs([(2, 50)])
    epochs.truncate_to_start(20)
    assert epochs.entries == [(2, 50)]
