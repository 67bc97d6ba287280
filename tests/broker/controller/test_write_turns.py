"""One write at a time, and everything else in its turn."""

from minikafka.broker.controller.write_turns import WriteTurns


def turns_of(*more):
    rest = list(more)
    return WriteTurns(lambda: [rest.pop(0)] if rest else [])


def test_without_a_write_an_event_happens_at_once():
    assert turns_of("more").take(lambda now_ms: [now_ms], 7) == [7]


def test_what_comes_during_a_write_happens_in_its_turn_when_it_is_done():
    turns = turns_of("more")
    done = turns.write(lambda now_ms: [f"written at {now_ms}"])
    assert turns.is_writing
    assert turns.take(lambda now_ms: [f"first at {now_ms}"], 1) == []
    assert turns.take(lambda now_ms: [f"second at {now_ms}"], 2) == []
    assert done(3) == ["written at 3", "first at 3", "second at 3", "more"]
    assert not turns.is_writing


def test_a_write_that_begins_meanwhile_keeps_the_others_waiting():
    turns = turns_of("more")
    later = []

    def begins_another(now_ms):
        later.append(turns.write(lambda now_ms: ["written again"]))
        return ["a write"]

    done = turns.write(lambda now_ms: [])
    turns.take(begins_another, 0)
    turns.take(lambda now_ms: ["last"], 0)
    assert done(1) == ["a write"]
    assert later[0](2) == ["written again", "last", "more"]
