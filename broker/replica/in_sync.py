"""Which replicas are in sync: what a leader knows of its followers, in one leader epoch. PURE.

    committed ISR    as the controller has decided it
    proposed ISR     what we have asked the controller for, and do not know to be refused
    maximal ISR      both together: whoever may be elected next is among them (KIP-497)

    the high watermark   smallest end of the leader's and of all in the maximal ISR, and of who is
                         about to join; never backwards; frozen while the committed ISR is smaller
                         than min.insync.replicas, so that who left it still has all that is
                         acknowledged (KIP-966)
    caught up            has all that there is, or had it less than replica.lag.time.max.ms ago
    shrink               who is not caught up is to leave
    expand               who has everything up to the high watermark and to where this leader epoch
                         began is to join, if the controller will have it: unfenced, not leaving,
                         and asking as the registration that we know (KIP-841, KIP-903)

A follower's end is the offset that it fetches from. One change is under way at a time. What the
controller answers:

    INELIGIBLE_REPLICA,             back to what is committed
      OPERATION_NOT_ATTEMPTED
    done                            it stays proposed until the metadata says so
    another epoch, not our leader   somebody knows more than we do: it stays proposed until the
                                    metadata says what holds
    anything else, or nothing       asked again: it may have been done, so it stays proposed

In Kafka what is done is committed with the answer. But an ISR means little without all that was
decided before it: with a smaller one, and a min.insync.replicas that is out of date, a leader would
acknowledge alone what the eligible leader replicas are taken to have.

A second attempt carries the broker epochs of the first, not those of today: a broker that lost its
disk since must not be let in for what it had before.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from ...protocol.errors import ErrorCode

if TYPE_CHECKING:
    from ..controller.image import BrokerImage, PartitionImage

UNKNOWN = -1
"""The end of a follower that has not fetched in this leader epoch; the epoch of no broker."""
NEVER_MS = -(1 << 62)
MAX_LAG_MS = 10_000
"""The default of replica.lag.time.max.ms: Kafka's is 30 s."""

_REFUSED = frozenset((ErrorCode.INELIGIBLE_REPLICA, ErrorCode.OPERATION_NOT_ATTEMPTED))
_DECIDED = frozenset(
    (
        ErrorCode.NONE,
        ErrorCode.FENCED_LEADER_EPOCH,
        ErrorCode.INVALID_REQUEST,
        ErrorCode.INVALID_UPDATE_VERSION,
        ErrorCode.NEW_LEADER_ELECTED,
        ErrorCode.UNKNOWN_TOPIC_ID,
        ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
    )
)


class IsrProposal(NamedTuple):
    """What the controller is asked for: these brokers, as registered under these epochs."""

    leader_epoch: int
    partition_epoch: int
    members: tuple[tuple[int, int], ...]
    """(broker id, broker epoch)"""

    @property
    def isr(self) -> tuple[int, ...]:
        """The brokers alone."""
        return tuple(broker_id for broker_id, _ in self.members)


class Follower:
    """One follower, by its fetches in this leader epoch."""

    __slots__ = (
        "_fetched_ms",
        "_leader_end_offset",
        "broker_epoch",
        "caught_up_ms",
        "log_end_offset",
    )

    def __init__(self, caught_up_ms: int) -> None:
        self.log_end_offset = UNKNOWN
        self.broker_epoch = UNKNOWN
        self.caught_up_ms = caught_up_ms
        """When it last had all that there was."""
        self._fetched_ms = NEVER_MS
        self._leader_end_offset = 0

    def fetched(self, broker_epoch: int, offset: int, leader_end_offset: int, now_ms: int) -> None:
        """It has everything below `offset`, for it asks for what follows.

        Who asks for the end as it was at its last fetch had all that there was then.
        """
        if offset >= leader_end_offset:
            self.caught_up_ms = now_ms
        elif offset >= self._leader_end_offset:
            self.caught_up_ms = max(self.caught_up_ms, self._fetched_ms)
        self.log_end_offset = offset
        self.broker_epoch = broker_epoch
        self._fetched_ms = now_ms
        self._leader_end_offset = leader_end_offset

    def is_caught_up(self, leader_end_offset: int, max_lag_ms: int, now_ms: int) -> bool:
        """Whether it has all that there is, or had it a short while ago."""
        return self.log_end_offset == leader_end_offset or now_ms - self.caught_up_ms <= max_lag_ms


class InSync:
    """The followers of one partition, and the ISR, in one leader epoch of ours.

    `brokers` is the image's own table, so it is always as new as what is applied; `epoch_start` is
    where our log ended when this leader epoch began.
    """

    def __init__(
        self,
        image: "PartitionImage",
        brokers: Mapping[int, "BrokerImage"],
        epoch_start: int,
        max_lag_ms: int,
        now_ms: int,
    ) -> None:
        self.isr = image.isr
        """As committed."""
        self.partition_epoch = image.partition_epoch
        self.proposal: IsrProposal | None = None
        self.followers: dict[int, Follower] = {}
        self._brokers = brokers
        self._leader_id = image.leader
        self._leader_epoch = image.leader_epoch
        self._epoch_start = epoch_start
        self._max_lag_ms = max_lag_ms
        self._set_followers(image, now_ms)

    @property
    def maximal_isr(self) -> frozenset[int]:
        """Everybody who may be in the controller's ISR."""
        return frozenset(self.isr + (self.proposal.isr if self.proposal is not None else ()))

    def effective_min_isr(self, min_insync_replicas: int) -> int:
        """No more can be asked for than there are replicas."""
        return min(min_insync_replicas, len(self.followers) + 1)

    def update(self, image: "PartitionImage", now_ms: int) -> None:
        """Take in what the controller has decided within this leader epoch."""
        self._set_followers(image, now_ms)
        if image.partition_epoch > self.partition_epoch:
            self.isr = image.isr
            self.partition_epoch = image.partition_epoch
            self.proposal = None

    def fetched(
        self, replica_id: int, broker_epoch: int, offset: int, leader_end_offset: int, now_ms: int
    ) -> ErrorCode:
        """Note a follower's fetch in this leader epoch, if it is by the registration that we know.

        One that has just registered anew may be known to itself before it is to us: it asks again.
        """
        follower, broker = self.followers.get(replica_id), self._brokers.get(replica_id)
        if follower is None or broker is None or broker_epoch != broker.epoch:
            return ErrorCode.NOT_LEADER_OR_FOLLOWER
        follower.fetched(broker_epoch, offset, leader_end_offset, now_ms)
        return ErrorCode.NONE

    def high_watermark(
        self,
        high_watermark: int,
        flushed_offset: int,
        leader_end_offset: int,
        min_insync_replicas: int,
        now_ms: int,
    ) -> int:
        """The high watermark as it is from now on; `flushed_offset` is the leader's own."""
        if len(self.isr) < self.effective_min_isr(min_insync_replicas):
            return high_watermark
        end_offset = flushed_offset
        maximal_isr = self.maximal_isr
        for replica_id, follower in self.followers.items():
            if follower.log_end_offset < end_offset and (
                replica_id in maximal_isr
                or self._is_about_to_join(replica_id, follower, leader_end_offset, now_ms)
            ):
                end_offset = follower.log_end_offset
        return max(high_watermark, end_offset)

    def propose_expansion(self, replica_id: int, high_watermark: int) -> bool:
        """Want a follower that has fetched to be in the ISR, if it may; True for a new proposal."""
        follower = self.followers[replica_id]
        if self.proposal is not None or replica_id in self.isr:
            return False
        if follower.log_end_offset < max(high_watermark, self._epoch_start):
            return False
        if not self._may_join(replica_id, follower):
            return False
        self._propose((*self.isr, replica_id))
        return True

    def propose_shrink(self, leader_end_offset: int, now_ms: int) -> bool:
        """Want those out of the ISR that are not caught up; True for a new proposal."""
        if self.proposal is not None:
            return False
        kept = tuple(
            replica_id
            for replica_id in self.isr
            if (follower := self.followers.get(replica_id)) is None
            or follower.is_caught_up(leader_end_offset, self._max_lag_ms, now_ms)
        )
        if kept == self.isr:
            return False
        self._propose(kept)
        return True

    def answered(self, proposal: IsrProposal, error: ErrorCode) -> bool:
        """Take in the controller's answer to `proposal`; True when it has to be asked again."""
        if proposal is not self.proposal or error in _DECIDED:
            return False
        if error in _REFUSED:
            self.proposal = None
            return False
        return True

    def _propose(self, isr: tuple[int, ...]) -> None:
        brokers = self._brokers
        members = tuple(
            (broker_id, brokers[broker_id].epoch if broker_id in brokers else UNKNOWN)
            for broker_id in isr
        )
        self.proposal = IsrProposal(self._leader_epoch, self.partition_epoch, members)

    def _set_followers(self, image: "PartitionImage", now_ms: int) -> None:
        """Keep what is known of those that stay; who was in sync has time to show that it is."""
        known = self.followers
        self.followers = {
            replica_id: known.get(replica_id)
            or Follower(now_ms if replica_id in image.isr else NEVER_MS)
            for replica_id in image.replicas
            if replica_id != self._leader_id
        }

    def _is_about_to_join(
        self, replica_id: int, follower: Follower, leader_end_offset: int, now_ms: int
    ) -> bool:
        """Whether the high watermark waits for a follower that could not join if it did not."""
        is_caught_up = follower.is_caught_up(leader_end_offset, self._max_lag_ms, now_ms)
        return is_caught_up and self._may_join(replica_id, follower)

    def _may_join(self, replica_id: int, follower: Follower) -> bool:
        """Whether the controller will have it: as far as we know, and as who it fetches."""
        broker = self._brokers.get(replica_id)
        return (
            broker is not None
            and broker.standing.value == "unfenced"
            and broker.epoch == follower.broker_epoch
        )
