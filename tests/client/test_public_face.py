"""The names that users import, and what importing them costs a broker: nothing."""

import subprocess
import sys

import pytest

import minikafka


@pytest.mark.parametrize("name", minikafka.__all__)
def test_every_public_name_is_there(name: str):
    assert getattr(minikafka, name).__name__ == name
    assert name in dir(minikafka)


def test_the_package_alone_imports_nothing_of_its_own():
    script = "import sys, minikafka; print([m for m in sys.modules if m.startswith('minikafka.')])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout.strip() == "[]"


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'Konsumer'"):
        _ = minikafka.Konsumer  # pyright: ignore[reportAttributeAccessIssue]
