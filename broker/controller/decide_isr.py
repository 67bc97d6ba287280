"""How a partition's leader has its in-sync replicas changed (KIP-497, KIP-841, KIP-903). PURE.

The leader sends what it believes of the partition (leader epoch, partition epoch) and the ISR that
it wants. It is a compare and set: who believes something else than the controller is refused, in
this order.

    the partition is not there                     UNKNOWN_TOPIC_ID, UNKNOWN_TOPIC_OR_PARTITION
    its leader epoch or partition epoch is newer   NOT_CONTROLLER: it knows a later controller
    its leader epoch is older                      FENCED_LEADER_EPOCH
    it is not the leader                           INVALID_REQUEST
    its partition epoch is older                   INVALID_UPDATE_VERSION
    the ISR is not of the replicas, names one
    twice, or lacks the leader                     INVALID_REQUEST
    a member is not registered, fenced, leaving,
    or has registered again since its fetch        INELIGIBLE_REPLICA

The last is what keeps a replica that has lost records on a crash out of the ISR, though a fetch
that it sent before is still on its way. The leader then goes back to the ISR before, which is safe
only if that is final: the same question, sent before over another connection, might still come when
the member is back. So a refusal for that reason begins another partition epoch, which Kafka's does
not. An ISR with all that a reassignment wants to remain ends
the reassignment; where that takes the leader away, the answer is NEW_LEADER_ELECTED, which is an
error with a record.
"""

from collections.abc import Sequence
from dataclasses import replace

from ...protocol.control import (
    AlteredPartition,
    AlteredPartitions,
    AlterPartition,
    IsrMember,
    PartitionIsr,
)
from ...protocol.errors import ErrorCode
from ..config import BrokerConfig
from .decide import Decision
from .decide_brokers import check_broker_epoch
from .image import NOBODY, Image, PartitionImage, Record, Standing, TopicImage
from .leadership import change_of, settle, terms_of

ANY_EPOCH = -1
"""A broker epoch that is not checked."""


def alter_partition(image: Image, config: BrokerConfig, question: AlterPartition) -> Decision:
    """Other in-sync replicas; `value` is the answer, AlteredPartitions."""
    error_code = check_broker_epoch(image, question.broker_id, question.broker_epoch)
    if error_code:
        return Decision([], error_code)
    records: list[Record] = []
    answers: list[AlteredPartition] = []
    seen: set[tuple[bytes, int]] = set()
    for wanted in question.partitions:
        key = (wanted.topic_id, wanted.index)
        topic = image.topic_by_id(wanted.topic_id)
        error_code = _refusal(image, topic, question.broker_id, wanted)
        if key in seen:  # The image does not know of the first one yet.
            error_code = ErrorCode.INVALID_REQUEST
        seen.add(key)
        if topic is not None and error_code is ErrorCode.INELIGIBLE_REPLICA:
            before = topic.partitions[wanted.index]
            after = replace(before, partition_epoch=before.partition_epoch + 1)
            records += change_of(topic, before, after)
        if error_code or topic is None:
            answers.append(_refused(wanted, error_code))
            continue
        before = topic.partitions[wanted.index]
        isr = tuple(each.broker_id for each in wanted.isr)
        after = settle(before, replace(before, isr=isr), terms_of(image, config, topic))
        records += change_of(topic, before, after)
        answers.append(_answer(before, after, wanted))
    return Decision(records, value=AlteredPartitions(tuple(answers)))


def _refusal(
    image: Image, topic: TopicImage | None, broker_id: int, wanted: PartitionIsr
) -> ErrorCode:
    if topic is None:
        return ErrorCode.UNKNOWN_TOPIC_ID
    partition = topic.partitions.get(wanted.index)
    if partition is None:
        return ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    if wanted.leader_epoch > partition.leader_epoch:
        return ErrorCode.NOT_CONTROLLER
    if wanted.partition_epoch > partition.partition_epoch:
        return ErrorCode.NOT_CONTROLLER
    if wanted.leader_epoch < partition.leader_epoch:
        return ErrorCode.FENCED_LEADER_EPOCH
    if broker_id != partition.leader:
        return ErrorCode.INVALID_REQUEST
    if wanted.partition_epoch < partition.partition_epoch:
        return ErrorCode.INVALID_UPDATE_VERSION
    return _refusal_of_isr(image, partition, wanted.isr)


def _refusal_of_isr(image: Image, partition: PartitionImage, isr: Sequence[IsrMember]) -> ErrorCode:
    members = {each.broker_id for each in isr}
    if len(members) < len(isr) or not members <= set(partition.replicas):
        return ErrorCode.INVALID_REQUEST
    if partition.leader not in members:
        return ErrorCode.INVALID_REQUEST
    if not all(_is_eligible(image, each) for each in isr):
        return ErrorCode.INELIGIBLE_REPLICA
    return ErrorCode.NONE


def _is_eligible(image: Image, member: IsrMember) -> bool:
    broker = image.brokers.get(member.broker_id)
    if broker is None or broker.standing is not Standing.UNFENCED:
        return False
    return member.broker_epoch in (ANY_EPOCH, broker.epoch)


def _refused(wanted: PartitionIsr, error_code: ErrorCode) -> AlteredPartition:
    return AlteredPartition(wanted.topic_id, wanted.index, error_code.name, NOBODY, -1, (), -1)


def _answer(
    before: PartitionImage, after: PartitionImage, wanted: PartitionIsr
) -> AlteredPartition:
    if after.leader != before.leader:
        return _refused(wanted, ErrorCode.NEW_LEADER_ELECTED)
    return AlteredPartition(
        wanted.topic_id,
        wanted.index,
        ErrorCode.NONE.name,
        after.leader,
        after.leader_epoch,
        after.isr,
        after.partition_epoch,
    )
