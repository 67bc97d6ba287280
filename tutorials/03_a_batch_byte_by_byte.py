# %% [markdown]
"""
# 3. A batch, byte by byte

Records do not travel alone. A client gathers some, packs them into a **batch**, and this one piece
of bytes is what is sent, checked, written to the log, copied to other machines, and sent to
readers. The broker never unpacks it. That is the secret of its speed: it carries boxes and leaves
them closed.

In this chapter we open one.
"""

# %%
try:
    import confluent_kafka
    import matplotlib.pyplot as plt

    from minikafka.tutorials.classroom import BLUE, GREEN, GREY, ORANGE, RED, Broker
except ImportError as error:
    raise SystemExit(f"{error}. In the checkout, run: pip install -e '.[notebooks]'") from None

import json
import struct
import time

# %% [markdown]
"""
What is a record? Until now, some bytes. In Kafka these are its **value**. Beside it a record may
have a **key**, which says what it is about (a customer, a device; what that is good for comes in
chapter 5), a time, and **headers**: names with values, for whatever a program wants to note.

A broker, and three records from confluent-kafka. `linger.ms` tells the client to wait a little for
more records before it sends, so all three come in one batch.
"""

# %%
broker = Broker()
producer = confluent_kafka.Producer({"bootstrap.servers": broker.bootstrap, "linger.ms": 100})
producer.produce("orders", b"apples", key=b"alice")
producer.produce("orders", b"plums", key=b"carol", headers={"trace": b"7"})
producer.produce("orders", b"pears", key=b"alice")
producer.flush(10)

batch = (broker.data_dir / "orders-0" / "00000000000000000000.log").read_bytes()
print(len(batch), "bytes")
for position in range(0, len(batch), 16):
    print(f"{position:3}  {batch[position : position + 16].hex(' ')}")

# %% [markdown]
"""
## The header

The first 61 bytes are the header. All numbers are big-endian: the most significant byte comes
first. `struct` reads them in one line. The table of the fields is the docstring of
`protocol/batch.py`.
"""

# %%
FIELDS = {
    "base offset": 8,
    "batch length": 4,
    "leader epoch": 4,
    "magic": 1,
    "CRC-32C": 4,
    "attributes": 2,
    "last offset delta": 4,
    "base timestamp": 8,
    "max timestamp": 8,
    "producer id": 8,
    "producer epoch": 2,
    "base sequence": 4,
    "record count": 4,
}
values = dict(zip(FIELDS, struct.unpack(">qiibIhiqqqhii", batch[:61]), strict=True))
position = 0
for name, size in FIELDS.items():
    print(f"{position:3} {name:18} {batch[position : position + size].hex():>16} {values[name]}")
    position += size

# %% [markdown]
"""
Some of them deserve a word.

- **base offset** is the offset of the first record. The client wrote 0 here, since it could not
  know. The broker put in the real one. The others follow: the base offset plus 1, plus 2.
- **magic** is the version of this format: 2, since 2017.
- **CRC-32C** is the checksum. It covers everything from *attributes* on, and nothing before. So the
  broker can fill in the base offset and the leader epoch without computing the checksum again.
- **leader epoch** says under which leader the batch was written; with one broker that is always the
  same one. It becomes important in chapter 8.
- **attributes** says how the records are compressed (0: not at all).
- **producer id**, **epoch** and **base sequence** belong to chapter 5.

The picture shows each byte as a square:
"""

# %%
COLORS = {"base offset": ORANGE, "leader epoch": ORANGE, "CRC-32C": RED}
figure, axes = plt.subplots(figsize=(9, 4.2))
starts, position = {}, 0
for name, size in FIELDS.items():
    starts[position] = name
    position += size
color = GREY
for number, byte in enumerate(batch):
    if number in starts:
        name = starts[number]
        color = COLORS.get(name, BLUE if list(FIELDS).index(name) % 2 else "#7fb2d9")
    elif number >= 61:
        color = GREEN
    row, column = divmod(number, 16)
    axes.add_patch(plt.Rectangle((column, -row), 0.94, 0.94, color=color))
    axes.text(
        column + 0.47, 0.45 - row, f"{byte:02x}", ha="center", va="center", color="white", size=7
    )
axes.set(xlim=(-0.2, 16.2), ylim=(-row - 0.3, 1.2))
axes.set_title(
    "orange: the broker fills in; red: checksum; blue: other header; green: records", size=10
)
axes.set_axis_off()

# %% [markdown]
"""
Is the checksum right? Python has no CRC-32C (the C stands for another polynomial than that of
`zlib`), but we have one:
"""

# %%
from minikafka.protocol.crc32c import crc32c

print(hex(crc32c(batch[21:])), "computed")
print(hex(values["CRC-32C"]), "in the header")

# %% [markdown]
"""
## The records

In the records most numbers are small: lengths, the distance to the first record's time and offset.
To spend eight bytes on a 3 would be a waste, so they are **varints**: seven bits a byte, the lowest
first, and the eighth bit says whether another byte follows. Negative numbers would have all high
bits set, so before that they are folded in between: 0, -1, 1, -2, 2 become 0, 1, 2, 3, 4. (This is
called zigzag.)
"""


# %%
def read_varint(data, position):
    number, shift = 0, 0
    while True:
        byte = data[position]
        position += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return (number >> 1) ^ -(number & 1), position
        shift += 7


for encoded in (b"\x00", b"\x01", b"\x06", b"\x1a", b"\xac\x02"):
    print(encoded.hex(" "), "is", read_varint(encoded, 0)[0])


# %% [markdown]
"""
With that, a record is read in a dozen lines: its length, a byte that nobody uses, how much later
than the base timestamp, how far from the base offset, then key, value and headers, each with its
length before it. A length of -1 means *nothing*, which differs from *empty*.
"""


# %%
def read_bytes(data, position):
    length, position = read_varint(data, position)
    if length < 0:
        return None, position
    return data[position : position + length], position + length


def read_record(data, position):
    _, position = read_varint(data, position)  # the length of the whole record
    time_delta, position = read_varint(data, position + 1)  # behind one byte of attributes
    offset_delta, position = read_varint(data, position)
    key, position = read_bytes(data, position)
    value, position = read_bytes(data, position)
    count, position = read_varint(data, position)
    headers = []
    for _ in range(count):
        name, position = read_bytes(data, position)
        content, position = read_bytes(data, position)
        headers.append((name, content))
    return (offset_delta, time_delta, key, value, headers), position


position = 61
while position < len(batch):
    record, position = read_record(batch, position)
    print(record)

# %% [markdown]
"""
You have just read Kafka's record format. The broker's own reader is `protocol/records.py::iterate`;
it does the same, faster, and survives hostile bytes.

## Why batches?

Sixty-one bytes of header for each single record would be a lot; for a hundred records they are
nothing. And compression needs something to compare: a lone order has little in it that repeats, a
hundred of them are all alike. Measure it. The topic is written with one record a batch, then with
ten, and so on; the size is that of the file.
"""


# %%
def order(number):
    return json.dumps({"order": number, "customer": f"c{number % 17}", "fruit": "apples"}).encode()


def bytes_per_record(codec, batch_size, count=300):
    topic = f"orders-{codec}-{batch_size}"
    options = {"compression.type": codec, "batch.num.messages": batch_size, "linger.ms": 50}
    producer = confluent_kafka.Producer({"bootstrap.servers": broker.bootstrap, **options})
    for number in range(count):
        producer.produce(topic, order(number), partition=0)
    producer.flush(20)
    return (broker.data_dir / f"{topic}-0" / f"{0:020}.log").stat().st_size / count


batch_sizes = [1, 10, 100, 1000]
figure, axes = plt.subplots(figsize=(7, 3))
for codec, color in {"none": GREY, "lz4": BLUE, "zstd": GREEN, "gzip": ORANGE}.items():
    measured = [bytes_per_record(codec, batch_size) for batch_size in batch_sizes]
    axes.loglog(batch_sizes, measured, "o-", color=color, label=codec)
axes.axhline(len(order(500)), color=RED, linestyle=":", label="the value alone")
axes.set(xlabel="records in a batch", ylabel="bytes on disk, a record")
axes.set_yticks([10, 30, 100], labels=["10", "30", "100"])
axes.set_title("Alone a record is dear; compression needs company", fontsize=10)
axes.legend(fontsize=8)
axes.grid(alpha=0.3)

# %% [markdown]
"""
The client compresses, the broker keeps what it gets, the reader decompresses. The broker's
processor does nothing for it.

## Closed boxes

So the broker looks at 61 bytes a batch and checks the CRC, and that is all. See what it does with a
batch that is damaged. We build one with our own client's parts, and then turn one bit of it.
"""

# %%
from minikafka.protocol.records import Record, build_batch, iterate

now_ms = int(time.time() * 1000)
box = build_batch([Record(0, now_ms, b"k", b"v")])
print([*iterate(box)])
box[-2] ^= 1

# %% [markdown]
"""
`protocol/batch.py::validate_batch` is the check that every batch of a producer has to pass; we call
it as the broker does. A refusal is not a crash: it becomes an answer with one of Kafka's error
codes.
"""

# %%
from minikafka.protocol.batch import InvalidBatch, validate_batch

try:
    validate_batch(memoryview(box))
except InvalidBatch as refusal:
    print(refusal.error_code.name, "-", refusal)

# %% [markdown]
"""
And to end with, the three orders as another reader sees them:
"""

# %%
consumer = confluent_kafka.Consumer(
    {"bootstrap.servers": broker.bootstrap, "group.id": "unused", "enable.auto.commit": False}
)
consumer.assign([confluent_kafka.TopicPartition("orders", 0, 0)])
for message in consumer.consume(3, timeout=10):
    print(message.offset(), message.key(), message.value(), message.headers())
consumer.close()

# %% [markdown]
"""
## What to take along

- A batch is 61 bytes of header and then the records. It is stored and sent as the same bytes.
- The checksum leaves out what the broker fills in.
- Batches make headers cheap and compression good. Both are the client's work.

## Exercises

**1.** Write `encode_varint`, the inverse of `read_varint`.

<details><summary>Solution</summary>

```python
def encode_varint(number):
    number = (number << 1) ^ (number >> 63)
    encoded = bytearray()
    while number >= 0x80:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


for number in (0, -1, 1, 13, 150, -(2**40), 2**62):
    assert read_varint(encode_varint(number), 0)[0] == number
```
</details>

**2.** The broker puts the real base offset into a batch without touching the CRC. What could go
wrong with a field that no checksum protects, and how does a start after a crash notice?

<details><summary>Solution</summary>

A wrong base offset would give the records wrong numbers, and the checksum would still match. A
start checks it by other means: a batch must begin at the offset at which the one before it ended,
and its length must lead to the next one (`broker/log/scan.py::scan`).
</details>

**3.** How large is the smallest batch with one record, without key, value and headers? Work it out,
then ask `build_batch`.

<details><summary>Solution</summary>

61 bytes of header, and for the record seven fields of one byte: length, attributes, time, offset,
key length (-1), value length (-1), header count.

```python
assert len(build_batch([Record(0, now_ms, None, None)])) == 68
```
</details>
"""
