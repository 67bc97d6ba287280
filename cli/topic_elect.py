"""`minikafka topic elect`: another leader for partitions, the preferred one or any that lives."""

from collections.abc import Sequence

import click

from ..client.admin import AdminClient, ElectionType
from ..client.metadata import TopicInfo, TopicPartition
from . import session
from .table import show


@click.command()
@click.argument("names", nargs=-1, required=True)
@click.option("--partition", "indexes", metavar="N", type=int, multiple=True, help="Only this one.")
@click.option("--unclean", is_flag=True, help="Take a replica not in sync: loses records.")
@session.output_option
@session.cluster_options
def elect(
    names: tuple[str, ...], indexes: tuple[int, ...], unclean: bool, output: str, bootstrap: str
) -> None:
    """Give the lead of the topics NAMES to the first of each partition's replicas.

    With --unclean, partitions that have no leader, since no replica in sync is alive, get one that
    is: what only the others have is lost. Shown are the partitions that have another leader now.

    \b
    Examples:
      minikafka topic elect orders
      minikafka topic elect orders --partition 2 --unclean
    """
    election_type = ElectionType.UNCLEAN if unclean else ElectionType.PREFERRED
    elected = session.run(_elect(bootstrap, names, indexes, election_type))
    if output == "table" and not elected:
        click.echo("every partition has the right leader already")
        return
    show(output, ("topic", "partition", "leader"), elected)


async def _elect(
    bootstrap: str, names: Sequence[str], indexes: Sequence[int], election_type: ElectionType
) -> list[tuple[str, int, int]]:
    """The partitions that have another leader now, with it."""
    admin = AdminClient(bootstrap_servers=bootstrap, request_timeout_ms=session.REQUEST_TIMEOUT_MS)
    async with await session.connect(admin):
        partitions = _chosen(await admin.describe_topics(names), indexes)
        elected = await admin.elect_leaders(election_type, partitions)
        leaders = {
            TopicPartition(topic.name, each.index): each.leader
            for topic in await admin.describe_topics(names)
            for each in topic.partitions
        }
    return [(each.topic, each.partition, leaders[each]) for each in elected]


def _chosen(topics: Sequence[TopicInfo], indexes: Sequence[int]) -> list[TopicPartition]:
    return [
        TopicPartition(topic.name, index)
        for topic in topics
        for index in indexes or range(len(topic.partitions))
    ]
