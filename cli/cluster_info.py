"""`minikafka cluster-info`: the brokers, who is controller, and what is under-replicated.

The quorum comes with the control plane.
"""

import json

import click

from ..client.admin import AdminClient, ClusterDescription
from ..client.metadata import TopicInfo
from . import session
from .table import show


@click.command("cluster-info")
@session.output_option
@session.cluster_options
def cluster_info(output: str, bootstrap: str) -> None:
    """Show the cluster: its brokers, its controller, under-replicated partitions.

    \b
    Example:
      minikafka cluster-info -b 127.0.0.1:9092 -o json
    """
    cluster, topics = session.run(_describe(bootstrap))
    under_replicated = _under_replicated(topics)
    rows = [
        (each.id, each.host, each.port, each.rack, each.id == cluster.controller_id)
        for each in cluster.brokers
    ]
    columns = ("broker", "host", "port", "rack", "is_controller")
    if output == "json":
        brokers = [dict(zip(columns, row, strict=True)) for row in rows]
        fields = {
            "cluster_id": cluster.cluster_id,
            "controller_id": cluster.controller_id,
            "brokers": brokers,
            "topics": len(topics),
            "partitions": sum(len(each.partitions) for each in topics),
            "under_replicated": under_replicated,
        }
        click.echo(json.dumps(fields))
        return
    click.echo(f"cluster {cluster.cluster_id or 'without an id'}")
    click.echo(f"topics: {len(topics)}, partitions: {sum(len(each.partitions) for each in topics)}")
    click.echo(f"under-replicated partitions: {', '.join(under_replicated) or 'none'}\n")
    show(output, columns, rows)


async def _describe(bootstrap: str) -> tuple[ClusterDescription, list[TopicInfo]]:
    admin = AdminClient(bootstrap_servers=bootstrap, request_timeout_ms=session.REQUEST_TIMEOUT_MS)
    async with await session.connect(admin):
        return await admin.describe_cluster(), await admin.describe_topics()


def _under_replicated(topics: list[TopicInfo]) -> list[str]:
    """The partitions with fewer replicas in sync than they have, as TOPIC-PARTITION."""
    return [
        f"{topic.name}-{partition.index}"
        for topic in topics
        for partition in topic.partitions
        if len(partition.in_sync_replicas) < len(partition.replicas)
    ]
