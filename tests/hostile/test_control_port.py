"""While the control port is attacked, a node of the cluster is answered, on old and new links."""

import asyncio
import sys
import time
from pathlib import Path
from random import Random

from minikafka.broker.controller.greeting import ClusterSecret
from minikafka.broker.controller.link import Link
from minikafka.broker.controller.unavailable import ControllerUnavailable
from minikafka.protocol.control import CreateOffsetsTopic, Done

from ..nodes import NodeProcess, free_ports

ATTACK_S = 6
SECRET = b"a secret of sixteen bytes and more"
PATIENCE_S = 10.0


async def answer(link: Link) -> None:
    """Ask until it is answered: a new connection may be driven out before it has greeted."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            try:
                assert isinstance(await link.ask(CreateOffsetsTopic(), 2000), Done)
                return
            except ControllerUnavailable:
                await asyncio.sleep(0.01)


async def ask_all_the_while(node: NodeProcess, attacker: asyncio.subprocess.Process) -> int:
    """How many questions were answered on a new link each; the old one is never lost."""
    cluster_id = ""

    def link() -> Link:
        address = ("127.0.0.1", node.control_port)
        return Link(address, lambda: cluster_id, lambda _: None, ClusterSecret(SECRET), Random(1))

    old, answered = link(), 0
    await old.who_votes(5000)
    cluster_id = old._their_cluster_id
    while attacker.returncode is None:
        assert isinstance(await old.ask(CreateOffsetsTopic(), int(PATIENCE_S * 1000)), Done)
        new = link()
        await answer(new)
        new.close()
        answered += 1
    old.close()
    return answered


def test_a_node_is_answered_while_the_control_port_is_attacked(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(SECRET)
    secret.chmod(0o600)
    port, control_port = free_ports(2)
    node = NodeProcess(
        tmp_path / "node-1",
        *("--voters", f"1@127.0.0.1:{control_port}", "--cluster-secret-file", str(secret)),
        port=port,
        control_port=control_port,
    ).start()

    async def attack() -> int:
        command = ["-m", "tests.hostile.attacker", str(port), str(control_port), str(ATTACK_S), "1"]
        attacker = await asyncio.create_subprocess_exec(
            sys.executable, *command, "control plane", stdout=asyncio.subprocess.PIPE
        )
        try:
            return await ask_all_the_while(node, attacker)
        finally:
            await attacker.communicate()

    try:
        began_s = time.monotonic()
        assert asyncio.run(attack()) > 0
        assert time.monotonic() - began_s >= ATTACK_S
        assert node.is_running
        assert "Traceback" not in node.log
        assert "the oldest stranger's is closed" in node.log
        assert node.stop() == 0
    finally:
        node.kill()
