"""Scripted clusters for tests of the client: brokers on real sockets that answer from tables."""

from collections.abc import Callable
from typing import Any

from minikafka.protocol.api.init_producer_id import InitProducerIdResponse
from minikafka.protocol.api.metadata import (
    MetadataRequest,
    MetadataResponse,
    MetadataResponseBroker,
    MetadataResponsePartition,
    MetadataResponseTopic,
)
from minikafka.protocol.api.produce import (
    ProduceRequest,
    ProduceResponse,
    ProduceResponsePartition,
    ProduceResponseTopic,
)
from minikafka.protocol.errors import ErrorCode

from ..transport.scripted_broker import INIT_PRODUCER_ID, METADATA, PRODUCE, ScriptedBroker

TOPIC_ID = bytes([9] * 16)


class Cluster:
    """Metadata of one topic `t` that a test may change, told by every broker of the cluster."""

    def __init__(self, *brokers: ScriptedBroker) -> None:
        self.brokers = dict(enumerate(brokers, start=1))
        self.leaders = {0: 1}
        self.epoch = 0
        self.topic_error = 0
        self.producer_ids = iter(range(100, 200))
        for broker in brokers:
            broker.handlers.setdefault(METADATA, self.metadata)
            broker.handlers.setdefault(INIT_PRODUCER_ID, self.init_producer_id)

    def metadata(self, request: MetadataRequest) -> MetadataResponse:
        """Every topic asked for, with the leaders as they are set."""
        partitions = [
            MetadataResponsePartition(
                error_code=0,
                partition_index=index,
                leader_id=leader,
                leader_epoch=self.epoch,
                replica_nodes=[leader],
                isr_nodes=[leader],
            )
            for index, leader in self.leaders.items()
        ]
        topics = [
            MetadataResponseTopic(
                error_code=self.topic_error,
                name=topic.name,
                topic_id=TOPIC_ID,
                partitions=[] if self.topic_error else partitions,
            )
            for topic in request.topics or []
        ]
        brokers = [
            MetadataResponseBroker(node_id=node_id, host="127.0.0.1", port=broker.port)
            for node_id, broker in self.brokers.items()
        ]
        return MetadataResponse(brokers=brokers, cluster_id="c", controller_id=1, topics=topics)

    def init_producer_id(self, _: Any) -> InitProducerIdResponse:
        """The next producer id."""
        return InitProducerIdResponse(
            error_code=0, producer_id=next(self.producer_ids), producer_epoch=0
        )


def produce_with(*codes: ErrorCode | object) -> Callable[[ProduceRequest], Any]:
    """A Produce handler: the n-th request gets the n-th code (or object), later ones succeed."""
    left = list(codes)

    def handle(request: ProduceRequest) -> Any:
        code = left.pop(0) if left else ErrorCode.NONE
        if not isinstance(code, ErrorCode):
            return code
        return ProduceResponse(
            responses=[
                ProduceResponseTopic(
                    name=topic.name,
                    topic_id=topic.topic_id,
                    partition_responses=[
                        ProduceResponsePartition(
                            index=each.index, error_code=int(code), base_offset=50
                        )
                        for each in topic.partition_data
                    ],
                )
                for topic in request.topic_data
            ]
        )

    return handle


def batches_of(broker: ScriptedBroker) -> list[bytes]:
    """The record batches that a broker was sent."""
    return [
        bytes(partition.records or b"")
        for request in broker.requests_of(PRODUCE)
        for topic in request.topic_data
        for partition in topic.partition_data
    ]
