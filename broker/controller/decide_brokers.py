"""How brokers come and go, and what follows for the partitions that they hold. PURE.

    registered   a process has started. What the one before it held, it holds as a broker that was
                 fenced, or, where its disk may have lost records, not at all
    fenced       out of every ISR; where that leaves too few, in the ELR. Leads nothing.
    unfenced     may lead again what nobody leads
    leaving      as fenced, except that it is still told of, and answers until it has stopped
    unregistered fenced, and then forgotten. Its replicas stay assigned, and wait for a broker of
                 this id, which is in the ELR still if nobody else has what was acknowledged

A node that is alone registers unfenced at once, in one decision: a start has no more to write, and
what only it holds goes on as it was, with a new leader epoch if records may have been lost, so that
a reader who saw those can tell (KIP-320). The active controller's own broker does the same, since
it has applied all that there is.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from ...protocol.errors import ErrorCode
from ..config import BrokerConfig
from .decide import Decision
from .image import NOBODY, Image, PartitionImage, Record, Standing
from .leadership import Terms, all_partitions, change_of, settle, terms_of

if TYPE_CHECKING:
    from ...protocol.control import RegisterBroker

Move = Callable[[PartitionImage, Terms], PartitionImage]


class Registration(NamedTuple):
    """What a lone node registers with itself as: nobody asks for its addresses or incarnation."""

    broker_id: int
    is_lossless: bool
    incarnation: str = ""
    host: str = ""
    port: int = 0
    control_host: str = ""
    control_port: int = 0


def register_broker(
    image: Image,
    config: BrokerConfig,
    registration: "RegisterBroker | Registration",
    epoch: int,
    standing: Standing,
) -> Decision:
    """A broker starts; `epoch` must be the offset of the first record. `value` is its epoch.

    A process that has registered already, and asks again because it lost the answer, is told.
    """
    broker_id = registration.broker_id
    known = image.brokers.get(broker_id)
    if known is not None and registration.incarnation == known.incarnation != "":
        return Decision([], value=known.epoch)

    def restarted(before: PartitionImage, terms: Terms) -> PartitionImage:
        lost = NOBODY if registration.is_lossless else broker_id
        if standing is not Standing.UNFENCED:
            return _left(broker_id, before, replace(terms, lost=lost))
        if before.replicas == before.isr == (broker_id,):
            return before if registration.is_lossless else _led_anew(before)
        after = _left(broker_id, before, replace(terms, lost=lost))
        return _entered(broker_id, after, terms)

    record = {
        "type": "BrokerRegistered",
        "broker_id": broker_id,
        "epoch": epoch,
        "incarnation": registration.incarnation,
        "host": registration.host,
        "port": registration.port,
        "control_host": registration.control_host,
        "control_port": registration.control_port,
        "standing": standing.value,
    }
    return Decision([record, *_changes(image, config, broker_id, restarted)], value=epoch)


def change_standing(
    image: Image, config: BrokerConfig, broker_id: int, epoch: int, standing: Standing
) -> Decision:
    """A broker is fenced, unfenced or leaving from now on."""
    error_code = check_broker_epoch(image, broker_id, epoch)
    if error_code:
        return Decision([], error_code)
    if image.brokers[broker_id].standing is standing:
        return Decision([])

    def moved(before: PartitionImage, terms: Terms) -> PartitionImage:
        if standing is Standing.UNFENCED:
            return _entered(broker_id, before, terms)
        return _left(broker_id, before, terms)

    record = {
        "type": "BrokerChanged",
        "broker_id": broker_id,
        "epoch": epoch,
        "standing": standing.value,
    }
    return Decision([record, *_changes(image, config, broker_id, moved)])


def unregister_broker(image: Image, config: BrokerConfig, broker_id: int) -> Decision:
    """A broker is gone for good (KIP-746)."""
    if broker_id not in image.brokers:
        message = f"broker {broker_id} is not registered"
        return Decision([], ErrorCode.BROKER_ID_NOT_REGISTERED, message)
    if broker_id == config.node_id and not config.is_clustered:
        message = f"broker {broker_id} is alone: nobody would hear of it, to register it again"
        return Decision([], ErrorCode.INVALID_REQUEST, message)
    record = {"type": "BrokerUnregistered", "broker_id": broker_id}
    changes = _changes(
        image, config, broker_id, lambda before, terms: _left(broker_id, before, terms)
    )
    return Decision([*changes, record])


def check_broker_epoch(image: Image, broker_id: int, epoch: int) -> ErrorCode:
    """Whether a message comes from the broker that is registered, or from one before it."""
    broker = image.brokers.get(broker_id)
    if broker is None:
        return ErrorCode.BROKER_ID_NOT_REGISTERED
    return ErrorCode.NONE if broker.epoch == epoch else ErrorCode.STALE_BROKER_EPOCH


def leads(image: Image, broker_id: int) -> bool:
    """Whether a broker leads any partition."""
    return any(partition.leader == broker_id for _, partition in all_partitions(image))


def _changes(image: Image, config: BrokerConfig, broker_id: int, move: Move) -> list[Record]:
    """What is different when each partition that this broker holds has moved."""
    records: list[Record] = []
    for _, topic in sorted(image.topics.items()):
        held = [each for _, each in sorted(topic.partitions.items()) if broker_id in each.replicas]
        if held:
            terms = terms_of(image, config, topic)
            for before in held:
                records += change_of(topic, before, move(before, terms))
    return records


def _left(broker_id: int, before: PartitionImage, terms: Terms) -> PartitionImage:
    """The partition when this broker can neither lead nor be in sync."""

    def may_lead(other: int) -> bool:
        return other != broker_id and terms.may_lead(other)

    isr = tuple(each for each in before.isr if each != broker_id)
    return settle(before, replace(before, isr=isr), replace(terms, may_lead=may_lead))


def _entered(broker_id: int, before: PartitionImage, terms: Terms) -> PartitionImage:
    """The partition when this broker can lead: if somebody leads it, nothing is different."""

    def may_lead(other: int) -> bool:
        return other == broker_id or terms.may_lead(other)

    if before.leader != NOBODY:
        return before
    return settle(before, before, replace(terms, may_lead=may_lead))


def _led_anew(before: PartitionImage) -> PartitionImage:
    """The same leader, and a new epoch."""
    return replace(
        before, leader_epoch=before.leader_epoch + 1, partition_epoch=before.partition_epoch + 1
    )
