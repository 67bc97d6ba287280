# %% [markdown]
"""
# 7. Groups and rebalance

One reader may be too slow. Then several should share the work: each takes some of the records, none
is taken twice, and when one of them dies the others take over what it had. Such readers are a
**group**.

Sharing single records would need a word with the broker about each of them. Kafka shares something
coarser.
"""

# %%
try:
    import kafka
    import matplotlib.pyplot as plt
    from kafka.coordinator.assignors.range import RangePartitionAssignor

    from minikafka.tutorials.classroom import BLUE, GREEN, GREY, ORANGE, RED, Broker
except ImportError as error:
    raise SystemExit(f"{error}. In the checkout, run: pip install -e '.[notebooks]'") from None

import subprocess
import sys
import threading
import time

# %% [markdown]
"""
## Partitions are what is shared

Until now one partition was enough. A topic may have many: each is a log of its own, with offsets of
its own. A record goes to the partition that its key leads to (chapter 5, exercise 2). Within one
partition there is an order; between two there is none.

And a group shares *partitions*: each is read by exactly one member at a time. So one committed
offset per partition tells all that the group has done (chapter 6), the records of one key stay in
order, and to share work is to deal out a few numbers. It also means that six partitions feed six
readers at most; a seventh has nothing to do.

Here is a topic of six partitions. (The broker would not allow a session shorter than 6 s; we want
to see somebody die without waiting for long.)
"""

# %%
from minikafka import NewTopic
from minikafka.sync import AdminClient

broker = Broker("-c", "group.min.session.timeout.ms=1000")
with AdminClient(bootstrap_servers=broker.bootstrap) as admin:
    admin.create_topics([NewTopic("clicks", 6)])

# %% [markdown]
"""
The members are processes, so that we can kill one. Each runs this program: a consumer of
confluent-kafka that says what it is given and what is taken from it.
"""

# %%
MEMBER = """
import signal, sys, confluent_kafka

consumer = confluent_kafka.Consumer({
    "bootstrap.servers": sys.argv[1],
    "group.id": "counters",
    "session.timeout.ms": 2000,      # who is silent for so long is dead
    "heartbeat.interval.ms": 300,    # so it says so often that it lives
    "partition.assignment.strategy": "range",
})

def tell(what):
    return lambda _, partitions: print(what, *(each.partition for each in partitions), flush=True)

told_to_stop = []
signal.signal(signal.SIGTERM, lambda *_: told_to_stop.append(True))
consumer.subscribe(["clicks"], on_assign=tell("has"), on_revoke=tell("lost"))
while not told_to_stop:
    consumer.poll(0.1)
consumer.close()                     # says good-bye to the group
"""

events = []  # (time, member, "has" or "lost" or what was done to it, partitions)
origin = time.monotonic()


def note(member, what, partitions=()):
    events.append((time.monotonic() - origin, member, what, tuple(partitions)))


class Member:
    def __init__(self, name):
        self.name = name
        note(name, "starts")
        self.process = subprocess.Popen(
            [sys.executable, "-c", MEMBER, broker.bootstrap], stdout=subprocess.PIPE, text=True
        )
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self):
        for line in self.process.stdout:
            what, *partitions = line.split()
            note(self.name, what, map(int, partitions))
        self.process.wait()

    def leave(self):
        note(self.name, "leaves")
        self.process.terminate()

    def die(self):
        note(self.name, "dies")
        self.process.kill()


def owners():
    """Who has which partition, by what the members have said."""
    found = {}
    for _, member, what, partitions in events:
        if what in ("lost", "dies", "leaves"):
            found = {index: owner for index, owner in found.items() if owner != member}
        if what == "has":
            found |= dict.fromkeys(partitions, member)
    return found


def wait_until_shared_by(names, timeout_s=15):
    """Wait until these members, and no others, have all six partitions."""
    began = time.monotonic()
    while time.monotonic() - began < timeout_s:
        now = owners()
        if len(now) == 6 and set(now.values()) == set(names):
            return f"{time.monotonic() - began:.1f} s: {dict(sorted(now.items()))}"
        time.sleep(0.02)
    return f"not within {timeout_s} s: {owners()}"


# %% [markdown]
"""
## Three come, one leaves, one dies
"""

# %%
ann = Member("ann")
print("ann alone          ", wait_until_shared_by({"ann"}))
ben = Member("ben")
print("ben comes          ", wait_until_shared_by({"ann", "ben"}))
cat = Member("cat")
print("cat comes          ", wait_until_shared_by({"ann", "ben", "cat"}))
time.sleep(1)
ben.leave()
print("ben says good-bye  ", wait_until_shared_by({"ann", "cat"}))
time.sleep(1)
cat.die()
print("cat is killed      ", wait_until_shared_by({"ann"}))
time.sleep(0.5)

# %% [markdown]
"""
Now draw what happened: a row for each partition, the colour says whose it was. White is a time in
which nobody read it.
"""

# %%
COLORS = {"ann": BLUE, "ben": ORANGE, "cat": GREEN}
end = time.monotonic() - origin
figure, axes = plt.subplots(figsize=(10, 3.4))
for partition in range(6):
    owner, since = None, 0.0
    for moment, member, what, partitions in [*events, (end, "", "end", ())]:
        loses = what == "end" or (member == owner and what in ("lost", "dies", "leaves"))
        if owner and loses:
            axes.barh(partition, moment - since, left=since, color=COLORS[owner], height=0.8)
            owner = None
        if what == "has" and partition in partitions:
            owner, since = member, moment
for moment, member, what, _ in events:
    if what in ("starts", "leaves", "dies"):
        axes.axvline(moment, color=RED if what == "dies" else GREY, linestyle=":")
        axes.text(moment + 0.05, 5.7, f"{member}\n{what}", fontsize=8, color=COLORS[member])
axes.set(xlabel="seconds", ylabel="partition of clicks", yticks=range(6), ylim=(-0.6, 6.6))
axes.set_xlim(0, end)
axes.spines[["right", "top"]].set_visible(False)

# %% [markdown]
"""
There is a lot in this picture.

- When somebody comes, *everybody* lets go of everything for a moment, and all is dealt out anew.
  This is a **rebalance**.
- When ben leaves politely, his partitions wait for half a second or less: the others learn of it
  with their next heartbeat, and meet.
- When cat is killed, nothing happens at first. Nobody knows. Only when it has been silent for its
  **session timeout**, two seconds here, does the broker count it as dead. During that time its
  partitions are read by nobody.

A shorter timeout notices deaths sooner, and takes more slow members for dead. There is no right
value; the usual one is 45 s in today's clients.

## How they agree

One broker is the group's **coordinator**. (In this chapter there is only one broker. What happens
to the group when its coordinator dies is in chapter 9.) A rebalance has two rounds:

1. **JoinGroup.** Each member says which topics it wants, and waits. When all have come, the
   coordinator answers them all at once. One of them is named *leader* and gets the list of all
   members.
2. **SyncGroup.** The leader, a client, works out who gets what and sends that in. The others ask
   for it. The coordinator hands each its share.

The broker never understands how partitions are dealt out. It only carries the leader's answer. So
new ways of sharing need a new client and no new broker. Each rebalance begins a new **generation**,
and who commits an offset says which one it belongs to: a member that was thought dead and wakes up
later is told that its time is over, and cannot undo what others have done since.

In between, **Heartbeat** requests go to and fro: *I am alive*; *so you are*; or: *there is a
rebalance, come and join*.

In the broker all this is one machine of five states, without a clock and without a socket:
`broker/group/group.py::Group`. Being told the time instead of asking for it, it can be tested with
any clock. You can run it yourself, in slow motion:
"""

# %%
from itertools import count

from minikafka.broker.group.group import Group, GroupLimits
from minikafka.broker.group.member import Identity, Join, Joined, Save, Sync, Synced
from minikafka.protocol.errors import ErrorCode

ids = count(1)
limits = GroupLimits(max_size=10, initial_rebalance_delay_ms=100)
group = Group("slow motion", limits, lambda prefix: f"{prefix}-{next(ids)}")


def join(name):
    wishes = (("range", b"clicks"),)
    return Join(name, "", None, name, "here", 10_000, 10_000, "consumer", wishes)


def show(what, effects=()):
    print(f"{what:28} -> generation {group.generation}, {group.state.value}")
    for effect in effects:
        match effect:
            case Joined():
                told = [member for member, *_ in effect.members]
                print(f"     answer {effect.handle}: the leader is {effect.leader}, members {told}")
            case Synced():
                print(f"     answer {effect.handle}: yours is {effect.assignment}")
            case Save():
                print("     write the generation into the log")


show("0 ms: ann wants in", group.join(join("ann"), now_ms=0))
show("50 ms: ben wants in", group.join(join("ben"), now_ms=50))
show("100 ms: perhaps others come", group.tick(now_ms=100))
joined = group.tick(now_ms=200)
show("200 ms: all have come", joined)

# %%
leader = joined[0].leader
plan = {leader: b"0 1 2", (set(group.roster.members) - {leader}).pop(): b"3 4 5"}
for member in plan:
    identity = Identity(member, None, group.generation)
    wish = Sync(member[:3], identity, "consumer", "range", plan if member == leader else {})
    effects = group.sync(wish, now_ms=300)
    show(f"300 ms: {member[:3]} asks for its share", effects)
    for save in (effect for effect in effects if isinstance(effect, Save)):
        show("310 ms: it is in the log", save.then(ErrorCode.NONE, 310))
show("11 s: nobody was heard of", group.tick(now_ms=11_000))

# %% [markdown]
"""
Every call takes the time and returns what is to be done. The shell around them, which has the clock
and the sockets, is `broker/group/coordinator.py::GroupCoordinator`.

## Ask the broker

What the coordinator knows can be asked for. And since a group is only a protocol, its members may
be of any make: here kafka-python joins ann, who is confluent-kafka.
"""

# %%
stranger = kafka.KafkaConsumer(
    "clicks",
    bootstrap_servers=broker.bootstrap,
    group_id="counters",
    session_timeout_ms=2000,
    heartbeat_interval_ms=300,
    partition_assignment_strategy=[RangePartitionAssignor],
)
deadline = time.monotonic() + 15
while len(stranger.assignment()) != 3 and time.monotonic() < deadline:
    stranger.poll(100)

with AdminClient(bootstrap_servers=broker.bootstrap) as admin:
    described = admin.describe_groups(["counters"])["counters"]
print(described.state)
for member in described.members:
    partitions = sorted(each.partition for each in member.assignment)
    print(f"  {member.client_id:22} {partitions}")

stranger.close()
ann.leave()
code = ann.process.wait(10)

# %% [markdown]
"""
## What to take along

- A group shares partitions. Each has one reader at a time; more members than partitions are idle.
- A rebalance is two rounds: all join, then the leader's plan is handed out. The broker carries it
  unread.
- Who leaves politely is replaced at once; who dies is missed only after its session timeout.

## Exercises

**1.** The white gaps: must *everybody* stop when one member comes? Change
`partition.assignment.strategy` in `MEMBER` to `cooperative-sticky` and draw the picture again. What
is different?

<details><summary>Solution</summary>

Members keep what they have; only the partitions that change hands are given up, and that takes a
second, short rebalance. To the coordinator nothing has changed: it carries bytes. The members'
`has` and `lost` now mean *in addition* and *no longer*, so `owners` and the picture have to add and
remove single partitions instead of all.
</details>

**2.** Give the group a seventh member. What does it get? And what would you do if six readers are
not enough?

<details><summary>Solution</summary>

Nothing; it waits until another one goes. More partitions would help, but adding them to a living
topic sends the keys elsewhere (chapter 5, exercise 2). So choose a few more than you need at first.
If the slow part is the work and not the reading, one reader may also hand records to many threads,
as `client/worker.py::Worker` does; that is chapter 10.
</details>

**3.** A member is so busy with one record that it neither polls nor sends heartbeats for a minute,
then commits. What happens?

<details><summary>Solution</summary>

The coordinator has counted it as dead, begun a new generation, and given its partitions to others,
who have worked on the same records again. Its commit carries the old generation and is refused.
(Most clients send heartbeats from a thread of their own, so being busy does not look like being
dead. They give up their place themselves when the program has not polled for
`max.poll.interval.ms`.)
</details>
"""
