"""Lab 3's picture in plain text."""

from minikafka.tutorials.labs.cluster_view import BrokerView, ClusterView, ReplicaView, lines_of


def test_each_replica_is_where_it_is() -> None:
    view = ClusterView(
        "a step",
        (BrokerView(1, True, True), BrokerView(2, False, False)),
        (
            ReplicaView("orders-0", 1, "leader", 1204, 2),
            ReplicaView("orders-0", 2, "behind", None, 0),
            ReplicaView("orders-1", 1, "in sync", 7, 1),
        ),
    )
    assert [line.split() for line in lines_of(view)] == [
        ["1", "controller", "2", "dead"],
        ["orders-0", "*", "1,204", "."],
        ["orders-1", "o", "7"],
    ]
    assert len({len(line) for line in lines_of(view)}) == 1
