# %% [markdown]
"""
# 1. A log is a file

A message broker takes messages from some programs and hands them to others. Nearly everything else
that it does (copies on other machines, groups of readers, finding a message by its time) rests on
one humble thing: a file to which bytes are only ever appended.

In this chapter you build that file in twenty lines, pull the plug on it, see what is left, and then
find the same thing inside a real broker. You need Python; you need not know Kafka.
"""

# %%
try:
    import confluent_kafka
    import matplotlib.pyplot as plt

    from minikafka.tutorials.classroom import BLUE, GREEN, GREY, ORANGE, RED, Broker
except ImportError as error:
    raise SystemExit(f"{error}. In the checkout, run: pip install -e '.[notebooks]'") from None

import os
import struct
import tempfile
import time
import zlib
from pathlib import Path

# %% [markdown]
"""
## Twenty lines

A **record** is some bytes that a program wants to keep. A **log** is a list of records that grows
at its end and is never changed in the middle. The number of a record in its log, counted from 0, is
its **offset**. That is the whole model.

Since records differ in length, something must say where one ends. We write the length in front of
each: four bytes, then the record.
"""


# %%
class TinyLog:
    """Records in a file: four bytes of length, then that many bytes, again and again."""

    def __init__(self, path):
        self.file = open(path, "a+b")
        self.positions = []  # where in the file each record begins

    def append(self, record):
        offset, position = len(self.positions), self.file.seek(0, os.SEEK_END)
        self.file.write(struct.pack(">I", len(record)) + record)
        self.positions.append(position)
        return offset

    def read(self, offset):
        self.file.seek(self.positions[offset])
        (length,) = struct.unpack(">I", self.file.read(4))
        return self.file.read(length)


home = Path(tempfile.mkdtemp())
log = TinyLog(home / "tiny.log")
for fruit in [b"apples", b"fig", b"blackcurrants", b"pears"]:
    print(log.append(fruit), fruit)
log.read(2)

# %% [markdown]
"""
Note the two numbers that a record has. Its *offset* (2) is its place among the records. Its
*position* is its place among the bytes of the file. Readers know offsets and the disk knows
positions, and a good part of a broker is about getting from the one to the other. Here is the file:
"""

# %%
log.file.flush()
content = (home / "tiny.log").read_bytes()

figure, axes = plt.subplots(figsize=(9, 1.6))
for offset, position in enumerate(log.positions):
    record = log.read(offset)
    axes.barh(0, 4, left=position, color=GREY, edgecolor="white")
    axes.barh(0, len(record), left=position + 4, color=BLUE, edgecolor="white")
    axes.text(position + 4 + len(record) / 2, 0, record.decode(), ha="center", color="white")
    axes.text(position, 0.5, f"offset {offset}", fontsize=8)
axes.set(yticks=[], xticks=[*log.positions, len(content)], xlabel="position in the file (bytes)")
axes.set_title("tiny.log: grey is a length, blue is a record", pad=18, fontsize=10)
axes.spines[["left", "right", "top"]].set_visible(False)

# %% [markdown]
"""
Why a file that only grows, and not a database table or a tree? Because appending is the one thing
that every disk does fast; because what is never changed can be read without any lock while somebody
writes behind it; and because a reader needs to remember one number only. "I have read up to offset
2" says everything.

## The plug

A program can die at any moment, also between two bytes of a record. Let us die there.
"""

# %%
with open(home / "tiny.log", "ab") as file:
    file.write(struct.pack(">I", 11) + b"straw")  # six bytes of "strawberries" never came

content = (home / "tiny.log").read_bytes()
content[-20:]

# %% [markdown]
"""
Whoever opens this file now finds a length of 11 and only five bytes behind it. That end is *torn*.
It is easy to see here. It would be harder if some old bytes happened to lie behind it, or if the
disk had written the end of a record and not its middle. So a log keeps a **checksum** beside each
record: a number computed from the bytes, which comes out different if they have changed. Then a
start after a crash is simple: read from the front, and cut off the file at the first thing that is
incomplete or does not match.
"""


# %%
def frame(record):
    return struct.pack(">II", len(record), zlib.crc32(record)) + record


def recover(path):
    """Cut off what is torn; return the records that are whole."""
    content, position, records = path.read_bytes(), 0, []
    while position + 8 <= len(content):
        length, checksum = struct.unpack_from(">II", content, position)
        record = content[position + 8 : position + 8 + length]
        if len(record) < length or zlib.crc32(record) != checksum:
            break
        records.append(record)
        position += 8 + length
    os.truncate(path, position)
    return records


safe = home / "safe.log"
whole = b"".join(map(frame, [b"apples", b"fig", b"pears"]))
for size in (len(whole), len(whole) - 1, len(whole) - 6, 20, 3):
    safe.write_bytes(whole[:size])
    print(f"the plug was pulled after {size:2} bytes: {recover(safe)}")

# %% [markdown]
"""
Wherever the plug is pulled, what remains is a *beginning* of what was written: never a hole in the
middle, never a wrong byte. This is the promise on which everything later is built. The broker makes
it too, in `broker/log/scan.py::scan`, which walks over a log and stops at the first thing that is
not whole, and `broker/log/recovery.py`, which decides what is cut off.

## What "written" means

One more question decides whether a record survives: where *is* it when `write` has returned?

- In a buffer of the program: gone when the program dies.
- In the **page cache**, memory of the operating system: survives the program, also `kill -9`. It
  does not survive a power cut.
- On the disk, after `fsync`: survives a power cut. That system call tells the operating system to
  write down what it has of a file, and returns when the disk has confirmed it. From here on we call
  this to **flush**. (Python's own `file.flush()`, which you saw above, goes only from the first
  place to the second.)

The last one costs time. How much? Measure it on your disk:
"""


# %%
def seconds_per_append(count, sync):
    with open(home / "timed.log", "wb", buffering=0) as file:
        began = time.perf_counter()
        for _ in range(count):
            file.write(frame(b"x" * 100))
            if sync:
                os.fsync(file.fileno())
        return (time.perf_counter() - began) / count


cached, synced = seconds_per_append(2000, False), seconds_per_append(100, True)
batch_sizes = [1, 10, 100, 1000]
shared = [(synced + size * cached) / size for size in batch_sizes]

figure, axes = plt.subplots(figsize=(7, 3))
axes.loglog(batch_sizes, [s * 1e6 for s in shared], "o-", color=BLUE, label="fsync, shared")
axes.axhline(cached * 1e6, color=GREEN, linestyle=":", label="page cache only")
axes.set(xlabel="records that share one fsync", ylabel="µs a record")
axes.set_title("Safety is dear for one record, and cheap for a thousand", fontsize=10)
axes.legend()
print(f"page cache: {cached * 1e6:.1f} µs a record; with fsync each: {synced * 1e6:.0f} µs")

# %% [markdown]
"""
The dotted line and the first point were measured; the others are computed from them. They show the
idea that makes a safe broker fast: **many records share one fsync**. While one flush is under way,
new records gather, and the next flush takes them all. The broker does exactly this. The place is
`broker/replica/manager.py::ReplicaManager`, and the reasons are in [the log, byte by
byte](../docs/log.md).

## The same in a real broker

Now for the real thing, and five words of Kafka's that go with it. A **producer** is a program that
writes records, a **consumer** one that reads them. They name a **topic**, here "fruit". A topic is
cut into **partitions**, numbered from 0, and each partition is one log. Until chapter 7, one
partition is all that we need. When the broker answers that it has a record, and at which offset,
the record is **acknowledged**.

The next cell starts a minikafka broker as a process of its own, on a free port. Then
confluent-kafka, a client that other people wrote for Apache Kafka and that knows nothing of this
project, sends it three records. (Its `flush` waits until all that was sent is acknowledged.)
"""

# %%
broker = Broker()
producer = confluent_kafka.Producer({"bootstrap.servers": broker.bootstrap})


def tell(error, message):
    print(f"{message.value()!r} is at offset {message.offset()}")


for fruit in [b"apples", b"fig", b"pears"]:
    producer.produce("fruit", fruit, on_delivery=tell)
    producer.flush(10)

# %% [markdown]
"""
Offsets 0, 1 and 2, as in our twenty lines. And behind them, a file, in a directory named after
topic and partition:
"""

# %%
path = broker.data_dir / "fruit-0" / "00000000000000000000.log"
content = path.read_bytes()
for word in (b"apples", b"fig", b"pears"):
    print(f"{word.decode():7} at position {content.index(word):3} of {len(content)}")

# %% [markdown]
"""
The records lie there in plain sight, with more around each of them than our eight bytes; chapter 3
reads it byte by byte. Now the plug, for real. `kill -9` leaves a process no moment to tidy up. We
also tear off the last bytes of the file, as a power cut might. Then a consumer reads partition 0
from offset 0. (It has to name a `group.id`, which means nothing until chapter 6.)
"""

# %%
broker.kill()
os.truncate(path, len(content) - 4)
broker.start()

consumer = confluent_kafka.Consumer(
    {"bootstrap.servers": broker.bootstrap, "group.id": "unused", "enable.auto.commit": False}
)
consumer.assign([confluent_kafka.TopicPartition("fruit", 0, 0)])
for _ in range(2):
    message = consumer.poll(10)
    print(message.offset(), message.value())
consumer.close()
after = path.stat().st_size

figure, axes = plt.subplots(figsize=(9, 1.3))
axes.barh(0, after, color=GREEN, edgecolor="white")
axes.barh(0, len(content) - 4 - after, left=after, color=ORANGE, edgecolor="white")
axes.barh(0, 4, left=len(content) - 4, color=RED, edgecolor="white")
axes.set(yticks=[], xticks=[0, after, len(content)], xlabel="position in the file (bytes)")
axes.set_title("green: kept; red: torn off by us; orange: cut off at the start", fontsize=10)
axes.spines[["left", "right", "top"]].set_visible(False)

# %% [markdown]
"""
Two records came back, and the torn third was cut off. Was a promise broken? The third one had been
acknowledged, after all, which here means that it was flushed. Yes, and by us: no crash takes back
bytes that `fsync` has confirmed; we did it by hand, as a broken disk would. Against broken disks
only copies on other machines help. They are what chapters 8 and 9 are about.

## What to take along

- A log is a file to which records are appended. An offset counts records; a position counts bytes.
- After a crash, everything up to the first torn record is good. Cut there.
- "Written" has three meanings. The one that survives a power cut is dear, and shared by many
  records it is cheap.

## Exercises

**1.** `TinyLog` forgets its positions when the program ends. Write `open_log(path)`, which gives
back a `TinyLog` that knows them again.

<details><summary>Solution</summary>

Walk over the lengths, as a reader would:

```python
def open_log(path):
    log = TinyLog(path)
    content, position = path.read_bytes(), 0
    while position + 4 <= len(content):
        (length,) = struct.unpack_from(">I", content, position)
        if position + 4 + length > len(content):
            break  # torn
        log.positions.append(position)
        position += 4 + length
    os.truncate(path, position)
    return log


again = open_log(home / "tiny.log")
assert again.read(2) == b"blackcurrants" and len(again.positions) == 4
```

For a large log this walk takes long. Chapter 2 does something about it.
</details>

**2.** Flip one bit in the middle of `safe.log` instead of cutting off its end. What does `recover`
give back, and is that what you would want?

<details><summary>Solution</summary>

```python
damaged = bytearray(whole)
damaged[22] ^= 1  # inside "fig"
safe.write_bytes(damaged)
assert recover(safe) == [b"apples"]
```

"pears" is gone as well, although not a byte of it was wrong. Right after a crash this is what you
want: a torn record can only be followed by rubbish. But if the bit flipped in a record that the
disk had confirmed long ago, cutting there would throw away good, acknowledged records. So minikafka
distinguishes the two. Now and then it notes up to where the disk has confirmed the log. Behind that
note it cuts, as you saw; before it, it refuses to open the partition, and says so. See [how it
decides](../docs/decisions/damaged-logs.md).
</details>
"""
