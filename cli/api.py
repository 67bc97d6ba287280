"""`minikafka api`: the APIs that this broker serves, and what their messages carry by version.

    minikafka api                     broker/handlers/table.SERVED_VERSIONS
    minikafka api Fetch               the declarations in protocol/api/fetch
    minikafka api Fetch --source 12   what protocol/compiler makes of them

It asks no broker: what a running one serves is a check of `minikafka doctor`.
"""

from collections.abc import Iterator
from difflib import get_close_matches
from importlib import import_module
from typing import Any, Final

import click

from ..broker.handlers.table import SERVED_VERSIONS
from ..protocol.api import API_MODULES, api_name, request_class, response_class
from ..protocol.codec import source
from ..protocol.primitives import ZERO_UUID, Fixed, Variable
from ..protocol.schema import ZERO, Array, FieldDeclaration, FieldType, Versions, schema_of
from .session import output_option
from .table import show

LIST_COLUMNS: Final = ("key", "api", "versions", "flexible_from", "what_it_asks")
SOURCE_COLUMNS: Final = ("message", "version", "source")
FIELD_COLUMNS: Final = ("field", "type", "versions", "null", "tag", "default")

FieldRow = tuple[tuple[str, ...], str, str, str | None, int | None, Any]
"""A field's path in its message, then what FIELD_COLUMNS says."""


@click.command()
@click.argument("name", required=False)
@click.option("--source", "version", type=int, metavar="V", help="The code made for version V.")
@output_option
def api(name: str | None, version: int | None, output: str) -> None:
    """List the APIs served; with a NAME or key, that one's messages, field by field.

    \b
    Examples:
      minikafka api
      minikafka api CreateTopics
      minikafka api InitProducerId --source 2
    """
    if name is not None:
        key = _key_of(name)
        if version is not None:
            _show_source(key, version, output)
        else:
            _show_messages(key, output)
    elif version is not None:
        raise click.UsageError("--source needs the NAME of an API")
    else:
        show(output, LIST_COLUMNS, map(list_row, sorted(SERVED_VERSIONS)))


def list_row(key: int) -> tuple[int, str, str, int | None, str]:
    """One API as the list has it: key, name, versions served, first flexible one, its question."""
    first, last = SERVED_VERSIONS[key]
    flexible = schema_of(_messages(key)[0]).flexible
    sentence = _declaration_doc(key).partition("\n\n")[0]
    question = " ".join(sentence.partition("): ")[2].split()).rstrip(".")
    return key, api_name(key), _range(Versions(first, last)), _first(flexible), question


def field_rows(cls: type[Any], around: Versions, path: tuple[str, ...] = ()) -> Iterator[FieldRow]:
    """The fields of a message or structure; those of a structure follow the field that has it."""
    for field in schema_of(cls).fields:
        versions = _overlap(field.versions, around)
        null = _range(_overlap(field.nullable, versions)) or None
        name = (*path, field.name)
        yield name, _type_name(field.type), _range(versions), null, field.tag, _default(field)
        element = field.type.element if isinstance(field.type, Array) else field.type
        if isinstance(element, type):
            yield from field_rows(element, versions, name)


def _show_messages(key: int, output: str) -> None:
    """The table of each of the two messages; for people, what each version added above them."""
    if output == "json":
        rows = [
            (message.__name__, ".".join(path), *rest)
            for message in _messages(key)
            for path, *rest in field_rows(message, schema_of(message).versions)
        ]
        show(output, ("message", *FIELD_COLUMNS), rows)
        return
    click.echo(_declaration_doc(key).strip())
    for message in _messages(key):
        click.echo(f"\n{message.__name__}: {(message.__doc__ or '').strip()}")
        rows = field_rows(message, schema_of(message).versions)
        show(output, FIELD_COLUMNS, ((_indented(path), *rest) for path, *rest in rows))


def _show_source(key: int, version: int, output: str) -> None:
    versions = schema_of(_messages(key)[0]).versions
    if version not in versions:
        message = f"{api_name(key)} has versions {versions.first} to {versions.last}, not {version}"
        raise click.UsageError(message)
    for message in _messages(key):
        text = source(message, version)
        if output == "json":
            show(output, SOURCE_COLUMNS, [(message.__name__, version, text)])
        else:
            click.echo(f"# {message.__name__} v{version}\n{text}")


def _key_of(name: str) -> int:
    """The key of the API with this name, in any case, or number; raises click.UsageError."""
    keys = {api_name(key).lower(): key for key in API_MODULES}
    keys |= {str(key): key for key in API_MODULES}
    if name.lower() in keys:
        return keys[name.lower()]
    nearest = get_close_matches(name.lower(), [each for each in keys if not each.isdigit()], n=1)
    hint = f"did you mean {api_name(keys[nearest[0]])}?" if nearest else "try `minikafka api`"
    raise click.UsageError(f"no API {name!r} is declared here: {hint}")


def _messages(key: int) -> tuple[type[Any], type[Any]]:
    request, response = request_class(key), response_class(key)
    if request is None or response is None:
        raise LookupError(f"no declarations of API {key}")
    return request, response


def _declaration_doc(key: int) -> str:
    """What the module says that declares the API: its question, and what each version added."""
    return import_module(f"...protocol.api.{API_MODULES[key]}", __name__).__doc__ or ""


def _type_name(kind: FieldType) -> str:
    match kind:
        case Fixed() | Variable():
            return kind.name
        case Array():
            return f"[{_type_name(kind.element)}]"
        case _:
            return kind.__name__


def _default(field: FieldDeclaration) -> Any:
    """The default where it is more than the zero of its type."""
    is_zero = field.default is ZERO or not field.default or field.default == ZERO_UUID
    return None if is_zero else field.default


def _indented(path: tuple[str, ...]) -> str:
    return "  " * (len(path) - 1) + path[-1]


def _overlap(one: Versions, other: Versions) -> Versions:
    return Versions(max(one.first, other.first), min(one.last, other.last))


def _first(versions: Versions) -> int | None:
    """The first of some versions, if there is one."""
    return versions.first if versions.first <= versions.last else None


def _range(versions: Versions) -> str:
    """Kafka's notation; nothing for no version."""
    if versions.first >= versions.last:
        return str(versions.first) if versions.first == versions.last else ""
    return f"{versions.first}-{versions.last}"
