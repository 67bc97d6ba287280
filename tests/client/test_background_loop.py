"""The loop behind the blocking face: interrupted, left open, forked."""

import os
import signal
import subprocess
import sys
import textwrap

import pytest

from minikafka import NewTopic, TopicPartition
from minikafka.client.background_loop import background_loop
from minikafka.sync import AdminClient, Consumer

from ..nodes import NodeProcess

PROGRAM_DEADLINE_S = 60.0


def create(broker: NodeProcess, topic: str) -> None:
    """A topic with one partition."""
    with AdminClient(bootstrap_servers=broker.bootstrap) as admin:
        admin.create_topics([NewTopic(topic, 1, 1)])


def test_a_process_has_one_loop_and_it_hands_back_results_and_errors():
    async def twice(number: int) -> int:
        if number < 0:
            raise ValueError("below 0")
        return number * 2

    loop = background_loop()
    assert loop is background_loop()
    assert loop.run(twice(21)) == 42
    with pytest.raises(ValueError, match="below 0"):
        loop.run(twice(-1))


def run(program: str, broker: NodeProcess) -> "subprocess.Popen[str]":
    """Start a program in which BOOTSTRAP is the broker's address."""
    text = f"BOOTSTRAP = {broker.bootstrap!r}\n{textwrap.dedent(program)}"
    command = [sys.executable, "-W", "error", "-c", text]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_what_was_sent_is_delivered_at_exit_though_nobody_closed(shared_broker: NodeProcess):
    program = """
        from minikafka.sync import Producer
        producer = Producer(bootstrap_servers=BOOTSTRAP, linger_ms=1000).start()
        for number in range(100):
            producer.send("sync-exit", b"v")
    """
    create(shared_broker, "sync-exit")
    output, errors = run(program, shared_broker).communicate(timeout=PROGRAM_DEADLINE_S)
    assert (output, errors) == ("", "")
    with Consumer(bootstrap_servers=shared_broker.bootstrap) as consumer:
        assert consumer.end_offsets([("sync-exit", 0)]) == {TopicPartition("sync-exit", 0): 100}


def test_a_member_that_was_left_open_commits_and_leaves_at_exit(shared_broker: NodeProcess):
    program = """
        from minikafka import RebalanceListener
        from minikafka.sync import Consumer, Producer
        with Producer(bootstrap_servers=BOOTSTRAP) as producer:
            producer.send_many("sync-left", [b"v"] * 3)
        consumer = Consumer(
            bootstrap_servers=BOOTSTRAP, group_id="left", auto_offset_reset="earliest"
        ).start()
        consumer.subscribe(["sync-left"], listener=RebalanceListener())
        print(len(consumer.getmany(timeout_ms=30_000, max_records=3)))
    """
    create(shared_broker, "sync-left")
    output, errors = run(program, shared_broker).communicate(timeout=PROGRAM_DEADLINE_S)
    assert (output, errors.partition(":")[0]) == (
        "1\n",
        "Consumer was left open, and closing it at exit failed",
    )
    with AdminClient(bootstrap_servers=shared_broker.bootstrap) as admin:
        assert admin.list_group_offsets("left")[TopicPartition("sync-left", 0)].offset == 3
        assert admin.describe_groups(["left"])["left"].state == "Empty"


@pytest.mark.parametrize("wait", ["next(iter(consumer))", "consumer.getone(timeout_ms=60_000)"])
def test_ctrl_c_ends_a_wait(shared_broker: NodeProcess, wait: str):
    program = f"""
        from minikafka.sync import Consumer
        with Consumer("sync-empty", bootstrap_servers=BOOTSTRAP) as consumer:
            try:
                print("waits", flush=True)
                {wait}
            except KeyboardInterrupt:
                print("interrupted", consumer.position(("sync-empty", 0)))
    """
    process = run(program, shared_broker)
    assert process.stdout is not None
    assert process.stdout.readline() == "waits\n"
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=PROGRAM_DEADLINE_S)
    assert (output, errors) == ("interrupted 0\n", "")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_forked_child_makes_clients_of_its_own(shared_broker: NodeProcess):
    program = """
        import os, warnings
        warnings.simplefilter("ignore", DeprecationWarning)
        from minikafka.client.errors import ClientNotRunning
        from minikafka.sync import Producer
        with Producer(bootstrap_servers=BOOTSTRAP) as producer:
            print(producer.send_and_wait("sync-fork", b"parent").offset, flush=True)
            child = os.fork()
            if not child:
                try:
                    producer.send("sync-fork", b"lost")
                except ClientNotRunning as error:
                    print(error, flush=True)
                with Producer(bootstrap_servers=BOOTSTRAP) as own:
                    print(own.send_and_wait("sync-fork", b"child").offset, flush=True)
                os._exit(0)
            os.waitpid(child, 0)
            print(producer.send_and_wait("sync-fork", b"parent").offset, flush=True)
    """
    create(shared_broker, "sync-fork")
    output, errors = run(program, shared_broker).communicate(timeout=PROGRAM_DEADLINE_S)
    sentence = "this client was made before the process forked: make a new one in the child"
    assert (output, errors) == (f"0\n{sentence}\n1\n2\n", "")
