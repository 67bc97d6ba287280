# %% [markdown]
"""
# 10. The two labs

You have seen every part. This chapter asks what the whole is good for, with two experiments. The
first: what does a queue do for a service that gets more requests than it can handle? The second:
the queue is there, but the work behind it is slow; do more threads help?

Both were the beginning of this project. At full size they run for minutes (`minikafka lab
load-levelling`, `minikafka lab workers`); here they are small, and you can change them. (There is a
third, `minikafka lab cluster`. It draws what chapters 8 and 9 told.)
"""

# %%
try:
    import confluent_kafka
    import kafka
    import matplotlib.pyplot as plt

    from minikafka.tutorials.classroom import BLUE, GREEN, GREY, ORANGE, Broker
except ImportError as error:
    raise SystemExit(f"{error}. In the checkout, run: pip install -e '.[notebooks]'") from None

import inspect
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

broker = Broker()

# %% [markdown]
"""
## Lab 1: a burst

A service can do 100 requests a second. For two seconds, 200 a second arrive. A client gives up
after 0.7 seconds. Two ways to build it:

- **direct**: the service does the work, then answers.
- **queued**: the service writes the request to a topic, waits for the acknowledgement, and answers
  *accepted*. Workers read the topic at their own pace.

The lab is a part of the package: `tutorials/labs/load_levelling.py::Run` starts the service, the
load and the workers as processes of their own, and accounts for every single request.
"""

# %%
from minikafka.tutorials.labs.load_levelling import Plan, Run

plan = Plan(rate=200, seconds=2, timeout_s=0.7, work_ms=20)


async def measure(mode):
    directory = Path(tempfile.mkdtemp())
    return await Run(plan, mode, broker.bootstrap, directory, lambda *_: None).measure()


reports = {mode: await measure(mode) for mode in ("direct", "queued")}
for mode, report in reports.items():
    account = report.account
    print(
        f"{mode}: {account.sent} sent, {account.answered} answered in time, "
        f"{account.finished} finished, {account.lost} lost"
    )

# %%
figure, axes = plt.subplots(2, 2, figsize=(10, 4.6), sharex=True, layout="constrained")
for column, (mode, report) in enumerate(reports.items()):
    curves = report.curves
    times = [index * curves.interval_s for index in range(len(curves.depth))]
    rates, depth = axes[0][column], axes[1][column]
    for values, color, label in (
        (curves.offered_per_s, GREY, "offered"),
        (curves.answered_per_s, BLUE, "answered in time"),
        (curves.finished_per_s, GREEN, "finished"),
    ):
        rates.step(times, values, color=color, where="post", label=label)
    rates.axhline(plan.capacity, color=GREEN, linestyle=":")
    depth.fill_between(times, curves.depth, color=BLUE, alpha=0.4)
    rates.set(title=mode, ylabel="a second")
    depth.set(xlabel="seconds", ylabel="waiting inside")
axes[0][0].legend(fontsize=8)
axes[0][0].margins(x=0)

# %% [markdown]
"""
Compare the columns. In both the service works as fast as it can (green, at the dotted line). The
direct one falls behind, and soon every request has waited so long that its client is gone when the
answer comes: work is done for nobody. The queued one answers everybody at once, the queue grows
while the burst lasts, and afterwards the workers drain it. Nothing is lost.

The queue did not make the service faster. It moved the waiting from the clients to a log. That is
worth a lot if the work may be done later (a mail to send, a picture to shrink), and nothing if the
client needs the result. And if more comes in than can be done not for a minute but for ever, no
queue helps: it only grows.

## Lab 2: slow work

Now the other side. Records wait in a topic, and each takes 2 ms of work, most of it spent waiting
for something, as for a database. How should a worker go about it?

A `Worker` runs a function on each record. How many at once is one argument: `Pool(5, 10)` has five
threads, and up to ten when they don't suffice. The records come from confluent-kafka; the producer
neither knows nor cares who works for them.
"""

# %%
from minikafka import Consumer, Inline, Pool, ThreadPerRecord, Worker


def fill(topic, count):
    producer = confluent_kafka.Producer({"bootstrap.servers": broker.bootstrap})
    for number in range(count):
        producer.produce(topic, b"%d" % number, key=b"%d" % number)
    producer.flush(10)


WORK_S = 0.002
times = []  # when each record's work began


def wait_a_little(record):
    times.append(time.perf_counter())
    time.sleep(WORK_S)


async def records_per_second(topic, concurrency, count):
    fill(topic, count)
    consumer = Consumer(
        topic,
        bootstrap_servers=broker.bootstrap,
        group_id=f"workers of {topic}",
        auto_offset_reset="earliest",
    )
    async with Worker(consumer, wait_a_little, concurrency=concurrency) as worker:
        times.clear()
        await worker.run(until=lambda statistics: statistics.done >= count)
        return count / (times[-1] + WORK_S - times[0])


sizes = [1, 2, 5, 10, 20, 50]
pools = [
    await records_per_second(f"pool-{size}", Pool(size, size), 20 * size + 40) for size in sizes
]
inline = await records_per_second("inline", Inline(), 60)
threads = await records_per_second("threads", ThreadPerRecord(20), 400)

# %%
figure, axes = plt.subplots(figsize=(7, 3.2))
axes.plot(sizes, pools, "o-", color=BLUE, label="a pool of so many threads")
axes.plot([20], [threads], "s", color=ORANGE, label="a new thread for each record, 20 at once")
axes.axhline(inline, color=GREY, linestyle=":", label="one after the other")
ideal = [size / WORK_S for size in sizes]
axes.plot(sizes, ideal, "--", color=GREY, label="if more threads cost nothing")
axes.set(xlabel="threads", ylabel="records a second", xscale="log", yscale="log")
axes.set_xticks(sizes, labels=sizes)
axes.set_title("Work that waits for 2 ms", fontsize=10)
axes.legend(fontsize=8)
axes.grid(alpha=0.3)

# %% [markdown]
"""
With work that waits, ten threads wait nearly ten times as well as one. Somewhere further to the
right the line leaves the dashed one: this is the *elbow*. From there on the time goes elsewhere,
into switching threads and into Python's lock, and more threads are only more to look after. Where
it lies depends on the machine, and on what else it does. The orange square pays for making and
ending a thread with each record.

Now let the work be computing instead of waiting, and try processes beside threads. How fast that is
depends on what else your machine does. So we measure something that does not: how many processors
are *kept busy*, which is the processor time that was used, divided by the time that passed.
"""


# %%
def compute(count):
    number = 1
    for _ in range(count):
        number = number * 31 % 1_000_003


COUNT = 1_500_000
PROGRAM = f"""
import time
{inspect.getsource(compute)}
print("ready", flush=True)
input()
began, used = time.time(), time.process_time()
compute({COUNT})
print(began, time.time(), time.process_time() - used)
"""


def kept_busy_by_threads(threads):
    began, used = time.time(), time.process_time()
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(compute, [COUNT] * threads))
    return (time.process_time() - used) / (time.time() - began)


def kept_busy_by_processes(processes):
    command = [sys.executable, "-c", PROGRAM]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    children = [subprocess.Popen(command, **pipes) for _ in range(processes)]
    for child in children:
        child.stdout.readline()  # until all are ready
    with ThreadPoolExecutor(processes) as pool:  # then let them go, all at once
        said = list(pool.map(lambda child: child.communicate("go\n")[0], children))
    began, ended, used = zip(*(map(float, line.split()) for line in said), strict=True)
    return sum(used) / (max(ended) - min(began))


busy = {
    "1 thread": kept_busy_by_threads(1),
    "4 threads": kept_busy_by_threads(4),
    "4 processes": kept_busy_by_processes(4),
}
figure, axes = plt.subplots(figsize=(6, 2.8))
bars = axes.bar(list(busy), list(busy.values()), color=[GREY, BLUE, ORANGE])
axes.bar_label(bars, fmt="{:.2f}", fontsize=8)
axes.axhline(1, color=GREY, linestyle=":")
axes.set(ylabel="processors kept busy")
axes.set_title(f"Work that computes, on {os.cpu_count()} processors", fontsize=10)
axes.margins(y=0.15)

# %% [markdown]
"""
Python lets one thread compute at a time (its *interpreter lock*). So threads, however many, stay
below the dotted line, which is one processor; more of them do not compute faster. Processes have a
lock each, and may pass the line as far as there are processors that have nothing else to do. On a
busy machine all bars are low, for others want processors too.

A `Worker` takes `Processes(4)` in place of a pool. What the four ways do to records is in the full
lab; its table, and where it differs from the original experiment, is on [the lab's
page](../docs/labs/workers.md).

## What if the work fails?

A record that cannot be worked for must not stop all those behind it. The worker tries again, and
then puts it aside into a *dead letter topic*, with the reason in its headers. There any client can
read it:
"""


# %%
def picky(record):
    if record.value == b"7":
        raise ValueError("I don't like sevens")


fill("mail", 10)
consumer = Consumer(
    "mail", bootstrap_servers=broker.bootstrap, group_id="picky", auto_offset_reset="earliest"
)
async with Worker(
    consumer, picky, dead_letter_topic="mail.dead", max_attempts=2, retry_backoff_ms=20
) as worker:
    await worker.run(until=lambda statistics: statistics.done + statistics.failed >= 10)

reader = kafka.KafkaConsumer(
    "mail.dead", bootstrap_servers=broker.bootstrap, auto_offset_reset="earliest"
)
letter = next(iter(reader))
print(letter.value, dict(letter.headers))
reader.close()

# %% [markdown]
"""
## What to take along

- A queue turns too much at once into a little later. It adds no capacity.
- Work that waits wants threads; work that computes wants processes; both have an elbow.
- What fails again and again is put aside, not in the way.

And with that you have built a broker, from a file to a cluster, and know what it is for. The source
is small enough to read: [the tour](../docs/architecture.md) begins where a record begins.

## Exercises

**1.** Change the plan: `timeout_s=10`. The direct service now answers everybody. Has it become as
good as the queue?

<details><summary>Solution</summary>

The clients wait for seconds, each holding a connection and memory, and if the service is restarted
in the meantime, all that waits in it is gone. With the queue the clients are free, and a restart
loses nothing.
</details>

**2.** Find the elbow of *your* machine, for work that waits 1 ms and for work that waits 50 ms. Why
do they differ?

<details><summary>Solution</summary>

```python
WORK_S = 0.05
print([round(await records_per_second(f"long-{size}", Pool(size, size), 60)) for size in (5, 20)])
```

A thread that waits 50 ms needs the lock for a tiny part of its time, so many more of them fit side
by side. Roughly: (time of the whole work) / (time that needs the lock) threads are of use.
</details>

**3.** The worker promises that the records of one *key* are worked for in order, and still does
many at once. How can both be? What if all records have the same key?

<details><summary>Solution</summary>

It hands out a record only when the one before it with the same key is done; others go on
(`client/work_ledger.py::WorkLedger`). With a single key there is only one line, and all threads but
one are idle:

```python
producer = confluent_kafka.Producer({"bootstrap.servers": broker.bootstrap})
for number in range(5):
    producer.produce("one-key", b"%d" % number, key=b"always the same")
producer.flush(10)
seen = []
consumer = Consumer(
    "one-key", bootstrap_servers=broker.bootstrap, group_id="g", auto_offset_reset="earliest"
)


def note(record):
    seen.append(record.offset)


async with Worker(consumer, note, concurrency=Pool(5, 5)) as worker:
    await worker.run(until=lambda statistics: statistics.done >= 5)
assert seen == [0, 1, 2, 3, 4]
```
</details>
"""
