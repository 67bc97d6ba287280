"""What the active controller does for the brokers."""

from pathlib import Path

import pytest

from minikafka.broker.config import BrokerConfig
from minikafka.broker.controller.decide_brokers import unregister_broker
from minikafka.broker.controller.image import NOBODY, Standing
from minikafka.protocol.control import (
    AlterPartition,
    AutoCreateTopics,
    CreateOffsetsTopic,
    Done,
    Heartbeat,
    HeartbeatAnswer,
    IsrMember,
    PartitionIsr,
    Refused,
    Registered,
    ReservedProducerIds,
    ReserveProducerIds,
)

from ..in_process import until
from .members import VOTERS, Cluster

SHORT = BrokerConfig(
    voters=VOTERS, broker_session_timeout_ms=50, leader_imbalance_check_interval_seconds=1
)


async def test_a_broker_is_registered_in_an_epoch_that_is_an_offset(tmp_path: Path) -> None:
    cluster = await Cluster.begin(tmp_path)
    offset = cluster.controller.end_offset
    assert await cluster.register(2) == Registered(offset)
    assert cluster.image.brokers[2].epoch == offset
    assert cluster.standing(2) is Standing.FENCED
    assert cluster.standing(1) is Standing.UNFENCED  # The active controller's own.


async def test_the_first_heartbeat_that_has_caught_up_unfences(tmp_path: Path) -> None:
    cluster = await Cluster.begin(tmp_path)
    await cluster.register(2)
    epoch = cluster.image.brokers[2].epoch
    behind = Heartbeat(2, epoch, epoch - 1, wants_to_leave=False)
    assert await cluster.ask(behind) == HeartbeatAnswer(is_fenced=True, may_leave=False)
    assert await cluster.beat(2) == HeartbeatAnswer(is_fenced=False, may_leave=False)
    assert cluster.image.is_alive(2)


async def test_who_registers_again_because_the_answer_was_lost_is_told(tmp_path: Path) -> None:
    cluster = await Cluster.begin(tmp_path)
    registration = cluster.registration(2)
    first = await cluster.ask(registration)
    await cluster.beat(2)
    offset = cluster.controller.end_offset
    assert await cluster.ask(registration) == first
    assert cluster.controller.end_offset == offset
    assert cluster.image.is_alive(2)


async def test_of_two_processes_with_one_id_the_second_waits(tmp_path: Path) -> None:
    cluster = await Cluster.begin(tmp_path)
    await cluster.live(2)
    refused = await cluster.register(2)
    assert isinstance(refused, Refused)
    assert (refused.error, "broker 2" in refused.message) == (
        "DUPLICATE_BROKER_REGISTRATION",
        True,
    )
    foreign = await cluster.register(1, "from elsewhere")
    assert foreign.error == "DUPLICATE_BROKER_REGISTRATION"


async def test_a_silent_broker_is_fenced_and_leads_no_more(tmp_path: Path) -> None:
    cluster = await Cluster.begin(tmp_path, SHORT)
    await cluster.live(2)
    await cluster.create("orders", 2, 1)
    await until(lambda: cluster.standing(2) is Standing.FENCED)
    assert 2 not in cluster.partition("orders").isr
    assert cluster.partition("orders").leader != 2
    cluster.duties.end()


async def test_a_broker_whose_connection_closes_is_fenced_soon(tmp_path: Path) -> None:
    cluster = await Cluster.begin(tmp_path)
    await cluster.live(2)
    await cluster.create("orders", 2, 1)
    for call in cluster.controller.on_disconnected:
        call("c")
    await until(lambda: cluster.standing(2) is Standing.FENCED)
    assert cluster.partition("orders").leader == 1
    cluster.duties.end()


async def test_a_broker_that_leaves_hands_over_and_may_go(tmp_path: Path) -> None:
    cluster = await Cluster.begin(tmp_path)
    await cluster.live(2)
    await cluster.create("orders", 2, 1)
    assert await cluster.beat(2, leave=True) == HeartbeatAnswer(is_fenced=False, may_leave=False)
    assert cluster.partition("orders").leader == 1
    assert await cluster.beat(2, leave=True) == HeartbeatAnswer(is_fenced=True, may_leave=True)
    cluster.duties.end()


async def test_an_isr_is_altered_by_its_leader(tmp_path: Path) -> None:
    cluster = await Cluster.begin(tmp_path)
    await cluster.live(2)
    await cluster.create("orders", 2, 1)
    topic, epoch = cluster.image.topics["orders"], cluster.image.brokers[2].epoch
    wanted = PartitionIsr(topic.topic_id, 0, 0, 0, (IsrMember(2, epoch),))
    answer = await cluster.ask(AlterPartition(2, epoch, (wanted,)))
    (altered,) = answer.partitions
    assert (altered.error, altered.isr, altered.partition_epoch) == ("NONE", (2,), 1)
    stale = await cluster.ask(AlterPartition(2, epoch - 1, (wanted,)))
    assert stale.error == "STALE_BROKER_EPOCH"
    cluster.duties.end()


async def test_producer_ids_are_for_brokers_that_are_registered(tmp_path: Path) -> None:
    cluster = await Cluster.begin(tmp_path)
    epoch = cluster.image.brokers[1].epoch
    assert await cluster.ask(ReserveProducerIds(1, epoch)) == ReservedProducerIds(0, 1000)
    refused = await cluster.ask(ReserveProducerIds(1, epoch - 1))
    assert refused.error == "STALE_BROKER_EPOCH"
    cluster.duties.end()


async def test_internal_and_wished_for_topics_wait_for_brokers(tmp_path: Path) -> None:
    cluster = await Cluster.begin(tmp_path)
    for question in (CreateOffsetsTopic(), AutoCreateTopics(("orders",))):
        assert (await cluster.ask(question)).error == "INVALID_REPLICATION_FACTOR"
    await cluster.live(2, 3)
    for question in (CreateOffsetsTopic(), AutoCreateTopics(("orders", "news"))):
        for _ in range(2):  # Whoever is late finds them there.
            assert await cluster.ask(question) == Done(cluster.controller.committed_offset)
    assert set(cluster.image.topics) == {"__consumer_offsets", "orders", "news"}
    cluster.duties.end()


async def test_leaders_go_back_to_where_they_belong(tmp_path: Path) -> None:
    cluster = await Cluster.begin(tmp_path, BrokerConfig(leader_imbalance_check_interval_seconds=1))
    await cluster.live(2)
    await cluster.create("orders", 2, 1)
    epoch = cluster.image.brokers[2].epoch
    await cluster.register(2)  # refused: the old one is heard of
    for call in cluster.controller.on_disconnected:
        call("c")
    await until(lambda: cluster.partition("orders").leader == 1)
    await cluster.beat(2)
    partition, topic = cluster.partition("orders"), cluster.image.topics["orders"]
    epochs = (partition.leader_epoch, partition.partition_epoch)
    own = cluster.image.brokers[1].epoch
    isr = (IsrMember(1, own), IsrMember(2, epoch))
    await cluster.ask(AlterPartition(1, own, (PartitionIsr(topic.topic_id, 0, *epochs, isr),)))
    await until(lambda: cluster.partition("orders").leader == 2)
    cluster.duties.end()


async def test_a_controller_that_takes_over_gives_everybody_a_session(tmp_path: Path) -> None:
    cluster = await Cluster.begin(tmp_path, SHORT)
    await cluster.live(2)
    cluster.duties.end()
    assert (await cluster.beat(2)).error == "NOT_CONTROLLER"
    assert (await cluster.register(3)).error == "NOT_CONTROLLER"
    cluster.duties.begin()
    assert await cluster.beat(2) == HeartbeatAnswer(is_fenced=False, may_leave=False)
    await until(lambda: cluster.standing(2) is Standing.FENCED)
    cluster.duties.end()


async def test_a_broker_that_is_unregistered_is_not_known_any_more(tmp_path: Path) -> None:
    cluster = await Cluster.begin(tmp_path)
    await cluster.live(2)
    epoch = cluster.image.brokers[2].epoch
    await cluster.controller.submit(lambda image: unregister_broker(image, cluster.config, 2))
    refused = await cluster.ask(Heartbeat(2, epoch, 99, wants_to_leave=False))
    assert refused.error == "BROKER_ID_NOT_REGISTERED"
    cluster.duties.end()


@pytest.mark.parametrize("is_clustered", [True, False])
async def test_only_a_node_that_is_alone_may_be_silent(
    tmp_path: Path, *, is_clustered: bool
) -> None:
    voters = VOTERS if is_clustered else ""
    cluster = await Cluster.begin(
        tmp_path, BrokerConfig(voters=voters, broker_session_timeout_ms=30)
    )
    await cluster.create("orders", 1)
    if is_clustered:
        await until(lambda: cluster.partition("orders").leader == NOBODY)
    else:
        await cluster.live(2)
        await until(lambda: cluster.standing(2) is Standing.FENCED)
    assert cluster.image.is_alive(1) is not is_clustered
    cluster.duties.end()
