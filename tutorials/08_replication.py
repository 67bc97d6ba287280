# %% [markdown]
"""
# 8. Replication: in-sync replicas and the high watermark

Everything until now was on one machine. If its disk dies, the records are gone, however carefully
they were flushed. So they have to be on several machines, a broker on each: a **cluster**. That is
easy to say, and raises the question on which this chapter turns: if the copies differ for a moment,
as they must, *which of them is right*?
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
from dataclasses import replace

# %% [markdown]
"""
## One leads, the others copy

Each partition has several **replicas**: the same log again, each on another broker. One of them is
the **leader**: producers write to it, and it alone gives out offsets. The others are **followers**.
They do what a consumer does: they fetch from the leader, from the offset at which their own log
ends. So nothing new has to be invented.

A follower writes what it gets to its own disk, and flushes it, *before* it fetches again. So a
fetch is also a receipt: who asks for offset 7 has everything before 7 on its disk.

Here is a partition with three replicas, as small as it can be. A log is a list.
"""

# %%
logs = {"a": [], "b": [], "c": []}  # a leads


def append(record):
    logs["a"].append(record)


def fetch(follower):
    """The follower asks for what it lacks, and gets at most three records."""
    mine = logs[follower]
    mine += logs["a"][len(mine) : len(mine) + 3]


def high_watermark():
    return min(map(len, logs.values()))


for number in range(5):
    append(number)
fetch("b")
print(logs, "high watermark", high_watermark())
fetch("c")
print(logs, "high watermark", high_watermark())

# %% [markdown]
"""
In the first line the leader has five records, b has three, and c has none. Suppose that the leader
dies now, and c takes its place. All five are gone for everybody. So it would have been a lie to
acknowledge them, and a mistake to show them to a consumer, who would remember something that never
was. In the second line records 0 to 2 are on three disks, and whoever dies, they are there.

Therefore the leader keeps a **high watermark**: the offset up to which *all* replicas that count,
the leader among them, have the records on their disks. A producer that asked for `acks=all` is
answered when its record is below. Consumers are given only what is below. What is above it exists,
but nobody has been told.

## Which replicas count

If all replicas counted for ever, one dead follower would stop everything. If only a majority
counted, three copies could stand the loss of one. Kafka does it differently: there is a list, the
**in-sync replicas** (ISR). A follower that falls too far behind is taken off the list, and no
longer waited for. When it has caught up, it is put back.

The rules for that are `broker/replica/in_sync.py::InSync`: who is in sync, and how far the
watermark is. It knows no socket, no disk and no clock, so we need not imitate it: we can call it.
Below it runs with a made-up clock that ticks in steps. A log is now only the offset at its end.
"""

# %%
from minikafka.broker.controller.image import BrokerImage, PartitionImage
from minikafka.broker.replica.in_sync import InSync


class Partition:
    """Three replicas, of which 1 leads. Who counts is decided by the broker's own code."""

    def __init__(self, patience):
        self.ends = {1: 0, 2: 0, 3: 0}  # where each log ends
        self.high_watermark = 0
        everybody = (1, 2, 3)
        self.decided = PartitionImage(
            0, everybody, isr=everybody, leader=1, leader_epoch=0, partition_epoch=0
        )
        brokers = {broker_id: BrokerImage(broker_id, epoch=0) for broker_id in everybody}
        self.rules = InSync(self.decided, brokers, epoch_start=0, max_lag_ms=patience, now_ms=0)

    def append(self, count):
        self.ends[1] += count

    def fetch(self, follower, now):
        """It asks from its end on, which is a receipt; then it gets at most three records."""
        self.rules.fetched(follower, 0, self.ends[follower], self.ends[1], now)
        self.rules.propose_expansion(follower, self.high_watermark)
        self.ends[follower] = min(self.ends[follower] + 3, self.ends[1])

    def tick(self, now):
        """Who lags is to leave. Somebody agrees to each change of the list (chapter 9: who)."""
        self.rules.propose_shrink(self.ends[1], now)
        if proposal := self.rules.proposal:
            epoch = self.decided.partition_epoch + 1
            self.decided = replace(self.decided, isr=proposal.isr, partition_epoch=epoch)
            self.rules.update(self.decided, now)
        end, min_insync = self.ends[1], 2
        self.high_watermark = self.rules.high_watermark(
            self.high_watermark, end, end, min_insync, now
        )


# %% [markdown]
"""
At step 40 follower 3 stops for a while. The leader has patience for 15 steps.
"""

# %%
random.seed(8)
partition, history = Partition(patience=15), []
for step in range(150):
    partition.append(random.choice([0, 1, 2]))
    for follower in (2, 3):
        is_stopped = follower == 3 and 40 <= step < 90
        if not is_stopped and random.random() < 0.8:
            partition.fetch(follower, step)
    partition.tick(step)
    history.append((*partition.ends.values(), partition.high_watermark, len(partition.rules.isr)))

one, two, three, watermark, in_sync = zip(*history, strict=True)
figure, axes = plt.subplots(figsize=(9, 3.6))
axes.plot(one, color=GREY, label="log end of 1, the leader")
axes.plot(two, color=BLUE, label="log end of 2")
axes.plot(three, color=ORANGE, label="log end of 3")
axes.plot(watermark, color=GREEN, linewidth=3, alpha=0.6, label="high watermark")
is_out = [size < 3 for size in in_sync]
axes.fill_between(range(150), 0, max(one), where=is_out, color=RED, alpha=0.12, label="3 is out")
axes.set(xlabel="steps", ylabel="offset")
axes.set_title("Follower 3 stops at step 40, and goes on at step 90", fontsize=10)
axes.legend(fontsize=8)
axes.margins(x=0)

# %% [markdown]
"""
When 3 stops, the green line stops too: nothing is acknowledged, since 3 still counts. When the
leader has lost patience, 3 is taken off the list (red), and the line jumps forward. When 3 returns,
it copies what it missed, and is put back. The price of waiting for everybody on the list is a pause
when somebody fails. The gain is what comes next.

## Why an acknowledged record survives

When the leader dies, another replica becomes leader. The rule: **it must be one of the in-sync
replicas**. All of them have everything below the high watermark, for that is how the watermark was
defined. So whichever of them is chosen has every acknowledged record.

Don't believe it; try it. A thousand random histories with the same rules, each ending in the death
of the leader. We choose the new one in two ways, and count the acknowledged records that it does
not have.
"""


# %%
def acknowledged_and_lost(seed, chooses_in_sync):
    random.seed(seed)
    partition, slow = Partition(patience=8), random.choice([2, 3])
    for step in range(random.randrange(20, 60)):
        partition.append(1)
        for follower in (2, 3):
            if random.random() < (0.1 if follower == slow else 0.9):
                partition.fetch(follower, step)
        partition.tick(step)
    acknowledged = partition.high_watermark
    candidates = partition.rules.isr if chooses_in_sync else (1, 2, 3)
    new_leader = random.choice([each for each in candidates if each != 1])
    return acknowledged, max(0, acknowledged - partition.ends[new_leader])


totals = {}
for rule, chooses_in_sync in {"one of the in-sync replicas": True, "any replica": False}.items():
    results = [acknowledged_and_lost(seed, chooses_in_sync) for seed in range(1000)]
    totals[rule] = sum(lost for _, lost in results)
    print(f"{rule}: {sum(n for n, _ in results):,} acknowledged, {totals[rule]:,} of them lost")

figure, axes = plt.subplots(figsize=(7, 1.8))
bars = axes.barh(list(totals), list(totals.values()), color=[GREEN, RED])
axes.bar_label(bars, fmt="{:,.0f}", padding=4)
axes.set(xlabel="acknowledged records lost in 1,000 deaths of a leader")
axes.margins(x=0.15)

# %% [markdown]
"""
Zero, and not nearly zero. This is the one sentence to take away from the whole tutorial: *an
acknowledged record survives because it was acknowledged only when every replica that may become
leader had it.*

Choosing any replica is called an *unclean* election. Kafka has an option for it; it is off, there
and here.

One hole is left. If followers leave the list one after the other, the list has only the leader in
it, and "all in-sync replicas" means one disk. So there is a limit, `min.insync.replicas`: with
fewer on the list the leader refuses writes with `acks=all`, and the high watermark stands still.
With three replicas and a limit of two, one broker may die and work goes on. When a second dies,
writing stops, and nothing is lost. A topic with three replicas gets a limit of two here unless you
say otherwise.

(And if the last one on the list dies as well? Who left a list that was already too short still has
everything acknowledged, since nothing was acknowledged after that. Such replicas are noted as
*eligible*, and one of them may lead when the list is empty.)

## When the old leader returns

It may have records above the high watermark that no other has. The new leader has given their
offsets to other records. So the two logs part somewhere, and the old leader has to cut off its own
end. Where? Each leader's time has a number, the **leader epoch**, and it is written into every
batch (you saw the field in chapter 3). The logs agree up to the place where their epochs agree.
"""

# %%
from minikafka.broker.replica.epochs import LeaderEpochs

OLD = [0, 0, 0, 1, 1, 1, 1]  # the epoch of each record in the old leader's log
NEW = [0, 0, 0, 1, 1, 2, 2, 2]  # and in the new one's

epochs = LeaderEpochs()  # the broker's own table: where each epoch begins
for offset, epoch in enumerate(NEW):
    epochs.assign(epoch, offset)
print("(epoch, first offset):", epochs.entries)
last_epoch = OLD[-1]
_, diverges_at = epochs.end_offset_for(last_epoch, len(NEW))

figure, axes = plt.subplots(figsize=(8, 1.7))
for row, log in enumerate((NEW, OLD)):
    for offset, epoch in enumerate(log):
        is_cut = log is OLD and offset >= diverges_at
        color = RED if is_cut else (GREY, BLUE, GREEN)[epoch]
        axes.barh(row, 0.92, left=offset, color=color, edgecolor="w")
        axes.text(offset + 0.46, row, f"epoch {epoch}", ha="center", va="center", color="w", size=8)
axes.set_yticks([0, 1], ["new leader", "old leader"])
axes.set_xticks([offset + 0.46 for offset in range(8)], range(8))
axes.set_xlabel("offset")
axes.set_title(
    f"The old leader cuts its log at {diverges_at} (red), and fetches from there", size=10
)
axes.spines[:].set_visible(False)

# %% [markdown]
"""
The old leader says: my last epoch is 1, and it ends at 7. The new one answers: here epoch 1 ends at
5. So everything from 5 on has to go. Was any of that acknowledged? No. The new leader was in sync
and did not have it, so it was above the watermark.

Every replica keeps such a table, and the fetch of a follower asks for this with the rest.

## Three brokers

Enough of models. Here are three brokers as three processes, and a topic with three replicas. Then a
producer writes all the time, with `acks=all`; meanwhile we kill the broker of a follower, and start
it again. We look at the sizes of the three log files on disk, and at what the cluster says of who
is in sync.
"""

# %%
from minikafka import NewTopic
from minikafka.sync import AdminClient, Cluster

brokers = BrokerCluster(3, "-c", "broker.session.timeout.ms=1500")
with AdminClient(bootstrap_servers=brokers.bootstrap) as admin:
    admin.create_topics([NewTopic("orders", 1, 3, {"min.insync.replicas": "2"})])

producer = confluent_kafka.Producer({"bootstrap.servers": brokers.bootstrap, "acks": "all"})
view = Cluster(bootstrap_servers=brokers.bootstrap)
view.start()
view.refresh()
partition = view.topics["orders"].partitions[0]
leader = partition.leader
follower = next(node for node in (1, 2, 3) if node != leader)
print("leader", leader, "replicas", partition.replicas, "in sync", partition.in_sync_replicas)

# %%
samples, marks, delivered, origin = [], [], [], time.monotonic()


def log_bytes(node_id):
    files = (brokers.brokers[node_id].data_dir / "orders-0").glob("*.log")
    return sum(path.stat().st_size for path in files)


def watch_until(count, then_s=1.0, timeout_s=20.0):
    """Write all the time, until so many replicas are in sync, and a second longer."""
    began = since = time.monotonic()
    while (now := time.monotonic()) - began < timeout_s and now - since < then_s:
        producer.produce("orders", b"x" * 500, on_delivery=lambda *_: delivered.append(True))
        producer.poll(0.01)
        if not samples or now - origin - samples[-1][0] > 0.1:
            view.refresh()
            in_sync = len(view.topics["orders"].partitions[0].in_sync_replicas)
            samples.append((now - origin, *map(log_bytes, (1, 2, 3)), len(delivered), in_sync))
        if samples[-1][-1] != count:
            since = now


def mark(text):
    marks.append((time.monotonic() - origin, text))


watch_until(3)
mark(f"broker {follower} is killed")
brokers.brokers[follower].kill()
watch_until(2)
mark("and started again")
brokers.brokers[follower].launch()
watch_until(3)
print("not delivered:", producer.flush(10))

# %%
moments, *sizes, acknowledged, in_sync = zip(*samples, strict=True)
figure, (above, middle, below) = plt.subplots(
    3, 1, figsize=(9, 5.4), sharex=True, height_ratios=[3, 2, 1], layout="constrained"
)
for node_id, values, color in zip((1, 2, 3), sizes, (BLUE, ORANGE, GREEN), strict=True):
    role = "leader" if node_id == leader else "killed" if node_id == follower else "follower"
    width = 6 if node_id == leader else 2  # so that one sees who lies under whom
    values = [each / 1024 for each in values]
    above.plot(moments, values, color=color, linewidth=width, alpha=0.6, label=f"{node_id}, {role}")
middle.plot(moments, acknowledged, color=BLUE)
middle.set(ylabel="acknowledged\n(records)")
below.step(moments, in_sync, where="post", color=RED)
for moment, text in marks:
    for axes in (above, middle, below):
        axes.axvline(moment, color=GREY, linestyle=":")
    above.text(moment + 0.05, 0, text, fontsize=8, color=GREY)
above.set(ylabel="KiB in orders-0")
above.legend(fontsize=8)
below.set(ylabel="in sync\n(replicas)", xlabel="seconds", yticks=[1, 2, 3], ylim=(0.5, 3.5))
figure.align_ylabels()

# %% [markdown]
"""
Compare this with the picture of the model. After the kill nothing is *acknowledged* any more (in
the middle), since the dead follower still counts; and the producer, which has only so many batches
under way, soon stops sending. Then the cluster notices (at the latest after
`broker.session.timeout.ms`, 1.5 s here), the list shrinks to two (below), and what had piled up is
acknowledged at once. The returned broker copies what it missed, much faster than it was written,
and is put back on the list. The producer noticed a pause, and nothing else: all records were
delivered.

## What was promised, and what was not

With `acks=all`, an acknowledgement is a promise of the leader: *when I answered, this record was on
the disk of every replica on the list, flushed, my own included, and there were at least
`min.insync.replicas` of them*. (Kafka promises less about the disk: there the records are with all
of them, but perhaps only in the page cache of chapter 1.) These are not covered:

| | what may happen |
|---|---|
| `acks=0` | anything; you would not hear of it |
| `acks=1` | the leader answers before a follower has the record; if it dies then, it is gone |
| `min.insync.replicas=1` | the list may shrink to the leader; then all hangs on one disk |
| an unclean election | a replica leads that is not on the list; what it lacks is gone |
| all disks of the list are destroyed | all is gone; no rule helps against that |
| no answer, or a timeout | the record may be there or not: send it again (chapter 5) |

## What to take along

- A leader, and followers that fetch. The high watermark is what all in-sync replicas have.
- Acknowledged (`acks=all`) means: below the high watermark, on the disk of everybody in sync. Only
  who is in sync can become leader. So nothing acknowledged is lost.
- `min.insync.replicas` says how few copies are too few. Leader epochs say where two logs part.

## Exercises

**1.** Kill both followers, wait, and produce with `acks=all`, then with `acks=1`. What should
happen?

<details><summary>Solution</summary>

With two followers dead the list can't be kept at two. `acks=all` is refused with
NOT_ENOUGH_REPLICAS, which clients retry until they give up; `acks=1` asks for the leader's word
only. (Two of our three brokers are also the majority that has to agree on anything, chapter 9: so
without them the list cannot even be changed, and the high watermark stands still.)
</details>

**2.** In the model, what goes wrong if consumers may read above the high watermark?

<details><summary>Solution</summary>

A consumer reads record 4 from the leader, acts on it and commits offset 5. The leader dies, and the
new one has no record 4; it gives this offset to another record, which the consumer will never read.
Two programs now disagree about what record 4 is.
</details>

**3.** How many copies does Kafka's rule need to survive the loss of two brokers at once, and how
many does a majority need?

<details><summary>Solution</summary>

Kafka's rule: three (all in sync, and one is left). A majority: five (a majority is three, and one
of them is left). Kafka needs fewer copies, and pays by waiting for the slowest of them.
</details>
"""
