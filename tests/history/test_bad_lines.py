"""Whatever a file has in it, the answer is a report or the line that is wrong."""

import contextlib
import json
from random import Random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from minikafka.history.check import check
from minikafka.history.event import MalformedHistory, format_event, parse_events
from minikafka.history.evidence import Promises

from .model import Model
from .scenes import did, history

GROUPS = history(
    did(900, "assign", value={"keys": ["t-0"], "group": "g", "generation": 1, "member": "m"}),
    did(901, "replica", value={"node": 1, "logs": {"t-0": {"high_watermark": 1, "records": []}}}),
)
ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-2, 5)
    | st.floats()
    | st.sampled_from(["", "t-0", "g"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["t-0", "keys", "group", "offsets", "logs"]), inner)
    ),
    max_leaves=6,
)


def replaced(value: Any, random: Random, new: Any) -> Any:
    """The same with one part of it, anywhere, replaced."""
    if isinstance(value, list) and value and random.random() < 0.8:
        place = random.randrange(len(value))
        return [replaced(each, random, new) if n == place else each for n, each in enumerate(value)]
    if isinstance(value, dict) and value and random.random() < 0.8:
        name = random.choice(sorted(value))
        return {**value, name: replaced(value[name], random, new)}
    return new


@settings(max_examples=400, deadline=None)
@given(st.integers(0, 2**32), ANYTHING)
def test_a_history_with_a_part_replaced_is_judged_or_refused(seed: int, new: Any) -> None:
    random = Random(seed)
    model = Model(random, 30).events
    events = GROUPS + [each._replace(i=each.i + 10, time_s=each.time_s + 10) for each in model]
    lines = [format_event(each) for each in events]
    place = random.randrange(len(lines))
    lines[place] = json.dumps(replaced(json.loads(lines[place]), random, new))
    with contextlib.suppress(MalformedHistory):
        check(parse_events(lines), Promises(copies_to="t")).text()
