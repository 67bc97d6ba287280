"""The accounts of an admin client: every method of it is tested, or left out for a reason."""

from collections.abc import Mapping


def check_accounted_for(
    client_class: type,
    tested: Mapping[str, str],
    left_out: Mapping[str, str],
    module: Mapping[str, object],
) -> None:
    """Each public method is in one of the two tables, and each that is tested has its test.

    A key of `left_out` may name several methods.
    """
    methods = {
        name
        for name in dir(client_class)
        if not name.startswith("_") and callable(getattr(client_class, name))
    }
    without_test = {name for names in left_out for name in names.split(", ")}
    assert not without_test & tested.keys()
    assert methods == without_test | tested.keys()
    for name in tested:
        assert any(_is_named_for(test, name) for test in module), f"{name} has no test"


def _is_named_for(test: str, method: str) -> bool:
    """As test_METHOD, test_METHOD_as_it_should or test_ANOTHER_and_METHOD are."""
    parts = test.removeprefix("test_").split("_and_")
    return any(part == method or part.startswith(f"{method}_") for part in parts)
