"""The mutations fit the code as it is; whether they are found, `make mutants` tells."""

import ast

import pytest

from .__main__ import COPIED, ROOT
from .mutations import MUTATIONS, Mutation


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda one: one.name)
def test_a_mutation_fits_the_code_and_names_tests_that_exist(mutation: Mutation) -> None:
    source = (ROOT / mutation.path).read_text()
    mutated = mutation.apply(source)
    assert ast.dump(ast.parse(mutated)) != ast.dump(ast.parse(source))
    assert mutation.path.split("/")[0] in COPIED
    for test in mutation.tests:
        path, _, name = test.partition("[")[0].partition("::")
        assert f"def {name}(" in (ROOT / path).read_text() if name else (ROOT / path).exists()


def test_names_tell_mutations_apart() -> None:
    assert len({one.name for one in MUTATIONS}) == len(MUTATIONS)


def test_a_mutation_that_no_longer_fits_is_told() -> None:
    stale = Mutation("stale", "broker/node.py", (("no such text", ""),), ())
    with pytest.raises(ValueError, match="0 times"):
        stale.apply("class Node:")
