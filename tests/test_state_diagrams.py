"""The pictures of states come from docstrings, and name the states that the code has."""

from typing import Any

import pytest

from minikafka.broker.controller import raft
from minikafka.broker.group import group

from .state_diagrams import ANY, transitions

TABLE = """A machine.

    from          by                to
    Cold, Warm,
      Hot         a blow            Broken
    Cold          heat: a little    Warm
                  heat              Hot
    any           the end           Gone

    from          by                to
    Broken        another table     Mended
"""


def test_a_table_becomes_its_transitions() -> None:
    assert list(transitions(TABLE)) == [
        ("Cold", "a blow", "Broken"),
        ("Warm", "a blow", "Broken"),
        ("Hot", "a blow", "Broken"),
        ("Cold", "heat, a little", "Warm"),
        ("Cold", "heat", "Hot"),
        (ANY, "the end", "Gone"),
    ]


@pytest.mark.parametrize("module", [group, raft])
def test_the_tables_name_the_states_that_the_code_has(module: Any) -> None:
    found = list(transitions(module.__doc__))
    named = {state for start, _, to in found for state in (start, to)} - {ANY}
    assert named == {state.value for state in module.State}
