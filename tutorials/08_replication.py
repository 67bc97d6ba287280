# %% [markdown]
"""
# 8. Replication: in-sync replicas and the high watermark

Everything until now was on one machine. If its disk dies, the records are gone, however carefully
they were flushed. So they have to be on several machines. That is easy to say, and raises the
question on which this chapter turns: if the copies differ for a moment, as they must, *which of
them is right*?
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
## One leads, the others copy

Each partition has several **replicas**, each on another broker. One of them is the **leader**:
producers write to it, and it alone gives out offsets. The others are **followers**. They do what a
consumer does: fetch from the leader, from the offset at which their own log ends. (So nothing new
has to be invented. And a fetch from offset 7 tells the leader that this follower has everything
before 7.)

Here is a partition with three replicas, as small as it can be. A log is a list.
"""


# %%
class Partition:
    def __init__(self, names):
        self.logs = {name: [] for name in names}
        self.leader = names[0]
        self.in_sync = set(names)  # explained below

    def append(self, record):
        self.logs[self.leader].append(record)

    def fetch(self, follower):
        """The follower asks for what it lacks, and gets at most three records."""
        log, mine = self.logs[self.leader], self.logs[follower]
        mine += log[len(mine) : len(mine) + 3]

    def high_watermark(self):
        return min(len(self.logs[name]) for name in self.in_sync)


partition = Partition(["a", "b", "c"])
for number in range(5):
    partition.append(number)
partition.fetch("b")
print(partition.logs, "high watermark", partition.high_watermark())

# %% [markdown]
"""
The leader has five records, b has three, c has none. Suppose that the leader dies now. Records 3
and 4 are nowhere else. So it would have been a lie to acknowledge them, and a mistake to show them
to a consumer, who would remember something that never was.

Therefore the leader keeps a **high watermark**: the offset up to which *all* replicas that count
have the records. With `acks=all` it acknowledges what is below. Consumers are given only what is
below. What is above it exists, but nobody has been told.

## Which replicas count

If all replicas counted for ever, one dead follower would stop everything. If only a majority
counted, three copies could stand the loss of one. Kafka does it differently: there is a list, the
**in-sync replicas** (ISR). A follower that falls too far behind is taken off the list, and no
longer waited for. When it has caught up, it is put back. Watch it: at step 40 follower c stops for
a while.
"""

# %%
random.seed(8)
partition = Partition(["a", "b", "c"])
behind_since = dict.fromkeys("abc", 0)
history = []
for step in range(150):
    for _ in range(random.choice([0, 1, 2])):
        partition.append(step)
    for follower in "bc":
        stopped = follower == "c" and 40 <= step < 90
        if not stopped and random.random() < 0.8:
            partition.fetch(follower)
        if len(partition.logs[follower]) >= len(partition.logs["a"]) - 2:
            behind_since[follower] = step
        if step - behind_since[follower] > 15:  # too late for too long
            partition.in_sync.discard(follower)
        if len(partition.logs[follower]) >= partition.high_watermark():
            partition.in_sync.add(follower)
    ends = [len(partition.logs[name]) for name in "abc"]
    history.append((*ends, partition.high_watermark(), len(partition.in_sync)))

a, b, c, watermark, size = zip(*history, strict=True)
figure, axes = plt.subplots(figsize=(9, 3.6))
axes.plot(a, color=GREY, label="log end of a, the leader")
axes.plot(b, color=BLUE, label="of b")
axes.plot(c, color=ORANGE, label="of c")
axes.plot(watermark, color=GREEN, linewidth=3, alpha=0.6, label="high watermark")
axes.fill_between(
    range(150),
    0,
    max(a),
    where=[each < 3 for each in size],
    color=RED,
    alpha=0.12,
    label="c is out",
)
axes.set(xlabel="steps", ylabel="offset")
axes.legend(fontsize=8)
axes.margins(x=0)

# %% [markdown]
"""
When c stops, the green line stops too: nothing is acknowledged, since c still counts. After a while
c is taken off the list (red), and the line jumps forward. When c returns, it copies what it missed
and is put back. The price of waiting for everybody is a pause when somebody fails; the gain is what
comes next.

## Why an acknowledged record survives

When the leader dies, another replica becomes leader. The rule: **it must be one of the in-sync
replicas**. All of them have everything below the high watermark, for that is how the watermark was
defined. So whichever of them is chosen has every acknowledged record.

Don't believe it; try it. A thousand random histories, each ending in the death of the leader. We
choose the new one in two ways, and count the acknowledged records that it does not have.
"""


# %%
def acknowledged_and_lost(seed, chooses_in_sync):
    random.seed(seed)
    partition = Partition(["a", "b", "c"])
    slow, acknowledged = random.choice("bc"), 0
    for step in range(random.randrange(20, 60)):
        partition.append(step)
        for follower in "bc":
            if random.random() < (0.1 if follower == slow else 0.9):
                partition.fetch(follower)
        if len(partition.logs[slow]) < len(partition.logs["a"]) - 5:
            partition.in_sync.discard(slow)
        elif len(partition.logs[slow]) >= acknowledged:
            partition.in_sync.add(slow)
        acknowledged = max(acknowledged, partition.high_watermark())
    candidates = partition.in_sync - {"a"} if chooses_in_sync else {"b", "c"}
    new_leader = random.choice(sorted(candidates))
    return acknowledged, max(0, acknowledged - len(partition.logs[new_leader]))


totals = {}
for rule, chooses_in_sync in {"one of the in-sync replicas": True, "any replica": False}.items():
    results = [acknowledged_and_lost(seed, chooses_in_sync) for seed in range(1000)]
    totals[rule] = sum(lost for _, lost in results)
    print(f"{rule}: {sum(n for n, _ in results):,} acknowledged, {totals[rule]:,} of them lost")

figure, axes = plt.subplots(figsize=(7, 1.8))
bars = axes.barh(list(totals), list(totals.values()), color=[GREEN, RED])
axes.bar_label(bars, padding=4)
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
it, and "all in-sync replicas" means one. So there is a limit, `min.insync.replicas`: with fewer on
the list, the leader refuses writes with `acks=all`. With three replicas and a limit of two, one
broker may die and work goes on; when a second dies, writing stops, and nothing is lost.

In the broker, who is in sync and how far the watermark is are decided by
`broker/replica/in_sync.py::InSync`, which knows no socket and no disk. There is one thing more to
it than in our model: a follower leaves the list only when the cluster's controller has written that
down (chapter 9), so that everybody agrees on who may become leader.

## When the old leader returns

It may have records above the high watermark that no other has. The new leader has given their
offsets to other records. So the two logs part somewhere, and the old leader has to cut off its own
end. Where? Each leader's time has a number, the **leader epoch**, and it is written into every
batch (you saw the field in chapter 3). The logs agree up to the place where their epochs agree.
"""

# %%
OLD = [0, 0, 0, 1, 1, 1, 1]  # the epoch of each record in the old leader's log
NEW = [0, 0, 0, 1, 1, 2, 2, 2]  # and in the new one's


def ends_of_epochs(log):
    return {epoch: index + 1 for index, epoch in enumerate(log)}


last_epoch = OLD[-1]
diverges_at = min(len(OLD), ends_of_epochs(NEW)[last_epoch])

figure, axes = plt.subplots(figsize=(8, 1.7))
for row, log in enumerate((NEW, OLD)):
    for offset, epoch in enumerate(log):
        color = (GREY, BLUE, GREEN)[epoch]
        is_cut = log is OLD and offset >= diverges_at
        axes.barh(row, 0.92, left=offset, color=color, hatch="xxx" if is_cut else "", edgecolor="w")
        axes.text(offset + 0.46, row, f"epoch {epoch}", ha="center", va="center", color="w", size=8)
axes.set_yticks([0, 1], ["new leader", "old leader"])
axes.set(xticks=range(9), xlabel="offset")
axes.set_title(
    f"The old leader cuts its log at {diverges_at} (hatched), and fetches from there", size=10
)
axes.spines[:].set_visible(False)

# %% [markdown]
"""
The old leader says: my last epoch is 1, and it ends at 7. The new one answers: here epoch 1 ends at
5. So everything from 5 on has to go. Was any of that acknowledged? No: the new leader was in sync,
   and did not have it, so it was above the watermark.

The table of epochs that every partition keeps is `broker/replica/epochs.py::LeaderEpochs`.

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


def watch(seconds):
    """Write all the time, and look at the logs now and then."""
    end = time.monotonic() + seconds
    while (now := time.monotonic()) < end:
        producer.produce("orders", b"x" * 500, on_delivery=lambda *_: delivered.append(True))
        producer.poll(0.01)
        if not samples or now - origin - samples[-1][0] > 0.1:
            view.refresh()
            in_sync = view.topics["orders"].partitions[0].in_sync_replicas
            samples.append((now - origin, *map(log_bytes, (1, 2, 3)), len(delivered), len(in_sync)))


def mark(text):
    marks.append((time.monotonic() - origin, text))


watch(1.5)
mark(f"broker {follower} is killed")
brokers.brokers[follower].kill()
watch(4)
mark("and started again")
brokers.brokers[follower].launch()
watch(4)
print("not delivered:", producer.flush(10))

# %%
moments, *sizes, acknowledged, in_sync = zip(*samples, strict=True)
figure, (above, middle, below) = plt.subplots(
    3, 1, figsize=(9, 5.4), sharex=True, height_ratios=[3, 2, 1], layout="constrained"
)
for node_id, values, color in zip((1, 2, 3), sizes, (BLUE, ORANGE, GREEN), strict=True):
    role = "leader" if node_id == leader else "killed" if node_id == follower else "follower"
    above.plot(moments, [each / 1024 for each in values], color=color, label=f"{node_id}, {role}")
middle.plot(moments, acknowledged, color=BLUE)
middle.set(ylabel="acknowledged")
below.step(moments, in_sync, where="post", color=RED)
for moment, text in marks:
    for axes in (above, middle, below):
        axes.axvline(moment, color=GREY, linestyle=":")
    above.text(moment + 0.05, 0, text, fontsize=8, color=GREY)
above.set(ylabel="KiB in orders-0")
above.legend(fontsize=8)
below.set(ylabel="in sync", xlabel="seconds", yticks=[1, 2, 3], ylim=(0.5, 3.5))
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

## What to take along

- A leader, and followers that fetch. The high watermark is what all in-sync replicas have.
- Acknowledged means: below the high watermark. Leader can become only who is in sync. So nothing
  acknowledged is lost.
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
