# %% [markdown]
"""
# 9. The controller and failover

Chapter 8 said: when a leader dies, an in-sync replica takes over. It did not say *who says so*. If
two replicas both thought so, there would be two leaders, two different records at one offset, and
no truth any more. Somebody has to decide, and that somebody must not be a single machine, which can
die as well.

In older Kafka this was ZooKeeper, a system beside it. Today it is the **controller**, which
machines elect among themselves. In Kafka these are often machines of their own; here they are
brokers, and one of them is the controller besides its own work. (Some call it the cluster's
coordinator. The coordinator of chapter 7 is another one: it looks after groups, and we come back to
it.) This chapter shows how several machines agree on one thing, and then kills two kinds of
leaders.
"""

# %%
try:
    import confluent_kafka
    import matplotlib.pyplot as plt

    from minikafka.tutorials.classroom import BLUE, GREEN, GREY, ORANGE, RED, BrokerCluster
except ImportError as error:
    raise SystemExit(f"{error}. In the checkout, run: pip install -e '.[notebooks]'") from None

import heapq
import random
import time
from dataclasses import replace
from itertools import combinations, count

# %% [markdown]
"""
## A majority

Take three machines, the **voters**; in a cluster of three, that is every broker. A decision counts
when a majority has it on disk: two of the three. The point of a majority is not democracy. It is
that *any two majorities share a member*. So if something was decided, whoever asks a majority later
will meet somebody who knows it.
"""

# %%
voters = {1, 2, 3, 4, 5}
majorities = [set(each) for each in combinations(voters, 3)]
print(len(majorities), "majorities of five;", end=" ")
print("without a common member:", sum(not a & b for a, b in combinations(majorities, 2)))

# %% [markdown]
"""
Also, if the network splits in two, at most one side has a majority. Three voters can stand the loss
of one, five that of two. Four are no better than three: a majority of four is three.

## Choosing one to decide

To decide something, they first choose one of them, and let it decide for as long as a majority
hears from it. (In this part of the chapter, *leader* means the leader of the voters. That is the
controller.) Time is cut into **epochs**, and in each epoch every voter has *one* vote, which it
writes to disk before it gives it. Who gets a majority of votes in an epoch leads in it. Two leaders
of one epoch would need two majorities without a common member. There are none. (The leader epochs
of chapter 8 are the same idea, counted apart for each partition.)

Whoever has not heard of a leader for a while asks for votes. First it only asks whether it *would*
get them (*prospective*), so that nobody is disturbed in vain. Then it begins a new epoch, votes for
itself, and asks in earnest (*candidate*). A leader that hears from no majority any more stops
leading.

What is decided goes into a log, and whoever follows the leader fetches it, as a follower in chapter
8 does. By fetching from offset 10, a voter says that it has 0 to 9 on disk. So the leader knows
what a majority has. What a majority has on disk, in the epoch of the leader that wrote it, is
**committed**, and all before it: it holds for ever. (Why the epoch matters is exercise 3. Only the
word is that of a group's committed offsets.)

One more rule: nobody votes for a log that is *behind* its own, which means that its last record is
of an older epoch, or of the same epoch and at a lower offset. What is committed lies on a majority,
and who wins was voted for by a majority. The two share a member, which would not have voted for a
log without it. So whoever wins has everything that was committed. These rules together are called
**Raft**.

All of this is `broker/controller/raft.py::Raft`, a class that itself uses no clock, no network and
no disk, like the group of chapter 7: it is told what time it is and what has arrived, and returns
what is to be done. So we can play the network, the disks and the clock ourselves, for three voters.
(`Quorum` is only that: a post office. You need not read it line by line.)
"""

# %%
from minikafka.broker.controller.raft import Raft, State
from minikafka.broker.controller.raft_log import RaftLog
from minikafka.broker.controller.raft_messages import (
    Answer,
    Append,
    Ask,
    Proposed,
    SaveVote,
    Vote,
    Voter,
)


class Waits(random.Random):
    """The random part of each wait: up to spread_ms, where the broker has up to a second."""

    def __init__(self, spread_ms):
        super().__init__(random.random())
        self.spread_ms = spread_ms

    def randrange(self, _):
        return int(self.random() * self.spread_ms)


class Quorum:
    """Three voters. A letter between them takes 5 ms; a disk takes no time."""

    def __init__(self, spread_ms=1000):
        self.now, self.mail, self.letters, self.told = 0, [], count(), {}
        self.disks = {1: [], 2: [], 3: []}
        self.voters = {}
        for n in self.disks:
            me, everybody = Voter(n, f"disk {n}"), dict.fromkeys(self.disks, "")
            self.voters[n] = Raft(me, everybody, Vote(), RaftLog(), Waits(spread_ms))
            self.perform(n, self.voters[n].start(self.now))

    def perform(self, n, effects):
        """Do what voter n wants done."""
        effects = list(effects)
        while effects:
            match effects.pop(0):
                case SaveVote(then=then):
                    effects += then(self.now)
                case Append(batches=batches, then=then):
                    self.disks[n] += batches
                    effects += then(self.now)
                case Ask(number=number, to=to, request=request):
                    self.send(to, "asked", (n, number), request)
                case Answer(handle=(to, number), response=response, read=read):
                    if read:
                        batches = [b for b in self.disks[n] if read[0] <= b.base_offset < read[1]]
                        response = replace(response, batches=tuple(batches))
                    self.send(to, "answered", number, response)
                case Proposed(handle=what, outcome=outcome):
                    print(f"{self.now:5} ms: {what!r} is {outcome.value}")

    def send(self, to, *letter):
        heapq.heappush(self.mail, (self.now + 5, next(self.letters), to, letter))

    def step(self):
        """On to what happens next: a letter arrives, or somebody has waited long enough."""
        due, n = min((voter.deadline_ms(), n) for n, voter in self.voters.items())
        if self.mail and self.mail[0][0] <= due:
            self.now, _, n, (method, *content) = heapq.heappop(self.mail)
            if n in self.voters:  # the dead get no letters
                self.perform(n, getattr(self.voters[n], method)(*content, self.now))
        else:
            self.now = due
            self.perform(n, self.voters[n].tick(self.now))

    def leader(self):
        return next((n for n, each in self.voters.items() if each.state is State.LEADER), None)

    def tell_until(self, end_ms):
        """Let time pass, and say who becomes what."""
        while self.now < end_ms:
            self.step()
            for n, voter in self.voters.items():
                news = f"{n} is {voter.state.value:11} in epoch {voter.epoch}"
                if self.told.get(n) != news:
                    print(f"{self.now:5} ms: {news}")
                    self.told[n] = news


random.seed(9)
quorum = Quorum()
quorum.tell_until(2500)

# %% [markdown]
"""
There is a leader. The others are *unattached* for a moment: a leader does not announce itself, so
each voter asks the others until one of them says that it leads. Now it decides something, and then
it dies.
"""

# %%
first = quorum.leader()
quorum.perform(first, quorum.voters[first].propose("orders-0 is led by 2", (b"...",)))
quorum.tell_until(3000)

print(f"{quorum.now:5} ms: {first} DIES")
del quorum.voters[first]
quorum.tell_until(6000)
print("batches on the disks of the living:", [len(quorum.disks[n]) for n in quorum.voters])

# %% [markdown]
"""
So nobody has to do anything when the controller dies: the others miss it, and a majority chooses
another, in a higher epoch. It has everything that was committed, and goes on from there. Decisions
have to wait for a second or two. (There are three batches on each disk that is left: each of the
two leaders began with a note that it leads, and the decision lies between the two notes.)

All voters waited for a *random* time, and that is no detail. If all asked at the same moment, each
would vote for itself, and nobody would win; then all would wait and ask again, at the same
moment... Try how random it has to be, with the same code:
"""


# %%
def time_to_elect(spread_ms):
    """How long until one of three voters leads; all begin without a leader at time 0."""
    quorum = Quorum(spread_ms)
    while quorum.leader() is None:
        quorum.step()
    return quorum.now / 1000


spreads = [6, 10, 20, 50, 200, 1000, 3000]
times = {spread: sorted(time_to_elect(spread) for _ in range(40)) for spread in spreads}

figure, axes = plt.subplots(figsize=(7, 3.2))
for rank, color, name in ((20, GREEN, "half of the elections"), (36, ORANGE, "nine of ten")):
    axes.plot(spreads, [each[rank] for each in times.values()], "o-", color=color, label=name)
axes.axhline(1, color=GREY, linestyle=":", label="the part of the wait that is not random")
axes.set(xscale="log", xlabel="how random the waiting is (ms)", ylabel="s until there is a leader")
axes.set_xticks(spreads, labels=spreads)
axes.set_ylim(bottom=0)
axes.set_title(
    "Too alike, and they block each other; too different, and it takes long", fontsize=10
)
axes.legend(fontsize=8)
axes.grid(alpha=0.3)

# %% [markdown]
"""
Letters take 5 ms here. On a slow network the left end of the curve moves to the right, so minikafka
stays away from it: it waits between one and two seconds. Its states, drawn from the table at the
top of the file, are in [the controller's page](../docs/controller.md).

## What it decides

The elected voter is the controller. It writes each decision into the **metadata log**: this topic
exists; broker 3 is alive; the leader of orders-0 is broker 2 in epoch 5; its in-sync replicas are 2
and 3. This is a log as in chapter 1, replicated to the other voters, and to brokers that are no
voters too if there are more. A broker knows what the cluster is by reading it from the start.

And it decides on the death of brokers. Each sends it a heartbeat twice a second. Who is silent for
the *session timeout* (6 s, or 1.5 s below), or whose connection has been closed for a second, is
**fenced**: it may lead nothing any more, even if it has not heard so yet. Every partition that it
led gets another leader, the first of its replicas that is in sync, in a new leader epoch (chapter
8). If there is none, the partition waits without a leader. The controller knows who is in sync, for
the list is in its log: a leader may *ask* for a change of the list, and the controller writes it
down. Until it has, the leader goes on waiting for whoever is on it.

What of the old leader, if it lives and is only cut off? With `acks=all` it answers when every
replica on its list has the record. Its followers have gone over to the new leader and fetch from
the old one no more; yet they stay on its list, since only the controller can shorten that, and it
refuses whoever asks in an old epoch. So the old leader waits, and acknowledges nothing. With
`acks=1` it can, until it notices that no controller answers it (after the session timeout at the
latest): it answers by itself, and such a record is lost when the old leader comes back and follows
the new one.

Here is a cluster, and its story. Its topic has three replicas and `min.insync.replicas=2`: nothing
is acknowledged with `acks=all` unless at least two replicas are in sync.
"""

# %%
from minikafka import NewTopic
from minikafka.sync import AdminClient, Cluster

brokers = BrokerCluster(3, "-c", "broker.session.timeout.ms=1500")
with AdminClient(bootstrap_servers=brokers.bootstrap) as admin:
    admin.create_topics([NewTopic("orders", 3, 3, {"min.insync.replicas": "2"})])

view = Cluster(bootstrap_servers=brokers.bootstrap)
view.start()


def controller():
    view.refresh()
    return next((each.id for each in view.brokers if each.is_controller), None)


def leaders():
    view.refresh()
    return [each.leader for each in view.topics["orders"].partitions]


print("controller:", controller(), " leaders of orders-0, -1, -2:", leaders())

# %% [markdown]
"""
## Killing a leader

A producer of confluent-kafka writes all the time to all three partitions, idempotent and with
`acks=all` (its default). We note when each record was acknowledged. In the middle we kill a broker
that leads a partition. When it is back and in sync, we kill the controller too.
"""

# %%
producer = confluent_kafka.Producer(
    {"bootstrap.servers": brokers.bootstrap, "enable.idempotence": True, "linger.ms": 5}
)
acknowledged, marks, origin = [], [], time.monotonic()
sent = 0


def note(error, message):
    if error is None:
        acknowledged.append((time.monotonic() - origin, message.partition(), message.value()))


def produce_until(is_so, timeout_s=20.0):
    """Write until it is so, and a second longer."""
    global sent
    began, since = time.monotonic(), None
    while since is None or time.monotonic() - since < 1:
        producer.produce("orders", b"%d" % sent, partition=sent % 3, on_delivery=note)
        sent += 1
        producer.poll(0.005)
        if since is None and (is_so() or time.monotonic() - began > timeout_s):
            since = time.monotonic()


def all_in_sync():
    view.refresh()
    return all(len(each.in_sync_replicas) == 3 for each in view.topics["orders"].partitions)


def all_go_on():
    """Whether each partition has acknowledged something that was sent after the last kill."""
    return len({index for _, index, value in acknowledged if int(value) >= sent_at_kill}) == 3


def kill(node_id, why):
    global sent_at_kill
    sent_at_kill = sent
    marks.append((time.monotonic() - origin, f"{why} ({node_id}) is killed"))
    brokers.brokers[node_id].kill()
    return node_id


def start(node_id):
    brokers.brokers[node_id].launch()
    marks.append((time.monotonic() - origin, f"{node_id} is started again"))


produce_until(all_in_sync)
victim = kill(next(each for each in leaders() if each != controller()), "a leader")
produce_until(all_go_on)
start(victim)
produce_until(all_in_sync)
victim = kill(controller(), "the controller")
produce_until(all_go_on)
print("not delivered:", producer.flush(15), " controller now:", controller())

# %%
figure, axes = plt.subplots(figsize=(10, 3.4))
for partition, color, width in zip(range(3), (BLUE, ORANGE, GREEN), (8, 4, 1.5), strict=True):
    moments = [moment for moment, index, _ in acknowledged if index == partition]
    numbers = range(1, len(moments) + 1)
    axes.plot(moments, numbers, color=color, linewidth=width, label=f"orders-{partition}")
top = axes.get_ylim()[1]
for moment, text in marks:
    axes.axvline(moment, color=RED if "killed" in text else GREY, linestyle=":")
    axes.text(moment, top * 1.03, text, fontsize=8, color=GREY)
axes.set(xlabel="seconds", ylabel="records acknowledged until then")
axes.grid(alpha=0.3)
axes.legend(fontsize=8, loc="lower right")
axes.margins(x=0)

# %% [markdown]
"""
Read it from left to right. (Where the lines lie upon each other, the thick one is below.) When a
leader is killed, *all* lines are flat for a while. One partition has no leader. The other two have
one, but their dead follower is still on the list of those in sync, so their leaders wait for it
(chapter 8). Then the dead broker is fenced. The one partition gets a leader, the other two a
shorter list, and what had piled up in the producer is delivered at once (the jump). The partition
with the new leader may be the last, for the producer has to find out who that is.

When the controller is killed, it takes longer. First the voters miss it, and elect another. The new
one does not know when each broker was last heard of, so each has a new session from now on. The
broker that was the controller has only a second: its silence is why there was an election. Then
everything goes as before.

## And the groups?

A group's coordinator (chapter 7) is a broker too, and dies like one. What it knows is in a log:
members and committed offsets are records of a partition of `__consumer_offsets` (chapter 6), which
is replicated like any other. *The leader of that partition is the coordinator.* So when it dies,
the controller names another leader, and that one reads the partition and goes on where the old one
was. The clients ask who it is now, and find it. Nothing had to be added for it.

## Was anything lost?

The question of the whole tutorial. Read everything back and compare:
"""

# %%
consumer = confluent_kafka.Consumer(
    {"bootstrap.servers": brokers.bootstrap, "group.id": "auditor", "enable.auto.commit": False}
)
consumer.assign([confluent_kafka.TopicPartition("orders", index, 0) for index in range(3)])
places = [confluent_kafka.TopicPartition("orders", index) for index in range(3)]
ends = sum(consumer.get_watermark_offsets(place, timeout=10)[1] for place in places)
found, deadline = [], time.monotonic() + 20
while len(found) < ends and time.monotonic() < deadline:
    message = consumer.poll(0.2)
    if message is not None and message.error() is None:
        found.append((message.partition(), message.value()))
consumer.close()

told = {(partition, value) for _, partition, value in acknowledged}
print(f"{sent:,} sent, {len(told):,} acknowledged, {len(found):,} read back")
print("acknowledged and lost:", len(told - set(found)))
print("there twice:          ", len(found) - len(set(found)))
for index in range(3):
    numbers = [int(value) for partition, value in found if partition == index]
    print(f"orders-{index} in order:     {numbers == sorted(numbers)}")

# %% [markdown]
"""
Why does an acknowledged record survive the death of any one broker? Try to say it before you read
on. Here are our words.

- *What was promised, by whom, when?* The leader answered when the record was on the disk (with the
  default `flush=fsync`) of every replica on the list of those in sync, its own among them, and at
  least two were on it: this topic demands two (chapter 8).
- *Who may lead next?* Only a replica on that list. Each of them has the record, so it does not
  matter which. Who leaves the list may not lead any more, unless the list was too short already to
  acknowledge anything: then who left still has it all (chapter 8). Who joins must first have
  everything below the high watermark, the offset up to which all on the list have the log. And
  there are no two opinions about the list: it is in the controller's log.
- *Who decides?* The controller. It is chosen by a majority of voters and decides only with a
  majority, so there are never two that count. If it dies, the next one has all its decisions.
- *What if the old leader comes back?* It asks the new leader where its own last epoch ended, and
  cuts off what lies beyond: what the new leader never had. With `acks=all`, that was never
  acknowledged.
- *Why is nothing there twice?* A batch that is sent again carries its number (chapter 5). The new
  leader knows that number, since it is stored in the batches, and those were replicated.

What is *not* promised is in the table of chapter 8. With `acks=1`, the leader answers before any
other broker has the record. With `min.insync.replicas=1`, the list may have shrunk to the leader
alone, which then has the only copy. And in an *unclean election* (allowed only if you ask for it) a
replica that is not on the list may lead, with whatever it has. In each case a single death can lose
acknowledged records.

## What to take along

- Two majorities share a member. From this follow one leader an epoch, and decisions that last.
- Random waiting keeps voters from blocking each other.
- The controller writes down who lives, who leads, who is in sync. Brokers read that log.
- If the controller dies, a majority elects another, which has every decision. If a group's
  coordinator dies, another broker leads its partition, and reads there what it has to know.

## Exercises

**1.** How long was a partition without a leader? Measure it from `acknowledged`, and say what it
consists of.

<details><summary>Solution</summary>

```python
for index in range(3):
    moments = [moment for moment, partition, _ in acknowledged if partition == index]
    gap = max(after - before for before, after in zip(moments, moments[1:], strict=False))
    print(f"orders-{index}: {gap:.1f} s at most")
```

First the controller has to notice: when the dead broker's connection has been closed for a second,
or at the latest after the session timeout (1.5 s here). Then come a decision and its way to
the brokers (milliseconds), then the client: it has to ask who leads now. When the controller died,
one to two seconds of election come before all that, and then the second that the new controller
gives the old one.
</details>

**2.** Kill two of the three brokers. What still works, and why not more?

<details><summary>Solution</summary>

One voter is no majority, so nothing can be decided: no new leaders, no topics, no change of who is
in sync. What lies on the remaining broker below the high watermark (what all in sync had) can still
be read where it leads, until it gives up leading, since no controller answers it any more. Nothing
new is acknowledged with `acks=all`. It is the price of never having two truths.
</details>

**3.** Why does a leader, when it is elected, begin with writing a record of its own?

<details><summary>Solution</summary>

A record of an *earlier* epoch that lies on a majority is not safe by that alone: a voter with a
newer epoch and without the record may still win. When a record of the leader's own epoch is on a
majority, no such voter can win any more, and everything before it is safe too. So it writes one at
once. `tests/broker/controller/test_raft.py` plays the story
(`test_a_leader_commits_an_older_epoch_only_with_its_own`).
</details>
"""
