"""A bucket of bytes: credit comes with time, a debt is waited for."""

from hypothesis import given
from hypothesis import strategies as st

from minikafka.broker.replica.throttle import BURST_S, Throttle


def test_without_a_rate_it_is_off():
    assert not Throttle(lambda: 0).is_on
    assert Throttle(lambda: 1).is_on


def test_credit_is_a_second_of_the_rate_at_most_and_is_shared():
    throttle = Throttle(lambda: 1000)
    assert throttle.share_bytes(1, 50.0) == 1000 * BURST_S
    assert throttle.share_bytes(4, 50.0) == 250
    throttle.spend(1000)
    assert throttle.share_bytes(1, 50.0) == 0
    assert throttle.share_bytes(1, 50.5) == 500


def test_an_answer_that_was_larger_than_the_credit_is_paid_for_by_time():
    throttle = Throttle(lambda: 1000)
    throttle.share_bytes(1, 10.0)
    throttle.spend(3500)
    assert throttle.share_bytes(1, 12.0) == 0
    assert throttle.share_bytes(1, 12.5) == 0
    assert throttle.share_bytes(1, 12.75) == 250


def test_who_has_little_credit_and_many_replicas_still_asks_for_a_batch():
    assert Throttle(lambda: 10).share_bytes(1000, 1.0) == 1


def test_another_rate_counts_from_the_next_question_on():
    rates = [1000]
    throttle = Throttle(lambda: rates[0])
    assert throttle.share_bytes(1, 10.0) == 1000
    rates[0] = 10
    assert throttle.share_bytes(1, 11.0) == 10


@given(
    st.integers(1, 10_000),
    st.lists(st.tuples(st.floats(0.001, 5), st.integers(1, 50_000)), max_size=40),
)
def test_what_comes_over_any_time_is_the_rate_a_burst_and_one_answer_at_most(
    rate: int, steps: list[tuple[float, int]]
):
    throttle, now_s, came_bytes, largest_bytes = Throttle(lambda: rate), 100.0, 0, 0
    throttle.share_bytes(1, now_s)
    for pause_s, answer_bytes in steps:
        now_s += pause_s
        if throttle.share_bytes(1, now_s):
            throttle.spend(answer_bytes)
            came_bytes += answer_bytes
            largest_bytes = max(largest_bytes, answer_bytes)
    assert came_bytes <= rate * (now_s - 100.0 + BURST_S) + largest_bytes + 1
