"""Brokers register, live, fall silent and leave, as the active controller sees it."""

from minikafka.broker.controller.image import BrokerImage, Standing
from minikafka.broker.controller.liveness import (
    CLOSED_SESSION_MS,
    UNHEARD_SESSION_MS,
    Change,
    Liveness,
)
from minikafka.protocol.control import Heartbeat, HeartbeatAnswer
from minikafka.protocol.errors import ErrorCode

SESSION_MS = 6000
FENCED, UNFENCED, LEAVING = Standing.FENCED, Standing.UNFENCED, Standing.LEAVING


class Scene:
    """An active controller whose changes are committed at once, unless the test holds them."""

    def __init__(self):
        self.now_ms = 0
        self.liveness = Liveness(SESSION_MS)
        self.holds = False
        self.held = []

    def register(self, broker_id, incarnation="one", epoch=10):
        error = self.liveness.check_registration(broker_id, incarnation, self.now_ms)
        if error is ErrorCode.NONE:
            self.restore(broker_id, incarnation, epoch, FENCED)
        return error

    def restore(self, broker_id, incarnation, epoch, standing):
        broker = BrokerImage(broker_id, epoch, incarnation, standing=standing)
        self.liveness.restore(broker, self.now_ms)

    def commit(self, changes):
        self.held += changes
        while self.held and not self.holds:
            self.liveness.changed(self.held.pop(0))
        return changes

    def beat(self, broker_id, epoch=10, offset=100, *, leave=False, leads=False, over="first"):
        beat = Heartbeat(broker_id, epoch, offset, wants_to_leave=leave)
        error, changes = self.liveness.heartbeat(beat, over, leads=leads, now_ms=self.now_ms)
        if error is not ErrorCode.NONE:
            return error
        self.commit(changes)
        return self.liveness.answer(beat, leads=leads)

    def at(self, now_ms):
        self.now_ms = now_ms
        return self.commit(self.liveness.tick(now_ms))

    def live(self, broker_id=1, **options):
        """A broker that is registered and unfenced."""
        self.register(broker_id, **options)
        self.beat(broker_id, options.get("epoch", 10))
        assert self.liveness.standing(broker_id) is UNFENCED


def test_a_broker_is_fenced_until_it_says_that_it_has_caught_up():
    scene = Scene()
    assert scene.register(1, epoch=10) is ErrorCode.NONE
    assert scene.liveness.standing(1) is FENCED
    assert scene.beat(1, offset=9) == HeartbeatAnswer(is_fenced=True, may_leave=False)
    assert scene.liveness.standing(1) is FENCED
    assert scene.beat(1, offset=10) == HeartbeatAnswer(is_fenced=False, may_leave=False)


def test_a_silent_broker_is_fenced_when_its_session_ends():
    scene = Scene()
    scene.live()
    scene.at(1000)
    scene.beat(1)
    assert scene.liveness.deadline_ms() == 1000 + SESSION_MS
    assert scene.at(999 + SESSION_MS) == []
    assert scene.at(1000 + SESSION_MS) == [Change(1, 10, FENCED)]
    assert scene.liveness.deadline_ms() is None


def test_a_broker_that_comes_back_is_unfenced():
    scene = Scene()
    scene.live()
    scene.at(SESSION_MS)
    assert scene.liveness.standing(1) is FENCED
    assert not scene.beat(1).is_fenced


def test_a_closed_connection_ends_a_session_soon():
    scene = Scene()
    scene.live()
    scene.at(500)
    scene.liveness.disconnected("first", 500)
    assert scene.liveness.deadline_ms() == 500 + CLOSED_SESSION_MS
    assert scene.at(500 + CLOSED_SESSION_MS) == [Change(1, 10, FENCED)]


def test_a_broker_that_reconnects_in_time_lives_on():
    scene = Scene()
    scene.live()
    scene.liveness.disconnected("first", 0)
    scene.now_ms = 900
    scene.beat(1, over="second")
    scene.liveness.disconnected("first", 950)
    assert scene.at(SESSION_MS) == []
    assert scene.liveness.standing(1) is UNFENCED


def test_a_closed_connection_does_not_lengthen_a_session():
    scene = Scene()
    scene.live()
    scene.liveness.disconnected("first", SESSION_MS - 1)
    assert scene.liveness.deadline_ms() == SESSION_MS


def test_two_processes_with_one_id_are_not_both_registered():
    scene = Scene()
    scene.live()
    assert scene.register(1, "two", 20) is ErrorCode.DUPLICATE_BROKER_REGISTRATION
    assert scene.register(1, "one", 20) is ErrorCode.NONE
    assert scene.register(2, "two", 21) is ErrorCode.NONE


def test_a_broker_that_died_is_registered_again_a_second_later():
    scene = Scene()
    scene.live()
    scene.liveness.disconnected("first", 0)
    scene.now_ms = CLOSED_SESSION_MS - 1
    assert scene.register(1, "two", 20) is ErrorCode.DUPLICATE_BROKER_REGISTRATION
    scene.now_ms = CLOSED_SESSION_MS
    assert scene.register(1, "two", 20) is ErrorCode.NONE
    assert scene.liveness.standing(1) is FENCED


def test_a_heartbeat_of_an_older_registration_changes_nothing():
    scene = Scene()
    scene.live()
    scene.register(1, "one", 20)
    assert scene.beat(1, epoch=10) is ErrorCode.STALE_BROKER_EPOCH
    assert scene.liveness.standing(1) is FENCED
    assert scene.beat(9) is ErrorCode.BROKER_ID_NOT_REGISTERED


def test_a_broker_that_is_unregistered_is_not_known():
    scene = Scene()
    scene.live()
    scene.liveness.forget(1)
    assert scene.beat(1) is ErrorCode.BROKER_ID_NOT_REGISTERED
    assert scene.liveness.deadline_ms() is None


def test_a_broker_leaves_when_it_leads_nothing():
    scene = Scene()
    scene.live()
    assert not scene.beat(1, leave=True, leads=True).may_leave
    assert scene.liveness.standing(1) is LEAVING
    assert not scene.beat(1, leave=True, leads=True).may_leave
    assert scene.liveness.standing(1) is LEAVING
    assert scene.beat(1, leave=True, leads=False).may_leave
    assert scene.liveness.standing(1) is FENCED


def test_a_broker_that_leaves_and_dies_is_fenced():
    scene = Scene()
    scene.live()
    scene.beat(1, leave=True, leads=True)
    assert scene.at(SESSION_MS) == [Change(1, 10, FENCED)]


def test_a_fenced_broker_may_leave_at_once():
    scene = Scene()
    scene.register(1)
    assert scene.beat(1, leave=True).may_leave


def test_a_change_is_asked_for_once_while_it_is_on_its_way():
    scene = Scene()
    scene.live()
    scene.holds = True
    assert len(scene.at(SESSION_MS)) == 1
    assert scene.at(SESSION_MS + 1) == []
    assert scene.liveness.deadline_ms() is None
    assert not scene.beat(1).is_fenced
    scene.holds = False
    scene.commit([])
    assert scene.liveness.standing(1) is FENCED
    assert not scene.beat(1).is_fenced


def test_heartbeats_ask_for_one_change():
    scene = Scene()
    scene.register(1)
    scene.holds = True
    scene.beat(1)
    scene.beat(1)
    assert scene.held == [Change(1, 10, UNFENCED)]


def test_a_change_that_failed_is_asked_for_again():
    scene = Scene()
    scene.live()
    scene.holds = True
    (change,) = scene.at(SESSION_MS)
    scene.liveness.failed(change)
    assert scene.at(SESSION_MS + 1) == [change]


def test_a_change_of_an_older_registration_is_no_change():
    scene = Scene()
    scene.live()
    scene.holds = True
    (change,) = scene.at(SESSION_MS)
    scene.register(1, "two", 20)
    scene.holds = False
    scene.beat(1, epoch=20)
    scene.liveness.changed(change)
    scene.liveness.failed(change)
    assert scene.liveness.standing(1) is UNFENCED


def test_an_active_controller_that_takes_over_gives_everybody_a_session():
    scene = Scene()
    scene.now_ms = 50_000
    scene.restore(1, "one", 10, UNFENCED)
    scene.restore(2, "one", 11, FENCED)
    assert scene.at(49_999 + SESSION_MS) == []
    assert scene.at(50_000 + SESSION_MS) == [Change(1, 10, FENCED)]


def test_the_controller_before_has_as_long_as_one_whose_connection_closed():
    scene = Scene()
    scene.liveness.restore(BrokerImage(1, 10, "one", standing=UNFENCED), 0, is_lost=True)
    scene.liveness.restore(BrokerImage(2, 11, "one", standing=UNFENCED), 0, is_lost=True)
    scene.now_ms = CLOSED_SESSION_MS - 1
    scene.beat(2, 11)
    assert scene.at(CLOSED_SESSION_MS) == [Change(1, 10, FENCED)]
    assert scene.liveness.standing(2) is UNFENCED


def test_a_process_that_nobody_heard_of_does_not_keep_its_successor_waiting_for_long():
    scene = Scene()
    scene.restore(1, "one", 10, UNFENCED)
    scene.now_ms = UNHEARD_SESSION_MS - 1
    assert scene.register(1, "two", 20) is ErrorCode.DUPLICATE_BROKER_REGISTRATION
    scene.now_ms = UNHEARD_SESSION_MS
    assert scene.register(1, "two", 20) is ErrorCode.NONE


def test_a_node_that_is_alone_is_never_fenced_for_its_silence():
    scene = Scene()
    broker = BrokerImage(1, 10, "one", standing=UNFENCED)
    scene.liveness.restore(broker, 0, is_silent=True)
    assert scene.liveness.deadline_ms() is None
    assert scene.at(100 * SESSION_MS) == []
    assert scene.register(1, "two") is ErrorCode.DUPLICATE_BROKER_REGISTRATION
