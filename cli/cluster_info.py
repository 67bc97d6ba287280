"""`minikafka cluster-info`: brokers, controller, the quorum, what is under-replicated."""

import json
from collections.abc import Mapping
from typing import Any, Final

import click

from ..client.admin import (
    AdminClient,
    ClusterDescription,
    PartitionReassignment,
    QuorumInfo,
    TopicInfo,
)
from ..client.errors import UnsupportedByCluster
from ..client.metadata import TopicPartition
from . import session
from .table import show

BROKER_COLUMNS: Final = ("broker", "host", "port", "rack", "is_controller")
QUORUM_COLUMNS: Final = ("node", "role", "log_end_offset", "lag")
Moving = Mapping[TopicPartition, PartitionReassignment]


@click.command("cluster-info")
@click.option("--quorum", "with_quorum", is_flag=True, help="Also the controllers' quorum.")
@session.output_option
@session.cluster_options
def cluster_info(with_quorum: bool, output: str, bootstrap: str) -> None:
    """Show the cluster: its brokers, its controller, under-replicated partitions.

    With --quorum also who leads the controllers, and how many offsets of the metadata log each
    voter and observer is behind it.

    \b
    Examples:
      minikafka cluster-info -b 127.0.0.1:9092 -o json
      minikafka cluster-info --quorum
    """
    cluster, topics, moving, quorum = session.run(_describe(bootstrap, with_quorum))
    under_replicated = _under_replicated(topics, moving)
    rows = [
        (each.id, each.host, each.port, each.rack, each.id == cluster.controller_id)
        for each in cluster.brokers
    ]
    if output == "json":
        fields: dict[str, Any] = {
            "cluster_id": cluster.cluster_id,
            "controller_id": cluster.controller_id,
            "brokers": [dict(zip(BROKER_COLUMNS, row, strict=True)) for row in rows],
            "topics": len(topics),
            "partitions": sum(len(each.partitions) for each in topics),
            "under_replicated": under_replicated,
        }
        if quorum is not None:
            fields["quorum"] = _quorum_fields(quorum)
        click.echo(json.dumps(fields))
        return
    click.echo(f"cluster {cluster.cluster_id or 'without an id'}")
    click.echo(f"topics: {len(topics)}, partitions: {sum(len(each.partitions) for each in topics)}")
    click.echo(f"under-replicated partitions: {', '.join(under_replicated) or 'none'}\n")
    show(output, BROKER_COLUMNS, rows)
    if quorum is not None:
        leader = "nobody" if quorum.leader_id is None else f"node {quorum.leader_id}"
        click.echo(
            f"\nquorum: {leader} leads in epoch {quorum.leader_epoch}, "
            f"high watermark {quorum.high_watermark}"
        )
        show(output, QUORUM_COLUMNS, _quorum_rows(quorum))


async def _describe(
    bootstrap: str, with_quorum: bool
) -> tuple[ClusterDescription, list[TopicInfo], Moving, QuorumInfo | None]:
    admin = AdminClient(bootstrap_servers=bootstrap, request_timeout_ms=session.REQUEST_TIMEOUT_MS)
    async with await session.connect(admin):
        quorum = await admin.describe_quorum() if with_quorum else None
        try:
            moving = await admin.list_partition_reassignments()
        except UnsupportedByCluster:
            moving = {}
        return await admin.describe_cluster(), await admin.describe_topics(), moving, quorum


def _under_replicated(topics: list[TopicInfo], moving: Moving) -> list[str]:
    """The partitions with fewer replicas in sync than they should have, as TOPIC-PARTITION.

    A replica that is still on its way to a new broker is none that is missing.
    """
    found: list[str] = []
    for topic in topics:
        for each in topic.partitions:
            reassignment = moving.get(TopicPartition(topic.name, each.index))
            adding = () if reassignment is None else reassignment.adding_replicas
            if not set(each.replicas) - set(adding) <= set(each.in_sync_replicas):
                found.append(f"{topic.name}-{each.index}")
    return found


def _quorum_rows(quorum: QuorumInfo) -> list[tuple[Any, ...]]:
    """A line for each controller and each broker that only follows."""
    members = [(each, "voter") for each in quorum.voters]
    members += [(each, "observer") for each in quorum.observers]
    return [
        (
            each.id,
            "leader" if each.id == quorum.leader_id else role,
            each.log_end_offset,
            each.lag,
        )
        for each, role in members
    ]


def _quorum_fields(quorum: QuorumInfo) -> dict[str, Any]:
    return {
        "leader": quorum.leader_id,
        "leader_epoch": quorum.leader_epoch,
        "high_watermark": quorum.high_watermark,
        "nodes": [dict(zip(QUORUM_COLUMNS, row, strict=True)) for row in _quorum_rows(quorum)],
    }
