"""One partition's life as a table: what happens, and what the partition is after it.

                    leader replicas        isr     elr   last epochs
    move 1 4        1      1 +4 -2 -3      1 2 3   -     -    0 1

`assert_told` plays the left column and compares the table as it comes out, as text. Replicas that a
reassignment adds have a +, those that it takes away a -, and those of an earlier one that another
does not want a ~. The epochs are the leader's and the partition's.

    fence B, unfence B, leave B   the standing of a broker
    restart B                     another process registers, and has all that was on its disk
    crash B                       the same, and it may have lost records
    return B                      another process registers unfenced, as the active controller's own
    unregister B                  nobody expects it back
    isr B B …                     the leader asks for this ISR, with what it knows
    elect preferred, unclean      a client asks for an election
    move B B …, cancel            a client asks for other replicas, or not any more

What is refused is told at the end of its line.
"""

from random import Random

from minikafka.broker.config import BrokerConfig
from minikafka.broker.controller.decide import Decision, NewTopic, create_topic
from minikafka.broker.controller.decide_brokers import (
    change_standing,
    register_broker,
    unregister_broker,
)
from minikafka.broker.controller.decide_elections import elect_leaders
from minikafka.broker.controller.decide_isr import alter_partition
from minikafka.broker.controller.decide_reassignments import alter_reassignments
from minikafka.broker.controller.image import Image, PartitionImage, Standing
from minikafka.broker.controller.leadership import Election
from minikafka.protocol.control import AlterPartition, IsrMember, PartitionIsr, RegisterBroker

ORDERS = ("orders", 0)
STANDINGS = {
    "fence": Standing.FENCED,
    "unfence": Standing.UNFENCED,
    "leave": Standing.LEAVING,
}
COLUMNS = (16, 7, 16, 8, 6, 5, 4)


class Story:
    """Five brokers that live, and a topic of one partition."""

    def __init__(
        self, replicas: tuple[int, ...] = (1, 2, 3), min_isr: int = 2, *, unclean: bool = False
    ) -> None:
        self.image = Image()
        self.config = BrokerConfig()
        self.next_epoch = 1
        for broker_id in range(1, 6):
            self.register(broker_id, standing=Standing.UNFENCED)
        options = {
            "min.insync.replicas": str(min_isr),
            "unclean.leader.election.enable": str(unclean).lower(),
        }
        topic = NewTopic("orders", -1, -1, {0: replicas}, options)
        self.commit(create_topic(self.image, self.config, topic, Random(1)))

    @property
    def partition(self) -> PartitionImage:
        """What the partition is."""
        return self.image.topics["orders"].partitions[0]

    def commit(self, decision: Decision) -> Decision:
        """Apply what was decided."""
        for record in decision.records:
            self.image.apply(record)
        return decision

    def register(
        self, broker_id: int, *, is_lossless: bool = True, standing: Standing = Standing.FENCED
    ) -> Decision:
        """A process begins; each is another incarnation."""
        epoch = self.next_epoch
        self.next_epoch += 1
        registration = RegisterBroker(broker_id, f"i{epoch}", "h", 1, "h", 2, is_lossless)
        return self.commit(register_broker(self.image, self.config, registration, epoch, standing))

    def stand(self, broker_id: int, standing: Standing) -> Decision:
        """A broker is what it is from now on."""
        epoch = self.image.brokers[broker_id].epoch
        return self.commit(change_standing(self.image, self.config, broker_id, epoch, standing))

    def isr(self, *members: int) -> PartitionIsr:
        """An ISR that the leader wants, knowing all that there is to know."""
        topic, partition, brokers = self.image.topics["orders"], self.partition, self.image.brokers
        return PartitionIsr(
            topic.topic_id,
            0,
            partition.leader_epoch,
            partition.partition_epoch,
            tuple(
                IsrMember(each, brokers[each].epoch if each in brokers else 1) for each in members
            ),
        )

    def alter(self, wanted: PartitionIsr, broker_id: int | None = None) -> str:
        """The leader, or another, asks for an ISR; the name of the error, if it is one."""
        sender = self.partition.leader if broker_id is None else broker_id
        epoch = self.image.brokers[sender].epoch
        question = AlterPartition(sender, epoch, (wanted,))
        decision = self.commit(alter_partition(self.image, self.config, question))
        (answer,) = decision.value.partitions
        return answer.error

    def play(self, line: str) -> str:
        """Let it happen; the error, if it is refused."""
        verb, *words = line.split()
        numbers = tuple(int(word) for word in words if word.isdigit())
        if verb in STANDINGS:
            self.stand(numbers[0], STANDINGS[verb])
        elif verb in ("restart", "crash", "return"):
            standing = Standing.UNFENCED if verb == "return" else Standing.FENCED
            self.register(numbers[0], is_lossless=verb != "crash", standing=standing)
        elif verb == "unregister":
            self.commit(unregister_broker(self.image, self.config, numbers[0]))
        elif verb == "isr":
            return self.alter(self.isr(*numbers))
        elif verb == "elect":
            election = Election(words[0])
            decision = elect_leaders(self.image, self.config, [ORDERS], election)
            return self.commit(decision).value[ORDERS].name
        elif verb in ("move", "cancel"):
            targets = {ORDERS: numbers if verb == "move" else None}
            decision = alter_reassignments(self.image, self.config, targets)
            refusal = self.commit(decision).value[ORDERS]
            return refusal.error_code.name if refusal else "NONE"
        else:
            raise ValueError(line)
        return "NONE"

    def line(self, happening: str) -> str:
        """What happened, and what the partition is now."""
        error = self.play(happening)
        at = self.partition
        last = str(at.last_known_leader) if at.last_known_leader >= 0 else "-"
        replicas = [f"{_mark(at, each)}{each}" for each in at.replicas]
        cells = (
            happening,
            str(at.leader) if at.leader >= 0 else "-",
            *(" ".join(map(str, each)) or "-" for each in (replicas, at.isr, at.elr)),
            last,
            f"{at.leader_epoch} {at.partition_epoch}",
        )
        row = "".join(cell.ljust(width) for cell, width in zip(cells, COLUMNS, strict=True))
        return f"{row}{'' if error == 'NONE' else error}".rstrip()


def _mark(partition: PartitionImage, replica: int) -> str:
    is_added, is_removed = replica in partition.adding, replica in partition.removing
    return {(True, False): "+", (False, True): "-", (True, True): "~"}.get(
        (is_added, is_removed), ""
    )


def assert_told(table: str, story: Story) -> None:
    """Compare a table, however far it is indented, with what happens."""
    head, *lines = [line.strip() for line in table.strip().splitlines()]
    told = [story.line(line[: COLUMNS[0]].strip()) for line in lines]
    assert "\n".join([head, *told]) == "\n".join([head, *lines])
