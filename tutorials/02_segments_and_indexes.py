# %% [markdown]
"""
# 2. Segments and indexes

The log of chapter 1 has three troubles when it grows. To find offset 4,000,000 one has to walk over
everything before it. A start after a crash has to read all of it. And nothing can ever be thrown
away, since a file cannot be shortened at its front.

Two small ideas cure all three: cut the log into several files, and note the position of a record
every now and then.
"""

# %%
try:
    import kafka
    import matplotlib.pyplot as plt

    from minikafka.tutorials.classroom import BLUE, GREEN, GREY, ORANGE, Broker
except ImportError as error:
    raise SystemExit(f"{error}. In the checkout, run: pip install -e '.[notebooks]'") from None

import struct
import time
from bisect import bisect_right

# %% [markdown]
"""
## Finding a record

Here is a log of 100,000 records as in chapter 1, this time in memory. `find` walks from the front,
from length to length:
"""

# %%
log = bytearray()
for number in range(100_000):
    record = b"x" * (number * 7919 % 180)
    log += struct.pack(">I", len(record)) + record


def walk(log, offset, position, wanted):
    """From a record whose offset and position are known to the one that is wanted."""
    while offset < wanted:
        (length,) = struct.unpack_from(">I", log, position)
        offset, position = offset + 1, position + 4 + length
    return position


def microseconds(function, *arguments):
    began = time.perf_counter()
    function(*arguments)
    return (time.perf_counter() - began) * 1e6


for wanted in (10, 1_000, 99_999):
    print(f"offset {wanted:6}: {microseconds(walk, log, 0, 0, wanted):8.0f} µs")

# %% [markdown]
"""
The further, the slower. The other extreme is a list of the positions of all records. That is fast,
and for a broker with a billion records it is 8 GB of memory.

The way between is a **sparse index**: note the position of a record every 4,096 bytes or so. To
find an offset, look for the last note at or before it, and walk from there. The walk is never
longer than 4,096 bytes, however long the log is.
"""


# %%
def build_index(log, interval_bytes):
    """(offset, position) of a record, each time that this many bytes have passed."""
    index, offset, position, noted = [(0, 0)], 0, 0, 0
    while position < len(log):
        if position - noted >= interval_bytes:
            index.append((offset, position))
            noted = position
        (length,) = struct.unpack_from(">I", log, position)
        offset, position = offset + 1, position + 4 + length
    return index


def find(log, index, wanted):
    """Bisect in the notes, then walk."""
    offset, position = index[bisect_right(index, (wanted, len(log))) - 1]
    return walk(log, offset, position, wanted)


intervals = [256, 1024, 4096, 16384, 65536, 1 << 20]
sizes, times = [], []
for interval in intervals:
    index = build_index(log, interval)
    rounds = []
    for _ in range(3):  # the best of three: the machine may be busy
        took = [microseconds(find, log, index, n) for n in range(37, 100_000, 1997)]
        rounds.append(sum(took) / len(took))
    sizes.append(len(index) * 8)
    times.append(min(rounds))

figure, axes = plt.subplots(figsize=(7, 3))
axes.loglog(sizes, times, "o-", color=BLUE)
for size, time_us, interval in zip(sizes, times, intervals, strict=True):
    axes.annotate(f"  {interval:,}", (size, time_us), fontsize=8, va="bottom")
axes.set(xlabel="size of the index (bytes)", ylabel="µs to find a record")
title = f"A log of {len(log) / 1e6:.0f} MB, with a note every 256 to 1,048,576 bytes"
axes.set_title(title, fontsize=10)
axes.margins(x=0.15, y=0.15)

# %% [markdown]
"""
Kafka chose 4,096 bytes, and so did we. The index is then about five hundred times smaller than the
log, so it fits into memory, and what is left to walk costs little.

## Cutting the log

The second idea: when the file has reached some size, close it and begin a new one. Such a file is a
**segment**. Each is named after the offset of its first record, so the list of file names *is* an
index of its own: to find offset 4800, take the last file whose name is not above 4800.

Only the last segment is written to; it is the *active* one. The closed ones never change again. So
a start after a crash has to check the active one only. And the oldest can go: to forget old
records, remove their file.

Let us see it in a broker. By default a segment has 1 GiB. We ask for 64 KiB, to see more of them,
and write with kafka-python, another client from outside this project.
"""

# %%
broker = Broker("-c", "log.segment.bytes=65536", "-c", "log.retention.check.interval.ms=200")

producer = kafka.KafkaProducer(bootstrap_servers=broker.bootstrap, batch_size=1000)
for number in range(6_000):
    producer.send("readings", b"%d: " % number + b"~" * (number * 7919 % 90), partition=0)
producer.flush()

for path in broker.files("readings-0"):
    print(f"{path.stat().st_size:9,} {path.name}")

# %% [markdown]
"""
Each segment has a `.log` and beside it an `.index`, from offsets to positions, and a `.timeindex`,
from times to offsets. (Those of the active segment are in memory until it is closed. The small
files beside them belong to later chapters: `.snapshot` to chapter 5, `leader-epoch-checkpoint` to
chapter 8.) Draw the logs:
"""


# %%
def draw_segments(axes, title):
    segments = [path for path in broker.files("readings-0") if path.suffix == ".log"]
    firsts = [int(path.stem) for path in segments]
    for path, first, end in zip(segments, firsts, [*firsts[1:], 6_000], strict=True):
        color = GREEN if path == segments[-1] else BLUE
        height = path.stat().st_size / 1024
        axes.bar(first, height, width=end - first, align="edge", color=color, edgecolor="white")
        axes.text(first + 40, 4, f"from {first}", color="white", fontsize=9)
    axes.set(xlim=(-100, 6_100), xlabel="offset", ylabel="KiB")
    axes.set_title(title, fontsize=10)


figure, axes = plt.subplots(figsize=(9, 2.2))
draw_segments(axes, "readings-0: closed segments are blue, the active one green")

# %% [markdown]
"""
Now look into an index. It has 8 bytes an entry: how far the offset is behind the segment's first
one, and the position, four bytes each. The code that reads and writes it is
`broker/log/index.py::OffsetIndex`, and you can use it yourself:
"""

# %%
from minikafka.broker.log.index import OffsetIndex
from minikafka.protocol.batch import read_header

log_path = [path for path in broker.files("readings-0") if path.suffix == ".log"][1]
base_offset = int(log_path.stem)
index = OffsetIndex(base_offset, log_path.with_suffix(".index").read_bytes())
content = log_path.read_bytes()

batches, position = [], 0
while position < len(content):
    header = read_header(content, position)
    batches.append((header.base_offset, position))
    position += header.size_bytes

figure, axes = plt.subplots(figsize=(8, 3))
axes.plot(
    *zip(*batches, strict=True), ".", color=GREY, markersize=4, label="every batch in the file"
)
axes.plot(*zip(*index, strict=True), "o", color=ORANGE, fillstyle="none", label="in the index")
axes.set(xlabel="offset", ylabel="position in the file (bytes)")
axes.set_title(f"{log_path.name}: {len(batches)} batches, {len(index)} index entries", fontsize=10)
axes.legend()

wanted = base_offset + 500
start = index.floor(wanted)
walked = [position for offset, position in batches if position >= start and offset <= wanted]
print(f"offset {wanted}: the index says {start}; {len(walked)} headers later we are there")

# %% [markdown]
"""
The file holds *batches*, several records each; the next chapter opens one. The walk reads their
headers only and jumps over the rest. In the broker the same is done by
`broker/log/segment.py::Segment.read` and `broker/log/scan.py::walk`.

## Letting go

How long are records kept? Until they are too old (`retention.ms`) or the partition is too large
(`retention.bytes`), and always by whole segments, the oldest first. Allow 150,000 bytes:
"""

# %%
from minikafka import ConfigChange, ConfigResource
from minikafka.sync import AdminClient

figure, (before, after) = plt.subplots(2, 1, figsize=(9, 4), sharex=True, layout="constrained")
draw_segments(before, "before")
with AdminClient(bootstrap_servers=broker.bootstrap) as admin:
    change = ConfigChange("retention.bytes", "150000")
    admin.incremental_alter_configs({ConfigResource.topic("readings"): [change]})

count = len(broker.files("readings-0"))
deadline = time.monotonic() + 10
while len(broker.files("readings-0")) == count and time.monotonic() < deadline:
    time.sleep(0.1)
draw_segments(after, "after retention.bytes=150000")

# %% [markdown]
"""
More than 150,000 bytes are left. That is on purpose: a segment goes only if what remains *without
it* is still as much as was asked for. The rule is four lines, in
`broker/log/retention.py::count_deletable`.

And the readers? Offsets did not change: record 5,000 is still record 5,000. The log only begins
later.
"""

# %%
partition = kafka.TopicPartition("readings", 0)
consumer = kafka.KafkaConsumer(bootstrap_servers=broker.bootstrap, auto_offset_reset="earliest")
consumer.assign([partition])
print("the log begins at", consumer.beginning_offsets([partition])[partition])
print("and ends before  ", consumer.end_offsets([partition])[partition])
consumer.seek(partition, 5_000)
record = next(iter(consumer))
print("offset", record.offset, "is", record.value[:9], "...")
consumer.close()

# %% [markdown]
"""
## What to take along

- A log is cut into segments. A segment is named after its first offset; only the last is written
  to.
- A sparse index leads near a record, a short walk leads to it.
- Old records go by whole files. Offsets never change.

## Exercises

**1.** Why is a segment named after its *first* offset and not its last, or simply 1, 2, 3?

<details><summary>Solution</summary>

The first offset is known when the file is made; the last is known only when it is closed, and then
it would have to be renamed. With 1, 2, 3 one would have to open the files to know which of them
holds an offset. As it is, a bisection over the names is enough:

```python
names = [int(path.stem) for path in broker.files("readings-0") if path.suffix == ".log"]
assert names[bisect_right(names, 5_000) - 1] <= 5_000
```
</details>

**2.** The index can be lost or wrong. What then? Stop the broker, delete an `.index` file, start
the broker again, and look.

<details><summary>Solution</summary>

```python
victim = next(path for path in broker.files("readings-0") if path.suffix == ".index")
good = victim.read_bytes()
broker.stop()
victim.unlink()
broker.start()
consumer = kafka.KafkaConsumer(bootstrap_servers=broker.bootstrap)
consumer.assign([partition])
consumer.seek(partition, int(victim.stem) + 300)
assert next(iter(consumer)).offset == int(victim.stem) + 300
consumer.close()
broker.stop()
assert victim.read_bytes() == good
broker.start()
```

Everything in an index can be had from the log, so a lost one is made again when it is first needed.
That is why the broker may keep the active segment's index in memory ([the
decision](../docs/decisions/indexes-in-memory-until-roll.md)).
</details>

**3.** `readings` gets one record a day, of 100 bytes, and `retention.ms` is one day. How many
records does the log hold after a month with `segment.bytes` of 1 GiB?

<details><summary>Solution</summary>

A segment is also closed by age (`segment.ms`, 7 days), and here the broker closes the active one
too when all of it is too old. So there are one or two records at most times, between a day and the
next look. Without the second rule there would be up to seven.
</details>
"""
