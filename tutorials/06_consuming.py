# %% [markdown]
"""
# 6. Consuming: offsets and long polls

In many queues a message is taken out by whoever reads it. In a log it stays where it is, and the
reader moves. So all that a reader has to remember is one number, and ten readers don't disturb each
other. Two questions are left: how does a reader learn of a new record without asking all the time,
and what becomes of its number when it crashes?
"""

# %%
try:
    import aiokafka
    import confluent_kafka
    import matplotlib.pyplot as plt

    from minikafka.tutorials.classroom import BLUE, GREEN, GREY, ORANGE, RED, Broker, Wire
except ImportError as error:
    raise SystemExit(f"{error}. In the checkout, run: pip install -e '.[notebooks]'") from None

import random
import threading
import time

# %% [markdown]
"""
## Fetch

To read is one request: *give me records of this partition, from this offset on*. Here are ten
records, and a function that fetches, with the messages of `protocol/api/fetch.py`.
"""

# %%
broker = Broker()
producer = confluent_kafka.Producer({"bootstrap.servers": broker.bootstrap, "linger.ms": 0})
for number in range(10):
    producer.produce("news", b"item %d" % number)
producer.flush(10)

from minikafka.protocol.api.fetch import FetchRequest, FetchRequestPartition, FetchRequestTopic
from minikafka.protocol.records import iterate, iterate_batches


def fetch(wire, offset, max_wait_ms=0, min_bytes=1):
    """All records that the broker hands out from this offset on."""
    partition = FetchRequestPartition(
        partition=0, fetch_offset=offset, partition_max_bytes=1_000_000
    )
    request = FetchRequest(
        max_wait_ms=max_wait_ms,
        min_bytes=min_bytes,
        max_bytes=1_000_000,
        topics=[FetchRequestTopic(topic="news", partitions=[partition])],
    )
    found = wire.call(request, 11).responses[0].partitions[0].records or b""
    records = [record for batch in iterate_batches(found) for record in iterate(batch)]
    return [record for record in records if record.offset >= offset]


wire = Wire(broker.address)
print([record.value for record in fetch(wire, 7)])
print([record.value for record in fetch(wire, 7)])

# %% [markdown]
"""
Asking twice gives the same twice: nothing was taken out. (The last line of `fetch` is needed
because the broker hands out whole batches, and offset 7 may lie in the middle of one.)

## How to wait

At the end of the log there is nothing to fetch. How should a reader wait? It could ask every
second, and be up to a second late. It could ask a thousand times a second, and be on time, and be a
nuisance.

Kafka's answer is the **long poll**. The reader says: if you have nothing, *keep my request* until
you do, for half a second at most. The broker lays it aside, and when a record comes it answers at
once. Measure both. A thread writes a record now and then, with the time in it; we wait for them in
different ways, and note how late each record was and how often we had to ask.
"""


# %%
def write_now_and_then(count):
    for _ in range(count):
        time.sleep(random.uniform(0.02, 0.1))
        producer.produce("news", b"%.6f" % time.time())
        producer.poll(0)
    producer.flush(10)


def wait_for_news(pause_s, max_wait_ms, count=15):
    """Mean delay in ms, and requests a second."""
    wire = Wire(broker.address)
    offset = end_of_log()
    writer = threading.Thread(target=write_now_and_then, args=(count,))
    writer.start()
    delays, requests, began = [], 0, time.time()
    while len(delays) < count:
        records = fetch(wire, offset, max_wait_ms)
        requests += 1
        for record in records:
            delays.append((time.time() - float(record.value)) * 1000)
            offset = record.offset + 1
        time.sleep(pause_s)
    writer.join()
    wire.close()
    return sum(delays) / len(delays), requests / (time.time() - began)


def end_of_log():
    offset, wire = 0, Wire(broker.address)
    while records := fetch(wire, offset):
        offset = records[-1].offset + 1
    wire.close()
    return offset


ways = {f"ask every {pause} ms": (pause / 1000, 0) for pause in (200, 50, 10, 2)}
ways["long poll"] = (0, 500)

figure, axes = plt.subplots(figsize=(7, 3.4))
for name, (pause_s, max_wait_ms) in ways.items():
    delay, requests = wait_for_news(pause_s, max_wait_ms)
    color = GREEN if max_wait_ms else GREY
    axes.loglog(requests, delay, "o", color=color, markersize=9)
    axes.annotate(f"  {name}", (requests, delay), va="center", fontsize=9)
    print(f"{name:17} {delay:6.1f} ms late, {requests:6.1f} requests a second")
axes.set(xlabel="requests a second", ylabel="ms from written to read")
axes.set_title("Lower is fresher, further left is cheaper", fontsize=10)
axes.margins(x=0.35, y=0.2)
axes.grid(alpha=0.3)

# %% [markdown]
"""
The long poll is as fresh as the most impatient asking, with about one request for each record that
there is. Those were the long green bars at the end of chapter 4: requests laid aside.

In the broker this is a small thing with a fine name. A request that cannot be answered yet is put
aside (`broker/handlers/fetch.py::Fetch.park`) together with the partitions it waits for; when one
of them moves, or the time is up, it is answered. No thread waits, so thousands of readers may. The
bytes themselves go from the file to the socket without passing through Python
(`broker/log/segment.py::FileSlice`).

There is a second knob, `min_bytes`: don't answer before there is so much. It makes a reader calmer
and later, as lingering does for a producer.

## Keeping one's place

Where does a reader begin when it starts? If it remembers nothing: at the beginning of the log
(`earliest`) or at its end (`latest`). If it wants to continue, it has to keep its offset somewhere
that survives it. It could use a file. But Kafka offers a place: **committed offsets**, which the
broker keeps under the name of a *group*. How groups share work is the next chapter; here a group is
just a name for a place.

Here is aiokafka, an asyncio client from outside this project, reading five items and committing:
"""


# %%
async def read(count, commits):
    """The offsets of so many records, from the committed place on."""
    consumer = aiokafka.AIOKafkaConsumer(
        bootstrap_servers=broker.bootstrap,
        group_id="reader",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
    )
    await consumer.start()
    consumer.assign([aiokafka.TopicPartition("news", 0)])
    offsets = []
    while len(offsets) < count:
        record = await consumer.getone()
        offsets.append(record.offset)
    if commits:
        await consumer.commit()
    await consumer.stop()
    return offsets


print(await read(5, commits=True))
print(await read(3, commits=False))
print(await read(3, commits=True))

# %% [markdown]
"""
The second reader did not commit, so the third began where the second had begun. What is committed
is the offset of the *next* record to read: after 0 to 4, it is 5.

## Commit before or after?

Say the reader does something with each record: it charges a card. When should it commit, before it
has done the work or after? Both are wrong in their own way if it dies in between. Watch it die,
once in each order, after the first of the two steps at the sixth record:
"""


# %%
class Died(Exception):
    pass


def run(group, commits_first, dies_at, done):
    consumer = confluent_kafka.Consumer(
        {
            "bootstrap.servers": broker.bootstrap,
            "group.id": group,
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
        }
    )
    place = confluent_kafka.TopicPartition("news", 0)
    committed = consumer.committed([place], timeout=10)[0].offset
    place.offset = max(committed, 0)
    consumer.assign([place])

    def commit(message):
        consumer.commit(message, asynchronous=False)

    def work(message):
        done.append(message.offset())

    first, second = (commit, work) if commits_first else (work, commit)
    try:
        while len(done) < 20:
            message = consumer.poll(10)
            if message.offset() >= 10:
                return
            first(message)
            if message.offset() == dies_at:
                raise Died
            second(message)
    finally:
        consumer.close()


def two_lives(group, commits_first):
    done = []
    try:
        run(group, commits_first, 5, done)
    except Died:
        first_life = len(done)
    run(group, commits_first, None, done)
    return done[:first_life], done[first_life:]


lives = {
    "work, then commit": two_lives("card-1", commits_first=False),
    "commit, then work": two_lives("card-2", commits_first=True),
}

figure, axes = plt.subplots(figsize=(8, 2.6))
for row, (first, second) in enumerate(lives.values()):
    axes.plot(first, [row + 0.12] * len(first), "o", color=BLUE, markersize=11)
    axes.plot(second, [row - 0.12] * len(second), "o", color=ORANGE, markersize=11)
    for offset in range(10):
        times = [*first, *second].count(offset)
        if times != 1:
            text = "twice" if times else "never"
            axes.text(offset, row + 0.33, text, ha="center", color=RED)
axes.set_yticks([0, 1], list(lives))
axes.set(ylim=(-0.5, 1.7), xticks=range(10), xlabel="offset of the record whose work was done")
axes.set_title("blue: before the crash; orange: after it", fontsize=10)
axes.spines[["left", "right", "top"]].set_visible(False)

# %% [markdown]
"""
Commit after the work, and a record may be worked on twice: **at least once**. Commit before it, and
one may be lost: **at most once**. There is no third order. A job that should happen exactly once
has to be built so that doing it twice does no harm, for instance by writing down which records were
done in the same database transaction as the work itself.

Most programs want *at least once*. Our own `client/worker.py::Worker`, which runs a function on
each record in many threads at once, works so: it never commits past a record that is not finished.

## Where are they kept?

In a log, of course. Every commit is a record in the topic `__consumer_offsets`, whose key is group,
topic and partition. Of each key only the newest record matters, and a log can be told to keep just
that; it is then *compacted* instead of cut off (see [the log](../docs/log.md#what-is-superseded)).
Look:
"""

# %%
from minikafka.broker.group.records import decode_key, decode_offset

found = {}
for path in broker.data_dir.glob("__consumer_offsets-*/*.log"):
    for batch in iterate_batches(path.read_bytes()):
        for record in iterate(batch):
            found.setdefault(decode_key(record.key), []).append(record.value)
for key, values in found.items():
    print(key, "->", len(values), "commits; the last:", decode_offset(values[-1]))

# %% [markdown]
"""
## What to take along

- A reader's whole state is an offset. Reading takes nothing out.
- A long poll is a request that the broker keeps until there is something to say.
- Work, then commit: at least once. Commit, then work: at most once.

## Exercises

**1.** With `max_wait_ms=500`, how often does a reader ask if nothing at all happens for an hour?
And how late is it when something does?

<details><summary>Solution</summary>

Twice a second, and not late at all: the request that lies with the broker is answered at once. A
longer wait would save requests; but a reader whose connection has died without notice would take
longer to find out.
</details>

**2.** `min_bytes=200`: ask for that from the end of the log with `max_wait_ms=2000`, write one
small record after 0.2 s, and see when the answer comes.

<details><summary>Solution</summary>

The record alone is too little, so the whole time passes, and then what there is comes.

```python
end, wire = end_of_log(), Wire(broker.address)
timer = threading.Timer(0.2, lambda: (producer.produce("news", b"1"), producer.flush(10)))
timer.start()
began = time.monotonic()
records = fetch(wire, end, max_wait_ms=2000, min_bytes=200)
assert len(records) == 1 and time.monotonic() - began > 1.9
```
</details>

**3.** How far behind is a reader? Compute it from the end of the log and the committed offset.
(This is called *lag*, and is the one number to watch in production.)

<details><summary>Solution</summary>

```python
consumer = confluent_kafka.Consumer(
    {"bootstrap.servers": broker.bootstrap, "group.id": "reader", "enable.auto.commit": False}
)
place = confluent_kafka.TopicPartition("news", 0)
_, end = consumer.get_watermark_offsets(place, timeout=10)
committed = consumer.committed([place], timeout=10)[0].offset
print("lag:", end - committed)
consumer.close()
```

`minikafka group describe reader` shows it too.
</details>
"""
