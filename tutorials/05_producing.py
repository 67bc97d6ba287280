# %% [markdown]
"""
# 5. Producing: batching and acks

A program that writes records has two wishes that pull in different directions. It wants to write
fast, and it wants to know that what it wrote is safe. Both are settled by a conversation with the
broker: how much is put into one request, and when the broker answers.
"""

# %%
try:
    import confluent_kafka
    import kafka
    import matplotlib.pyplot as plt

    from minikafka.tutorials.classroom import BLUE, GREEN, GREY, RED, Broker, Wire
except ImportError as error:
    raise SystemExit(f"{error}. In the checkout, run: pip install -e '.[notebooks]'") from None

import contextlib
import socket
import struct
import threading
import time

# %% [markdown]
"""
## Waiting a little, to carry more

A producer does not send a record when the program hands it over. It puts it into a batch, and sends
the batch when it is full or when it has *lingered* long enough. Two options rule this: the size of
a batch, and `linger.ms`. See what a larger batch does:
"""

# %%
broker = Broker()


def records_per_second(batch_records, count):
    options = {"batch.num.messages": batch_records, "linger.ms": 20}
    producer = confluent_kafka.Producer({"bootstrap.servers": broker.bootstrap, **options})
    producer.list_topics("speed", timeout=10)  # connect before the clock starts
    began = time.perf_counter()
    for _ in range(count):
        producer.produce("speed", b"x" * 100, partition=0)
    producer.flush(30)
    return count / (time.perf_counter() - began)


batch_sizes = [1, 10, 100, 1000]
rates = [records_per_second(size, min(500 * size, 20_000)) for size in batch_sizes]

figure, axes = plt.subplots(figsize=(7, 3))
axes.loglog(batch_sizes, rates, "o-", color=BLUE)
axes.set(xlabel="records in a batch, at most", ylabel="records a second")
axes.set_xticks(batch_sizes, labels=batch_sizes)
axes.set_title("One producer, records of 100 bytes, acks=all", fontsize=10)
axes.grid(alpha=0.3)
for size, rate in zip(batch_sizes, rates, strict=True):
    print(f"{size:6} in a batch: {rate:9,.0f} records a second")

# %% [markdown]
"""
The broker does the same work for a batch of one as for a batch of a thousand: read a frame, check
61 bytes, append, answer. So nearly all that a record costs is its share of a batch. In our own
client this is `client/accumulator.py::Accumulator`.

The price is time: a record that waits for company is late. With `linger.ms=20` it is late by 20 ms
at most, and only if little else is coming; a full batch leaves at once.

## What "acknowledged" means

When may the broker answer? The producer says so in each request. This is `acks`:

| acks | the broker answers | it is lost if |
|---|---|---|
| 0 | never; the client does not wait | anything at all goes wrong, unnoticed |
| 1 | when it is written to the broker's log | power fails before the disk has it |
| all | when it is flushed here, and on the brokers with copies in sync | all those disks die |

(In this chapter there is one broker and no copy. With copies, which are chapter 8, there is one
more way to lose what `acks=1` has acknowledged: the broker dies before the others have it.)

The safer, the slower? Measure how long `send` takes until it is acknowledged, one record at a time,
with kafka-python:
"""


# %%
def latencies_ms(levels, count=120):
    """For each level of acks, sorted; in turns, so that a busy moment hits all of them alike."""
    producers = {
        acks: kafka.KafkaProducer(
            bootstrap_servers=broker.bootstrap, acks=acks, linger_ms=0, enable_idempotence=False
        )
        for acks in levels
    }
    times = {acks: [] for acks in levels}
    for _ in range(count):
        for acks, producer in producers.items():
            began = time.perf_counter()
            producer.send("acks", b"x" * 100).get(timeout=10)
            times[acks].append((time.perf_counter() - began) * 1000)
    for producer in producers.values():
        producer.close()
    return {acks: sorted(each[20:]) for acks, each in times.items()}  # the first ones warm up


figure, axes = plt.subplots(figsize=(7, 3))
latencies = latencies_ms([0, 1, "all"])
for (acks, times), color in zip(latencies.items(), (GREY, BLUE, GREEN), strict=True):
    axes.plot(times, [index / len(times) for index in range(len(times))], color=color, label=acks)
    print(f"acks={acks}: half of them within {times[len(times) // 2]:.2f} ms")
axes.set(xscale="log", xlabel="ms until acknowledged", ylabel="share of records")
axes.set_title("How long a lone record waits for its acknowledgement", fontsize=10)
axes.legend(title="acks")
axes.grid(alpha=0.3)

# %% [markdown]
"""
Read it as: this share of the records was acknowledged within that time. What lies between blue and
green is your disk: `acks=all` waits for the flush (chapter 1). On a machine that is busy with other
things, all three lines lean far to the right, and the disk's part may be hard to see.

But now let thirty producers wait at the same time. While one flush is under way, the records of all
others gather, and the next flush takes all of them.
"""


# %%
def acknowledged_per_second(producers, seconds=0.5):
    counts = [0] * producers

    def work(number):
        options = {"bootstrap.servers": broker.bootstrap, "linger.ms": 0, "acks": "all"}
        producer = confluent_kafka.Producer(options)
        producer.list_topics("acks", timeout=10)
        ready.wait()
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            producer.produce("acks", b"x" * 100)
            producer.flush(10)  # wait for this one before the next
            counts[number] += 1

    ready = threading.Barrier(producers)
    threads = [threading.Thread(target=work, args=(number,)) for number in range(producers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(counts) / seconds


producer_counts = [1, 3, 10, 30]
shared = [acknowledged_per_second(count) for count in producer_counts]

figure, axes = plt.subplots(figsize=(7, 3))
axes.plot(producer_counts, shared, "o-", color=GREEN, label="measured")
alone = [shared[0]] * len(producer_counts)
axes.plot(producer_counts, alone, ":", color=GREY, label="if flushes were not shared")
axes.set(xlabel="producers, each waiting for every record", ylabel="acknowledged a second")
axes.set_title("acks=all: one flush answers many", fontsize=10)
axes.set_ylim(bottom=0)
axes.legend()
axes.grid(alpha=0.3)

# %% [markdown]
"""
Safety costs a lone writer one flush for each record, and a busy broker almost nothing. That is why
minikafka flushes before it acknowledges, by default. (Kafka does not, and relies on the other
replicas instead; `--flush os` does as Kafka does. See [the
decision](../docs/decisions/fsync-by-default.md).)

## The answer that never came

Now the interesting case. The producer sends a batch, the broker writes it, and the connection
breaks before the answer arrives. What does the producer know? Nothing. The record may be in the log
or not. If it gives up, the record may be lost. If it sends again, the record may be there twice.

We make this happen. Here is a middleman, as in chapter 4, that passes on everything except the
answer to the first Produce request (API key 0): instead of passing it on, it hangs up.
"""


# %%
class Middleman:
    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = "{}:{}".format(*self.listener.getsockname())
        self.has_struck = False

    def stand_before(self, broker):
        threading.Thread(target=self.accept, args=(broker.address,), daemon=True).start()

    def accept(self, address):
        while True:
            client, _ = self.listener.accept()
            server, produced = socket.create_connection(address), set()
            for ends in ((client, server, produced), (server, client, produced)):
                asks = ends[0] is client
                threading.Thread(target=self.carry, args=(*ends, asks), daemon=True).start()

    def carry(self, source, target, produced, asks):
        reader = source.makefile("rb")
        while length := reader.read(4):
            frame = reader.read(int.from_bytes(length, "big"))
            if asks:
                key, _, correlation_id = struct.unpack_from(">hhi", frame)
                if key == 0:
                    produced.add(correlation_id)
            elif int.from_bytes(frame[:4], "big") in produced and not self.has_struck:
                self.has_struck = True
                break
            try:
                target.sendall(length + frame)
            except OSError:
                break
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


def values_after_a_lost_answer(**options):
    middleman = Middleman()
    broker = Broker("--advertise", middleman.address)
    middleman.stand_before(broker)
    producer = confluent_kafka.Producer(
        {"bootstrap.servers": middleman.address, "retry.backoff.ms": 50, **options}
    )
    for number in range(3):
        producer.produce("payments", b"payment %d" % number)
        producer.flush(20)
    assert middleman.has_struck
    consumer = kafka.KafkaConsumer(
        bootstrap_servers=middleman.address, auto_offset_reset="earliest", consumer_timeout_ms=500
    )
    consumer.assign([kafka.TopicPartition("payments", 0)])
    values = [record.value.decode() for record in consumer]
    consumer.close()
    broker.remove()
    return values


plain = values_after_a_lost_answer()
print(plain)

# %% [markdown]
"""
The first payment is in the log twice. The producer did what it could, and it was wrong.

The cure is to let the broker recognise a repetition. The producer asks for a **producer id** when
it starts and numbers its batches: the first has *sequence* 0, and so on. (You saw the fields in the
batch header of chapter 3, filled with -1.) A batch whose number the broker has seen already is
answered as if it had just been written, and not written again. This is an **idempotent producer**:
"""

# %%
safe = values_after_a_lost_answer(**{"enable.idempotence": True})
print(safe)

figure, axes = plt.subplots(figsize=(8, 1.9))
for row, values in enumerate([safe, plain]):
    for offset, value in enumerate(values):
        color = RED if value in values[:offset] else BLUE
        axes.barh(row, 0.94, left=offset, color=color)
        axes.text(offset + 0.47, row, value, ha="center", va="center", color="white", size=9)
axes.set_yticks([0, 1], ["idempotent", "plain"])
axes.set(xticks=[], xlim=(0, 4), title="payments-0 after one lost answer (red: twice)")
axes.spines[:].set_visible(False)

# %% [markdown]
"""
## The same by hand

How does the broker do it? Send such batches yourself. Three batches with the producer id 77:
sequence 0, the same once more, and then 5, which comes too early.
"""

# %%
from minikafka.protocol.api.produce import (
    ProduceRequest,
    ProduceRequestPartition,
    ProduceRequestTopic,
)
from minikafka.protocol.errors import ErrorCode
from minikafka.protocol.records import BatchBuilder


def produce(wire, sequence):
    builder = BatchBuilder()
    builder.append(int(time.time() * 1000), None, b"by hand")
    batch = builder.build(producer_id=77, producer_epoch=0, base_sequence=sequence)
    partition = ProduceRequestPartition(index=0, records=batch)
    topic = ProduceRequestTopic(name="acks", partition_data=[partition])
    answer = wire.call(ProduceRequest(acks=-1, timeout_ms=5000, topic_data=[topic]), 9)
    return answer.responses[0].partition_responses[0]


wire = Wire(broker.address)
for sequence in (0, 0, 5):
    answer = produce(wire, sequence)
    print(f"sequence {sequence}: {ErrorCode(answer.error_code).name}, offset {answer.base_offset}")

# %% [markdown]
"""
The repetition got the same offset as the original: nothing was written. The gap was refused, since
something before it must be missing; so records also cannot change their order. The broker remembers
the last five batches of each producer, in `broker/replica/producers.py::Producers`, and finds them
again in the log after a restart. The whole list of checks is in
`broker/replica/partition.py::Partition.append`.

## What to take along

- A record costs its share of a batch. Lingering makes batches larger and records later.
- `acks` says when the broker answers. With `acks=all` an acknowledged record has been flushed.
- Without an answer the producer knows nothing. A producer id and a sequence make it safe to send
  again.

## Exercises

**1.** `acks=0` looked fastest. Is it also the way to the highest throughput? Think about what
limits the first picture, then measure.

<details><summary>Solution</summary>

Hardly. With large batches and several under way, the producer does not stand still while it waits
for answers, so not waiting gains little, and one gives up knowing anything.

```python
def rate_of(acks, count=20_000):
    producer = confluent_kafka.Producer(
        {"bootstrap.servers": broker.bootstrap, "acks": acks, "linger.ms": 20}
    )
    producer.list_topics("speed", timeout=10)
    began = time.perf_counter()
    for _ in range(count):
        producer.produce("speed", b"x" * 100, partition=0)
    producer.flush(30)
    return count / (time.perf_counter() - began)


print({acks: round(rate_of(acks)) for acks in ("0", "all")})
```
</details>

**2.** Which partition does a record go to? Create a topic of three partitions and find out what the
key has to do with it.

<details><summary>Solution</summary>

The producer decides, by a hash of the key: records of one key are always in the same partition, and
so stay in order.

```python
from minikafka import NewTopic
from minikafka.sync import AdminClient

with AdminClient(bootstrap_servers=broker.bootstrap) as admin:
    admin.create_topics([NewTopic("keys", 3)])
producer = kafka.KafkaProducer(bootstrap_servers=broker.bootstrap)
for key in [b"alice", b"bob", b"carol", b"alice", b"alice"]:
    print(key, producer.send("keys", b"", key=key).get(10).partition)
producer.close()
```

Beware of adding partitions later: then the hash leads elsewhere, and a key's new records overtake
its old ones.
</details>

**3.** `kill -9` the broker right after `flush` with `acks=1`. Is the record there after a restart?
Why does this not prove that `acks=1` is safe?

<details><summary>Solution</summary>

```python
producer = confluent_kafka.Producer({"bootstrap.servers": broker.bootstrap, "acks": "1"})
producer.produce("one", b"?")
producer.flush(10)
broker.kill()
broker.start()
consumer = kafka.KafkaConsumer(bootstrap_servers=broker.bootstrap, auto_offset_reset="earliest")
consumer.assign([kafka.TopicPartition("one", 0)])
assert next(iter(consumer)).value == b"?"
consumer.close()
```

It is there: the page cache belongs to the operating system and survives the process. It would not
survive a power cut. Nobody can test that with `kill`; minikafka does it with a simulated disk that
forgets what was not flushed (`tests/sim/disk.py::SimulatedDisk`).
</details>
"""
