"""A process that attacks.

    python -m tests.hostile.attacker PORT CONTROL_PORT SECONDS SEED KIND...

Prints the tally as JSON. It runs at a lower priority: it stands for other machines, which would
not take the node's processor.
"""

import asyncio
import json
import os
import sys
from collections import Counter
from random import Random

from .attacks import ATTACKS, Attack, Target
from .peer import Tally, raise_file_limit

NICE = 10
DATA_TOPIC, GOOD_TOPIC, OPEN_TOPIC, COMPACTED_TOPIC = "data", "good", "open", "compacted"


async def attack(target: Target, kinds: list[Attack], seconds: float) -> Tally:
    """All of these kinds at once, for so long."""
    tally: Tally = Counter()
    if not kinds:
        await asyncio.sleep(seconds)  # Nobody attacks, so that there is something to compare with.
        return tally
    attacks = [asyncio.ensure_future(kind(target, tally)) for kind in kinds]
    done, pending = await asyncio.wait(
        attacks, timeout=seconds, return_when=asyncio.FIRST_EXCEPTION
    )
    for each in pending:
        each.cancel()
    if pending:
        await asyncio.wait(pending)
    for each in done:
        each.result()
    return tally


def main(port: str, control_port: str, seconds: str, seed: str, *kinds: str) -> None:
    """Attack, and say what came of it."""
    os.nice(NICE)
    raise_file_limit()
    target = Target(
        ("127.0.0.1", int(port)),
        DATA_TOPIC,
        GOOD_TOPIC,
        OPEN_TOPIC,
        COMPACTED_TOPIC,
        Random(int(seed)),
        ("127.0.0.1", int(control_port)),
    )
    tally = asyncio.run(attack(target, [ATTACKS[kind] for kind in kinds], float(seconds)))
    print(json.dumps(tally))


if __name__ == "__main__":
    main(*sys.argv[1:])
