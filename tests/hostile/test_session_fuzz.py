"""Connections that begin well and turn hostile: after each of them a good client is served.

Every session has a number, from which all of its steps follow: a failure names it, and
`run_session(address, topic, NUMBER, Counter())` repeats it.
"""

import os
from collections import Counter
from pathlib import Path

from ..broker.in_process import ServedNode, batch_of, serving
from .session_fuzz import BEFORE, LAST, run_session

SESSIONS = int(float(os.environ.get("MINIKAFKA_HOSTILE_SECONDS", "5")) * 30)
TOPIC = "fuzzed"


async def test_a_good_client_is_served_after_every_session(tmp_path: Path) -> None:
    steps: Counter[str] = Counter()
    async with serving(tmp_path, flush="os") as node:
        await node.create(TOPIC)
        await node.create("good")
        for number in range(SESSIONS):
            try:
                steps.update(await run_session(node.address, TOPIC, number, Counter()))
                await _is_served(node, number)
            except Exception as error:
                raise AssertionError(f"session {number}") from error
        server = node.node._server
        assert server.buffers.taken_bytes == 0
        assert server._memory_bytes == 0
    assert set(steps) == {step.__name__ for step in (*BEFORE, *LAST)}


async def _is_served(node: ServedNode, number: int) -> None:
    value = b"after session %d" % number
    answer = await node.produce("good", batch_of(value))
    assert answer.error_code == 0
    assert answer.base_offset == number
    (record,) = await node.records("good", number)
    assert record.value == value
