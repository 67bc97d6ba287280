"""A quorum of three or five controllers without brokers, under the faults of a cluster.

Commands are submitted one after the other on each node, each a record with a number of its own.
What was answered must be in everybody's log in the end, once and in an order that real time allows.
"""

import asyncio
from dataclasses import dataclass
from math import inf
from random import Random
from typing import Any

from minikafka.broker.config import BrokerConfig
from minikafka.broker.controller.decide import Decision
from minikafka.broker.controller.metadata_log import unpack

from .loop import SimulatedLoop
from .machine import Machine
from .nemesis import Nemesis
from .process import Process
from .setup import FAULTS, Setup
from .voter import VoterNode
from .watch import Watch
from .world import CONTROL_PORT, NotInTime, node_host

QUORUM_FAULTS = tuple(each for each in FAULTS if each not in ("bad-disk", "full-disk", "client"))
LIVENESS_S = 30.0


@dataclass(slots=True)
class Submitted:
    """A command, and how it was answered."""

    number: int
    began_s: float
    ended_s: float = inf
    is_done: bool = False


class QuorumWorld:
    """See the module."""

    def __init__(self, seed: int) -> None:
        random = Random(f"quorum {seed}")
        nodes = random.choice((3, 3, 5))
        faults = tuple(each for each in QUORUM_FAULTS if random.random() < 0.5) or ("kill",)
        self.setup = Setup(seed, nodes=nodes, faults=faults, safety_s=30.0)
        self.loop = SimulatedLoop(Random(f"loop {seed}"))
        network = self.loop.network
        network.delay_s, network.jitter_s = random.choice((0.0005, 0.005)), 0.01
        network.split = random.choice((0.0, 0.3))
        voters = ",".join(f"{i}@{node_host(i)}:{CONTROL_PORT}" for i in range(1, nodes + 1))
        self.machines = [self._machine(seed, node_id, voters) for node_id in range(1, nodes + 1)]
        self.watch = Watch(self.machines)
        self.nemesis = Nemesis(self.loop, self.setup, self.machines, [], random, self.watch)
        self.submitted: list[Submitted] = []
        self.violations: list[str] = []
        self._random = random
        self._by_name = {each.name: each for each in self.machines}
        self.loop.after_turn = self._look
        self.loop.set_exception_handler(
            lambda _, context: self.violations.append(
                f"{context['message']}: {context.get('exception')!r}"
            )
        )

    def _machine(self, seed: int, node_id: int, voters: str) -> Machine:
        config = BrokerConfig(
            node_id=node_id,
            listen=f"{node_host(node_id)}:9092",
            controller_listen=f"{node_host(node_id)}:{CONTROL_PORT}",
            data_dir="/srv/minikafka",
            voters=voters,
        )
        dice = Random(f"node {node_id} {seed}")
        machine = Machine(self.loop, node_host(node_id), config, dice, VoterNode)
        machine.on_end = lambda ended, reason: self.violations.append(f"{ended.name}: {reason}")
        return machine

    def _look(self, processes: list[Process]) -> None:
        for process in processes:
            machine = self._by_name.get(process.name.partition(".")[0])
            if machine is not None and machine.process is process:
                self.watch.look(machine)

    def run(self) -> list[str]:
        """Live; what was found."""
        try:
            asyncio.set_event_loop(self.loop)
            self.loop.run_until_complete(self._main())
        except NotInTime as error:
            self.violations.append(str(error))
        finally:
            asyncio.set_event_loop(None)
            self.loop.end()
        return [*self.watch.violations, *self.violations]

    async def _main(self) -> None:
        for machine in self.machines:
            machine.start()
        asking = self.loop.create_task(self._submit_regularly())
        await asyncio.sleep(5)
        await self.nemesis.run(self.setup.safety_s)
        self.nemesis.heal()
        give_up_s = self.loop.now_s + LIVENESS_S
        after = len(self.submitted)
        while not (any(each.is_done for each in self.submitted[after:]) and self._agree()):
            if self.loop.now_s > give_up_s:
                raise NotInTime(f"no agreement {LIVENESS_S:.0f} s after all was healed")
            for machine in self.machines:
                if not machine.is_on:
                    machine.start()
            if self.loop.now_s > give_up_s - LIVENESS_S / 2:
                asking.cancel()
            await asyncio.sleep(0.2)
        asking.cancel()
        self._check()

    async def _submit_regularly(self) -> None:
        number = 0
        while True:
            await asyncio.sleep(self._random.random() * 0.1)
            machine = self._random.choice(self.machines)
            if machine.is_ready and machine.process is not None and not machine.process.is_paused:
                number += 1
                machine.process.create_task(self._submit(machine.node, number))

    async def _submit(self, node: Any, number: int) -> None:
        record = {"type": "ProducerIdsReserved", "broker_id": 1, "next_producer_id": number}
        submitted = Submitted(number, self.loop.now_s)
        self.submitted.append(submitted)
        decision = await node._controller.submit(lambda image: Decision([record]))
        if not decision.error_code:
            submitted.is_done, submitted.ended_s = True, self.loop.now_s

    def _agree(self) -> bool:
        ends = {
            (machine.node._controller.committed_offset, machine.node._controller.end_offset)
            for machine in self.machines
            if machine.is_ready
        }
        return len(ends) == 1 and all(machine.is_ready for machine in self.machines)

    def _check(self) -> None:
        for machine in self.machines:
            controller, at = machine.node._controller, dict[int, int]()
            for _, record in controller.committed(0):
                change = unpack(record)
                if change["type"] == "ProducerIdsReserved":
                    if change["next_producer_id"] in at:
                        self.violations.append(f"twice: {change} on {machine.name}")
                    at[change["next_producer_id"]] = record.offset
            done = [each for each in self.submitted if each.is_done]
            for each in done:
                if each.number not in at:
                    self.violations.append(f"lost: {each} on {machine.name}")
            self._check_order([each for each in done if each.number in at], at)

    def _check_order(self, done: list[Submitted], at: dict[int, int]) -> None:
        moments = [(each.began_s, 0, each.number) for each in done]
        moments += [(each.ended_s, 1, each.number) for each in done]
        furthest = -1
        for _, is_end, number in sorted(moments):
            if is_end:
                furthest = max(furthest, at[number])
            elif at[number] < furthest:
                self.violations.append(f"disordered: {number} at {at[number]} after {furthest}")
