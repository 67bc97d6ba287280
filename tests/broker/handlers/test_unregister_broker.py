"""UnregisterBroker: a broker that is gone for good is forgotten, and leads nothing."""

from minikafka.protocol.api.metadata import MetadataRequest
from minikafka.protocol.api.unregister_broker import UnregisterBrokerRequest
from minikafka.protocol.errors import ErrorCode

from ..in_process import ServedNode
from .other_brokers import OTHER, change, register


async def test_it_is_told_of_no_more_and_others_lead(node: ServedNode) -> None:
    await node.create("orders")
    register(node)
    change(node, "orders", leader=OTHER, replicas=[OTHER, 1], isr=[OTHER, 1])
    answer = await node.call(UnregisterBrokerRequest(broker_id=OTHER))
    assert (answer.error_code, answer.error_message) == (ErrorCode.NONE, None)
    told = await node.call(MetadataRequest(topics=None), 12)
    assert [each.node_id for each in told.brokers] == [1]
    assert told.topics[0].partitions[0].leader_id == 1


async def test_a_broker_that_nobody_knows_cannot_be_forgotten(node: ServedNode) -> None:
    answer = await node.call(UnregisterBrokerRequest(broker_id=OTHER))
    assert answer.error_code == ErrorCode.BROKER_ID_NOT_REGISTERED
    assert answer.error_message


async def test_a_node_that_is_alone_does_not_forget_itself(node: ServedNode) -> None:
    answer = await node.call(UnregisterBrokerRequest(broker_id=1))
    assert answer.error_code == ErrorCode.INVALID_REQUEST
    assert answer.error_message
    assert "alone" in answer.error_message
    await node.create("orders")
