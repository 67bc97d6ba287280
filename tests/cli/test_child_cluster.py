"""Who votes, who joins, and which ports they have."""

import pytest

from minikafka.cli.child_cluster import ChildCluster, free_ports, ports_from
from minikafka.cli.failure import Failure


def test_ports_count_up_and_controllers_are_ten_thousand_above():
    ((client, _), *_) = free_ports(1)
    if client + 10_000 <= 65_535:
        assert ports_from(client, 1) == [(client, client + 10_000)]
    with pytest.raises(Failure, match="there is no port 65537 for the last node's controller"):
        ports_from(55_535, 3)


def test_free_ports_are_all_different():
    ports = [port for pair in free_ports(20) for port in pair]
    assert len(set(ports)) == 40


@pytest.mark.parametrize(("count", "voters"), [(2, 2), (3, 3), (4, 3), (5, 5), (7, 5)])
def test_three_vote_or_five_and_the_others_join(tmp_path, count, voters):
    cluster = ChildCluster(tmp_path, [(100 + each, 200 + each) for each in range(count)])
    memberships = [node.options for node in cluster.nodes]
    assert len({options[1] for options in memberships[:voters]}) == 1
    assert all(options[0] == "--voters" for options in memberships[:voters])
    assert all(options[0] == "--join" for options in memberships[voters:])
    assert memberships[0][1].startswith("1@127.0.0.1:200,2@127.0.0.1:201")
    assert memberships[0][1].count("@") == voters


def test_a_lone_node_is_told_of_nobody(tmp_path):
    (node,) = ChildCluster(tmp_path, [(0, 0)]).nodes
    assert node.options == ()
