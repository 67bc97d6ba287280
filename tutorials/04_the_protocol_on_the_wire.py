# %% [markdown]
"""
# 4. The protocol on the wire

A client and a broker talk over one TCP connection. The client sends a request, the broker sends an
answer, and both are a handful of bytes in an agreed order. There is no magic in it: in this chapter
you speak Kafka's protocol with nothing but `socket` and `struct`, and then listen in on a real
client.
"""

# %%
try:
    import confluent_kafka
    import matplotlib.pyplot as plt

    from minikafka.tutorials.classroom import BLUE, GREEN, GREY, ORANGE, RED, Broker
except ImportError as error:
    raise SystemExit(f"{error}. In the checkout, run: pip install -e '.[notebooks]'") from None

import socket
import struct
import threading
import time

# %% [markdown]
"""
## A frame

TCP carries bytes, not messages: what is sent as one piece may arrive as three. So, as in the log of
chapter 1, each message is preceded by its length. Length and message together are a **frame**. A
request begins with

| bytes | |
|---|---|
| 2 | **API key**: which kind of request. 18 asks what the broker speaks |
| 2 | **version** of that API |
| 4 | **correlation id**: a number that comes back with the answer |
| 2 + n | **client id**: a name for the log, its length first |

and then comes what that API needs. Version 0 of API 18 needs nothing. So here is a complete
request:
"""


# %%
def request(api_key, version, correlation_id, body=b""):
    name = b"by-hand"
    header = struct.pack(">hhih", api_key, version, correlation_id, len(name)) + name
    return struct.pack(">i", len(header + body)) + header + body


hello = request(api_key=18, version=0, correlation_id=7)
print(hello.hex(" "))

# %% [markdown]
"""
Send it. The answer is a frame too: its length, the correlation id, and then the body.
"""


# %%
def receive(connection):
    """The correlation id and body of the next answer."""
    (length,) = struct.unpack(">i", read_exactly(connection, 4))
    frame = read_exactly(connection, length)
    return struct.unpack(">i", frame[:4])[0], frame[4:]


def read_exactly(connection, count):
    data = b""
    while len(data) < count:
        piece = connection.recv(count - len(data))
        if not piece:
            raise EOFError("the other side has closed the connection")
        data += piece
    return data


broker = Broker()
connection = socket.create_connection(broker.address)
connection.sendall(hello)
correlation_id, body = receive(connection)
print("correlation id", correlation_id, "and", len(body), "bytes:", body[:24].hex(" "), "...")

# %% [markdown]
"""
Two bytes of error code (0: all is well), four with the number of entries, and for each entry three
numbers of two bytes: an API key, and the first and last version of it that the broker understands.
"""

# %%
from minikafka.protocol.api import api_name

error_code, count = struct.unpack_from(">hi", body)
served = {}
for index in range(count):
    key, first, last = struct.unpack_from(">hhh", body, 6 + 6 * index)
    served[key] = (first, last)

figure, axes = plt.subplots(figsize=(7, 6))
for row, key in enumerate(sorted(served, reverse=True)):
    first, last = served[key]
    axes.barh(row, last - first + 0.8, left=first - 0.4, color=BLUE)
axes.set_yticks(
    range(len(served)), [f"{api_name(key)}  {key}" for key in sorted(served, reverse=True)], size=8
)
axes.set(xlabel="versions served", xticks=range(0, 20, 2))
axes.set_title("What the broker answers to the first question of every client", fontsize=10)
axes.grid(axis="x", alpha=0.3)

# %% [markdown]
"""
This answer is how the protocol has grown for many years without breaking anyone. A client compares
the table with what it knows itself and uses the highest version that both understand. New fields
come with new versions; old clients go on asking for old ones. The table in the broker is
`broker/handlers/table.py::SERVED_VERSIONS`, and it is also what leads a request to the function
that answers it: one API, one file in `broker/handlers/`.

What if the versions don't overlap? Then even the answer could not be read. So API 18 has a rule of
its own: an unknown version is answered in the layout of version 0.
"""

# %%
connection.sendall(request(api_key=18, version=99, correlation_id=8))
correlation_id, body = receive(connection)
error_code, count, *entry = struct.unpack_from(">hihhh", body)
print("error", error_code, "which is UNSUPPORTED_VERSION; of API 18 it has", entry[1:])

# %% [markdown]
"""
## Asking for something

API 3, Metadata, asks which topics there are and which broker has them. A text is its length (two
bytes) and its bytes; an array is its count (four bytes) and its elements. In version 0, with one
topic:
"""


# %%
def text(value):
    return struct.pack(">h", len(value)) + value.encode()


connection.sendall(request(3, 0, 9, struct.pack(">i", 1) + text("fruit")))
correlation_id, body = receive(connection)
body

# %% [markdown]
"""
You can read some of it with the naked eye: the host, the topic. (The broker has also *created* the
topic, since somebody asked for it; `auto.create.topics.enable=false` turns that off.) To take it
apart by hand would be tedious, and nobody does. The messages are declared once, as classes, and
functions that read and write them are generated:
"""

# %%
from minikafka.protocol.api.metadata import MetadataResponse
from minikafka.protocol.codec import decode

answer, _ = decode(MetadataResponse, memoryview(body), 0)
print(answer.brokers)
print(answer.topics)

# %% [markdown]
"""
One broker, 1, and the topic with its one partition. (What *leader*, *replicas* and *isr* are is the
subject of chapter 8; here they are all the same broker.) The declaration is in
`protocol/api/metadata.py::MetadataResponse`: a line a field, with the
versions that have it. Later versions write lengths as varints (you know them from chapter 3) and
may carry extra fields that old readers skip; `minikafka api Metadata` prints the fields of each
version.

## Several at once

A client need not wait for an answer before it sends the next request. That is what the correlation
id is for.
"""

# %%
all_topics = struct.pack(">i", 0)
connection.sendall(request(18, 0, 101) + request(3, 0, 102, all_topics) + request(18, 0, 103))
print([receive(connection)[0] for _ in range(3)])

# %% [markdown]
"""
The answers come in the order of the requests, always. So does their effect: whoever creates a topic
may write to it in the same breath. `broker/connection.py::Connection` keeps that order.

And what about nonsense? A broker must never trust a length that it is told. Here a frame claims to
have two gigabytes:
"""

# %%
connection.sendall(struct.pack(">i", 2**31 - 1) + b"???")
try:
    receive(connection)
except (EOFError, ConnectionError) as error:
    print("refused:", error)
connection.close()

# %% [markdown]
"""
The connection is closed, and nobody else notices. Each such bound is in [a
table](../docs/architecture.md#bounds).

## Listening in

What does a real client say? We put a listener between confluent-kafka and a broker. It passes every
byte on and notes, for each request, the API, when it came, and when its answer went back.
(`--advertise` makes the broker tell its clients the listener's address, otherwise they would go
past it: a broker says itself where it wants to be reached.)
"""

# %%
listener = socket.create_server(("127.0.0.1", 0))
here = "{}:{}".format(*listener.getsockname())
observed = Broker("--advertise", here)
heard = []  # one entry for each request: [connection, API key, version, began, ended]
origin = time.monotonic()


def listen():
    for number in range(100):
        client, _ = listener.accept()
        server = socket.create_connection(observed.address)
        waiting = {}
        for source, target, note in ((client, server, note_request), (server, client, note_answer)):
            threading.Thread(
                target=pass_on, args=(source, target, note, waiting, number), daemon=True
            ).start()


def pass_on(source, target, note, waiting, number):
    try:
        while True:
            length = read_exactly(source, 4)
            frame = read_exactly(source, *struct.unpack(">i", length))
            note(frame, waiting, number)
            target.sendall(length + frame)
    except (EOFError, OSError):
        target.close()


def note_request(frame, waiting, number):
    key, version, correlation_id = struct.unpack_from(">hhi", frame)
    entry = [number, key, version, time.monotonic() - origin, None]
    waiting[correlation_id] = entry
    heard.append(entry)


def note_answer(frame, waiting, number):
    (correlation_id,) = struct.unpack_from(">i", frame)
    waiting[correlation_id][4] = time.monotonic() - origin


threading.Thread(target=listen, daemon=True).start()

# %% [markdown]
"""
Now a client through it: it writes one record and reads it back.
"""

# %%
producer = confluent_kafka.Producer({"bootstrap.servers": here, "client.id": "observed"})
producer.produce("fruit", b"apples")
producer.flush(10)

consumer = confluent_kafka.Consumer(
    {"bootstrap.servers": here, "group.id": "unused", "enable.auto.commit": False}
)
consumer.assign([confluent_kafka.TopicPartition("fruit", 0, 0)])
print(consumer.poll(10).value())
consumer.poll(1.2)  # nothing more comes: the consumer waits
consumer.close()

COLORS = {"Produce": ORANGE, "Fetch": GREEN, "Metadata": BLUE, "ApiVersions": GREY}
figure, axes = plt.subplots(figsize=(10, 5))
end = time.monotonic() - origin
for row, (_, key, version, began, ended) in enumerate(heard):
    name = api_name(key)
    width = max((ended or end) - began, 0.004)
    is_pale = ended is None  # the client went away before there was an answer
    axes.barh(row, width, left=began, color=COLORS.get(name, RED), alpha=0.2 if is_pale else 1)
    axes.text(began + width + 0.02, row, f"{name} v{version}", va="center", size=8)
axes.set_yticks(range(len(heard)), [f"connection {each[0]}" for each in heard], size=7)
axes.invert_yaxis()
axes.set(xlabel="seconds", xlim=(heard[0][3] - 0.05, end + 0.4))
axes.set_title("Each request that confluent-kafka sent, from question to answer", fontsize=10)
axes.grid(axis="x", alpha=0.3)

# %% [markdown]
"""
Read it from the top. Every connection opens with ApiVersions, as yours did. Metadata tells where
the partition is. Produce carries the batch of chapter 3. Then come the consumer's connections. (A
client asks the one broker whose address it was given, the *bootstrap* server, for all others.) Pale
bars are questions that were given up when the client left. FindCoordinator is about groups, which
are the subject of chapter 7. And Fetch asks for records. The last of those bars are strikingly
long: those answers were held back for half a second. Nothing is wrong there. It is an idea, and
chapter 6 is about it.

## What to take along

- A frame is a length and a message. A request is an API key, a version, a correlation id, and a
  body.
- The first question is: what do you speak? All else is chosen from the answer.
- Answers come in the order of the requests.

## Exercises

**1.** Ask for an API that does not exist, say key 999. What should a broker do, and what does ours?

<details><summary>Solution</summary>

It cannot answer: it does not know what an answer would look like. So it closes the connection, as
Kafka does.

```python
connection = socket.create_connection(broker.address)
connection.sendall(request(999, 0, 1))
try:
    receive(connection)
    raise AssertionError("it was answered")
except (EOFError, ConnectionError):
    pass
```
</details>

**2.** Send `hello` one byte at a time. Does it still work?

<details><summary>Solution</summary>

```python
connection = socket.create_connection(broker.address)
for byte in hello:
    connection.sendall(bytes([byte]))
    time.sleep(0.005)
assert receive(connection)[0] == 7
```

Yes. `transport/framing.py::FrameReceiver` gathers what comes until a frame is whole, but not for
ever: a frame must be complete within 30 seconds, so that nobody holds memory by sending half of
one.
</details>

**3.** Start a broker that has learned no more than this chapter: `Broker("--chapter", "4")`. Ask it
what it speaks.

<details><summary>Solution</summary>

```python
young = Broker("--chapter", "4")
connection = socket.create_connection(young.address)
connection.sendall(hello)
_, body = receive(connection)
_, count = struct.unpack_from(">hi", body)
names = [api_name(struct.unpack_from(">h", body, 6 + 6 * index)[0]) for index in range(count)]
print(names)
assert "Metadata" in names and "Produce" not in names
```

`--chapter N` is the broker as far as chapter N has built it. With 5 it learns to take records, with
6 to hand them out.
</details>
"""
