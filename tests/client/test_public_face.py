"""The names that users import: documented, typed, and at no cost to a broker."""

import inspect
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import minikafka
from minikafka import serializers, sync

ROOT = Path(__file__).parent.parent.parent
PUBLIC_TYPES = Path(__file__).parent / "public_types.py"


@pytest.mark.parametrize("name", minikafka.__all__)
def test_every_public_name_is_there(name: str):
    assert getattr(minikafka, name).__name__ == name
    assert name in dir(minikafka)


def test_the_package_alone_imports_nothing_of_its_own():
    script = "import sys, minikafka; print([m for m in sys.modules if m.startswith('minikafka.')])"
    assert output_of(script) == "[]"


@pytest.mark.parametrize(
    "script",
    [
        "import minikafka.sync; print(minikafka.sync.Producer.__name__)",
        "from minikafka.sync import Producer; print(Producer.__name__)",
        "from minikafka import sync; print(sync.Producer.__name__)",
    ],
)
def test_the_blocking_face_has_a_door_of_its_own(script: str):
    assert output_of(script) == "Producer"


def output_of(script: str) -> str:
    """What a program prints."""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    return done.stdout.strip() + done.stderr


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'Konsumer'"):
        _ = minikafka.Konsumer  # pyright: ignore[reportAttributeAccessIssue]


def public_things() -> Iterator[tuple[str, Any]]:
    """Every name of the public faces, and the public methods of those that are classes."""
    for module in (minikafka, sync, serializers):
        for name in module.__all__:
            thing = getattr(module, name)
            yield f"{module.__name__}.{name}", thing
            if inspect.isclass(thing):
                for method, value in inspect.getmembers(thing, inspect.isfunction):
                    if not method.startswith("_") and value.__module__.startswith("minikafka"):
                        yield f"{module.__name__}.{name}.{method}", value


def test_every_public_name_says_what_it_does():
    undocumented = [name for name, thing in public_things() if not inspect.getdoc(thing)]
    assert undocumented == []


def test_every_public_function_says_its_types():
    untyped = [
        f"{name}({parameter.name})"
        for name, thing in public_things()
        if inspect.isfunction(thing)
        for parameter in inspect.signature(thing).parameters.values()
        if parameter.annotation is parameter.empty and parameter.name != "self"
    ]
    silent = [
        name
        for name, thing in public_things()
        if inspect.isfunction(thing)
        and inspect.signature(thing).return_annotation is inspect.Signature.empty
    ]
    assert untyped + silent == []


def test_a_strict_type_checker_sees_the_types_of_both_faces(tmp_path: Path):
    (tmp_path / "minikafka").symlink_to(ROOT)
    program = tmp_path / "program.py"
    program.write_text(PUBLIC_TYPES.read_text())
    config = {"include": ["program.py"], "extraPaths": ["."], "typeCheckingMode": "strict"}
    (tmp_path / "pyrightconfig.json").write_text(json.dumps(config))
    checker = [sys.executable, "-m", "basedpyright", "--outputjson", "-p", str(tmp_path)]
    done = subprocess.run(checker, capture_output=True, text=True, timeout=120)
    found = json.loads(done.stdout)["generalDiagnostics"]
    complaints = {each["range"]["start"]["line"]: each["message"] for each in found}
    lines = program.read_text().splitlines()
    wrong = {number for number, line in enumerate(lines) if line.endswith("# wrong")}
    assert set(complaints) == wrong, complaints
