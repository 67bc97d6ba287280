# %% [markdown]
"""
# 9. The coordinator and failover

Chapter 8 said: when a leader dies, an in-sync replica takes over. It did not say *who says so*. If
two replicas both thought so, there would be two leaders, two different records at one offset, and
no truth any more. Somebody has to decide, and that somebody must not be a single machine, which can
die as well.

In older Kafka this was ZooKeeper, a system beside it. Today, and here, it is the **controller**: a
part of the brokers themselves. This chapter shows how several machines agree on one thing, and then
kills two kinds of leaders.
"""

# %%
try:
    import confluent_kafka
    import matplotlib.pyplot as plt

    from minikafka.tutorials.classroom import BLUE, GREEN, GREY, ORANGE, RED, BrokerCluster
except ImportError as error:
    raise SystemExit(f"{error}. In the checkout, run: pip install -e '.[notebooks]'") from None

import random
import time

# %% [markdown]
"""
## A majority

Three machines, the **voters**. A decision counts when a majority has it on disk: two of the three.
The point of a majority is not democracy. It is that *any two majorities share a member*. So if
something was decided, whoever asks a majority later will meet somebody who knows it.
"""

# %%
from itertools import combinations

voters = {1, 2, 3, 4, 5}
majorities = [set(each) for each in combinations(voters, 3)]
print(len(majorities), "majorities of five;", end=" ")
print("without a common member:", sum(not a & b for a, b in combinations(majorities, 2)))

# %% [markdown]
"""
Also, two halves of a torn network cannot both have a majority. That is why one takes an odd number:
four voters can stand the loss of one, as three can.

## Choosing one to decide

To decide something, they first choose one of them, and let it decide alone for as long as it lives.
Time is cut into **epochs**, and in each epoch every voter has *one* vote, which it writes to disk
before it gives it. Who gets a majority of votes in an epoch leads in it. Two leaders of one epoch
would need two majorities without a common member. There are none.

How does it begin? Whoever has not heard of a leader for a while asks for votes. If all ask at the
same time, each votes for itself, and nobody wins; then all wait and ask again, at the same time...
The cure is astonishingly simple: each waits for a *random* time. Try how random it has to be. A
message takes 5 ms here.
"""


# %%
def time_to_elect(spread_ms, voters=3, message_ms=5, base_ms=100):
    """How long until one voter has a majority; all begin without a leader at time 0."""
    now = 0.0
    while True:
        wakes = sorted(now + base_ms + random.uniform(0, spread_ms) for _ in range(voters))
        first = wakes[0]
        # Whoever hears the first one's question before it wakes up itself votes for it.
        votes = 1 + sum(wake > first + message_ms for wake in wakes[1:])
        if votes > voters // 2:
            return first + 2 * message_ms
        now = wakes[-1]  # nobody has won: once more


random.seed(9)
spreads = [7, 10, 20, 50, 100, 300, 1000]
times = {spread: [time_to_elect(spread) for _ in range(400)] for spread in spreads}

figure, axes = plt.subplots(figsize=(7, 3.2))
for share, color, name in ((0.5, GREEN, "half of them"), (0.99, ORANGE, "99 of 100")):
    values = [sorted(each)[int(share * len(each))] for each in times.values()]
    axes.loglog(spreads, values, "o-", color=color, label=name)
axes.set(xlabel="how random the waiting is (ms)", ylabel="ms until there is a leader")
axes.set_title(
    "Too alike, and they block each other; too different, and it takes long", fontsize=10
)
axes.legend()
axes.grid(alpha=0.3)

# %% [markdown]
"""
Minikafka waits between one and two seconds. The rules as a whole are called **Raft**. One more of
them matters: nobody votes for somebody whose log is behind its own. So whoever wins has everything
that was decided before, by the argument with the common member. (Does it sound familiar? It is
chapter 8 again, with votes in place of a list.)

All of this is in `broker/controller/raft.py::Raft`, a machine without clock and network like the
group of chapter 7. Its states, drawn from the table at the top of that file, are in [the
controller's page](../docs/controller.md).

## What it decides

The elected voter is the controller. It writes each decision into the **metadata log**: this topic
exists; broker 3 is alive; the leader of orders-0 is broker 2 in epoch 5; its in-sync replicas are 2
and 3. This is a log as in chapter 1, replicated to the other voters and to every broker. A broker
knows what the cluster is by reading it from the start.

And it decides on the death of brokers. Each sends it a heartbeat twice a second; who is silent for
too long is *fenced*, and every partition that it led gets another leader, from the in-sync
replicas. Here is a cluster, and its story:
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
`acks=all`. We note when each record was acknowledged. In the middle we kill a broker that leads a
partition, and then, to be thorough, the controller.
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


def produce_for(seconds):
    global sent
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        producer.produce("orders", b"%d" % sent, partition=sent % 3, on_delivery=note)
        sent += 1
        producer.poll(0.005)


def kill(node_id, why):
    marks.append((time.monotonic() - origin, f"{why} ({node_id}) is killed"))
    brokers.brokers[node_id].kill()
    return node_id


def start(node_id):
    brokers.brokers[node_id].launch()
    marks.append((time.monotonic() - origin, f"{node_id} is started again"))


produce_for(2)
victim = kill(next(each for each in leaders() if each != controller()), "a leader")
produce_for(4)
start(victim)
produce_for(2.5)
victim = kill(controller(), "the controller")
produce_for(6)
print("not delivered:", producer.flush(15), " controller now:", controller())

# %%
figure, axes = plt.subplots(figsize=(10, 3.4))
for partition, color in zip(range(3), (BLUE, ORANGE, GREEN), strict=True):
    moments = [moment for moment, index, _ in acknowledged if index == partition]
    axes.plot(moments, range(1, len(moments) + 1), color=color, label=f"orders-{partition}")
top = axes.get_ylim()[1]
for moment, text in marks:
    axes.axvline(moment, color=RED if "killed" in text else GREY, linestyle=":")
    axes.text(moment + 0.05, top * 0.97, text, fontsize=8, rotation=90, va="top")
axes.set(xlabel="seconds", ylabel="acknowledged until then")
axes.grid(alpha=0.3)
axes.legend(fontsize=8, loc="lower right")
axes.margins(x=0)

# %% [markdown]
"""
Read it from left to right. When a leader is killed, its line is flat until its session is over and
another replica leads. The others go on, or pause for a moment because they waited for the dead
follower. Then what had piled up in the producer is delivered at once (the jump). When the
controller is killed, there is first an election among the voters. If it led a partition as well,
that one waits for both.

## Was anything lost?

The question of the whole tutorial. Read everything back and compare:
"""

# %%
consumer = confluent_kafka.Consumer(
    {"bootstrap.servers": brokers.bootstrap, "group.id": "auditor", "enable.auto.commit": False}
)
consumer.assign([confluent_kafka.TopicPartition("orders", index, 0) for index in range(3)])
found, quiet_since = [], time.monotonic()
while time.monotonic() - quiet_since < 3:
    message = consumer.poll(0.2)
    if message is not None and message.error() is None:
        found.append((message.partition(), message.value()))
        quiet_since = time.monotonic()
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
Why is nothing lost? You can now say it in your own words; here are ours. A record was acknowledged
when every in-sync replica had it (chapter 8). Only an in-sync replica can become leader, and who is
in sync is written in a log that a majority of voters has (this chapter). What the old leader wrote
beyond that it cuts off when it returns, by its epoch. And nothing is there twice, because a batch
that is sent again carries its number (chapter 5), which the new leader knows too: it stands in the
batches themselves.

## What to take along

- Two majorities share a member. From this follow one leader an epoch, and decisions that last.
- Random waiting keeps voters from blocking each other.
- The controller writes down who lives, who leads, who is in sync. Brokers read that log.

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

The session timeout (1.5 s here), then a decision and its way to the brokers (milliseconds), then
the client's: it has to notice that its leader is gone and ask for the new one. When the controller
died as well, one to two seconds of election come before all that.
</details>

**2.** Kill two of the three brokers. What still works, and why not more?

<details><summary>Solution</summary>

One voter is no majority, so nothing can be decided: no new leaders, no topics, no change of who is
in sync. What lies on the remaining broker below the high watermark can still be read where it
leads. Nothing new is acknowledged with `acks=all`. It is the price of never having two truths.
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
