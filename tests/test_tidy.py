"""The countable rules of this house, kept by a test. Review keeps the rest.

    size        lines of a file, of a function; columns of a line
    words       docstrings, forbidden names, nothing left for later
    shape       relative imports, PURE modules, empty doors (`__init__.py`), the list of packages
    promises    a test file for each module, links and `path::symbol` in the documents,
                a decision for each dependency, a change log for each version

Who may import whom is kept by import-linter: see pyproject.toml. Every check gathers all that it
finds, so that one run tells everything; each complaint begins with file and line.
"""

import ast
import re
import sys
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import pytest
from grimp import build_graph

ROOT = Path(__file__).parent.parent
PACKAGES = ("protocol", "transport", "broker", "client", "cli", "history", "tutorials")
OTHER_CODE = ("tests", "benchmarks", "tutorials")

MAX_FILE_LINES = 500
MAX_TEST_FILE_LINES = 800
MAX_FUNCTION_LINES = 70
MAX_COLUMNS = 100

FORBIDDEN_NAMES = {"common", "helper", "helpers", "misc", "util", "utils"}
LEFT_FOR_LATER = re.compile(r"\b(TOD[O]|FIXM[E]|XX[X]|NotImplementedErro[r])\b")  # not itself
OUTSIDE_WORLD = {"asyncio", "os", "pathlib", "random", "socket", "threading", "time", "uvloop"}
OWNS_A_LOG = "minikafka.broker.replica.partition"
"""The one PURE module that holds something with files: it calls its log and waits for nothing."""

MIRRORED = ("protocol", "transport", "broker/log", "broker/replica", "client", "history")
CODE_REFERENCE = re.compile(r"`([\w./-]+\.py)(?:::([\w.]+))?`")
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")

TESTED_ELSEWHERE = {
    "broker/log/producer_snapshot": "tests/broker/log/test_checkpoints.py",
    "broker/replica/appended": "tests/broker/replica/test_partition.py",
    "broker/replica/follower_fetch": "tests/broker/replica/test_replication.py",
    "broker/replica/following": "tests/broker/replica/test_replication.py",
    "client/blocking": "tests/client/test_sync.py",
    "client/sync_cluster": "tests/client/test_sync.py",
    "client/control_plane": "tests/client/test_cluster.py",
    "client/leaders": "tests/client/test_offsets.py",
    "client/log_dirs": "tests/client/test_admin.py",
    "client/new_topic": "tests/client/test_admin.py",
    "client/outcome": "tests/client/test_admin.py",
    "client/questions": "tests/client/test_admin.py",
    "client/topic_changes": "tests/client/test_admin.py",
    "client/views": "tests/client/test_cluster.py",
    "client/consumer_options": "tests/client/test_consumer.py",
    "client/runner": "tests/client/test_worker.py",
    "history/evidence": "tests/history/test_operation.py",
    "history/finding": "tests/history/test_timeline.py",
    "history/group_value": "tests/history/test_operation.py",
    "protocol/batch": "tests/protocol/test_records.py",
    "protocol/compiler": "tests/protocol/test_api_oracle.py",
    "protocol/header": "tests/protocol/test_codec_tables.py",
    "protocol/primitives": "tests/protocol/test_codec_tables.py",
    "protocol/schema": "tests/protocol/test_codec_tables.py",
}
"""Modules of mirrored packages that are tested together with others, and where."""

Function = ast.FunctionDef | ast.AsyncFunctionDef
Definition = Function | ast.ClassDef


@cache
def documents() -> tuple[Path, ...]:
    """Every Markdown file of the project."""
    return (*sorted(ROOT.glob("*.md")), *(p for d in ("docs", *OTHER_CODE) for p in under(d, "md")))


def sources() -> Iterator[Path]:
    """Every Python file that is installed."""
    yield from sorted(ROOT.glob("*.py"))
    for package in PACKAGES:
        for path in under(package, "py"):
            # Demos and chapters (01_...) are scripts, and stay here.
            if (path.parent / "__init__.py").exists() and path.stem.isidentifier():
                yield path


def all_code() -> Iterator[Path]:
    """Every Python file."""
    others = (path for directory in OTHER_CODE for path in under(directory, "py"))
    yield from dict.fromkeys((*sources(), *others))


def under(directory: str, suffix: str) -> list[Path]:
    """The files with this suffix below a directory, in order."""
    return sorted((ROOT / directory).rglob(f"*.{suffix}"))


def name(path: Path) -> str:
    """How a complaint names a file."""
    return path.relative_to(ROOT).as_posix()


@cache
def text(path: Path) -> str:
    """The content of a file."""
    return path.read_text(encoding="utf-8")


@cache
def tree(path: Path) -> ast.Module:
    """The parsed file."""
    return ast.parse(text(path), name(path))


def docstring(path: Path) -> str:
    """The module's docstring, or an empty text."""
    return ast.get_docstring(tree(path)) or ""


def lines(path: Path) -> list[tuple[int, str]]:
    """The lines of a file with their numbers."""
    return list(enumerate(text(path).splitlines(), 1))


def project() -> dict[str, Any]:
    """The tables of pyproject.toml."""
    return tomllib.loads(text(ROOT / "pyproject.toml"))


def none_of(complaints: Iterable[str]) -> None:
    """Fail with all complaints, one a line, unless there are none."""
    found = list(complaints)
    if found:
        pytest.fail("\n".join(found), pytrace=False)


def test_no_file_is_longer_than_its_limit():
    none_of(
        f"{name(path)}:{length}: more than {limit} lines"
        for path in all_code()
        if (length := len(lines(path))) > (limit := max_lines(path))
    )


def max_lines(path: Path) -> int:
    """How long this file may be."""
    return MAX_TEST_FILE_LINES if name(path).startswith("tests/") else MAX_FILE_LINES


def test_no_function_is_longer_than_its_limit():
    none_of(
        f"{name(path)}:{node.lineno}: {node.name} has {length} lines"
        for path in all_code()
        for node in ast.walk(tree(path))
        if isinstance(node, Function)
        and (length := (node.end_lineno or 0) - node.lineno + 1) > MAX_FUNCTION_LINES
    )


def test_no_line_is_wider_than_its_limit():
    none_of(
        f"{name(path)}:{number}: {len(line)} columns"
        for path in all_code()
        for number, line in lines(path)
        if len(line) > MAX_COLUMNS
    )


def test_every_module_says_what_it_is():
    none_of(f"{name(path)}:1: no docstring" for path in all_code() if not docstring(path))


def test_everything_public_says_what_it_does():
    none_of(
        f"{name(path)}:{node.lineno}: {node.name} has no docstring"
        for path in sources()
        for node in public_definitions(tree(path))
        if not ast.get_docstring(node)
    )


def public_definitions(parent: ast.Module | ast.ClassDef) -> Iterator[Definition]:
    """Functions, classes and their methods whose names do not begin with an underscore."""
    for node in parent.body:
        if isinstance(node, Definition) and not node.name.startswith("_"):
            if not is_overload(node):
                yield node
            if isinstance(node, ast.ClassDef):
                yield from public_definitions(node)


def is_overload(node: Definition) -> bool:
    """Whether this is one of several signatures, of which the last one has the docstring."""
    return any(
        ast.unparse(decorator) in ("overload", "typing.overload")
        for decorator in node.decorator_list
    )


def test_no_file_has_a_name_that_says_nothing():
    none_of(
        f"{name(path)}:1: a name that says nothing about what is in it"
        for path in all_code()
        if FORBIDDEN_NAMES & {part.removesuffix(".py") for part in path.relative_to(ROOT).parts}
    )


def test_nothing_is_left_for_later():
    none_of(
        f"{name(path)}:{number}: {line.strip()}"
        for path in (*all_code(), *documents())
        for number, line in lines(path)
        if LEFT_FOR_LATER.search(line)
    )


def test_imports_inside_the_package_are_relative():
    none_of(
        f"{name(path)}:{line}: imports {module} by its full name"
        for path in sources()
        for line, module in imports(tree(path))
        if module.split(".")[0] == "minikafka"
    )


def test_pure_modules_do_not_reach_the_outside_world():
    graph = build_graph(
        "minikafka",
        include_external_packages=True,
        exclude_type_checking_imports=True,
        cache_dir=None,
    )
    for module in graph.find_modules_directly_imported_by(OWNS_A_LOG):
        if module.startswith("minikafka.broker.log."):
            graph.remove_import(importer=OWNS_A_LOG, imported=module)
    none_of(
        f"{name(path)}:1: PURE, and reaches the outside world: {' -> '.join(chain)}"
        for path in sources()
        if is_pure(path)
        for outside in sorted(OUTSIDE_WORLD & graph.modules)
        if (chain := graph.find_shortest_chain(dotted(path.with_suffix("")), outside))
    )


def is_pure(path: Path) -> bool:
    """Whether the module calls itself PURE; a door may say so of the modules behind it."""
    return path.name != "__init__.py" and bool(re.search(r"\bPURE\b", docstring(path)))


def dotted(path: Path) -> str:
    """The name by which a module or package is imported."""
    return ".".join(("minikafka", *path.relative_to(ROOT).parts))


def imports(parent: ast.AST) -> Iterator[tuple[int, str]]:
    """Line and module of every import, those in functions too; relative ones begin with dots."""
    for node in ast.walk(parent):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.lineno, "." * node.level + (node.module or "")


def test_doors_import_nothing_of_ours():
    none_of(
        f"{name(path)}:{line}: a door that imports {module}, whoever comes in"
        for path in sources()
        if path.name == "__init__.py"
        for line, module in imports(outermost(tree(path)))
        if module.startswith((".", "minikafka"))
    )


def outermost(module: ast.Module) -> ast.Module:
    """What runs when the module is imported: no functions, nothing for the type checker alone."""
    body = [
        node
        for node in module.body
        if not isinstance(node, Definition)
        and not (isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING")
    ]
    return ast.Module(body, type_ignores=[])


def test_every_package_is_installed():
    found = {"minikafka"} | {
        dotted(path.parent)
        for package in PACKAGES
        for path in (ROOT / package).rglob("__init__.py")
    }
    listed = set(project()["tool"]["setuptools"]["packages"])
    none_of(
        f"pyproject.toml:1: packages and directories differ in {each}" for each in found ^ listed
    )


def test_every_module_has_a_test_file():
    modules = {
        name(path.with_suffix(""))
        for package in MIRRORED
        for path in (ROOT / package).glob("*.py")
        if path.name != "__init__.py"
    }
    untested = {module for module in modules if not has_mirror(module)}
    none_of(
        [f"{each}.py:1: no {mirror(each)}" for each in sorted(untested - set(TESTED_ELSEWHERE))]
        + [
            f"tests/test_tidy.py:1: {module} is not tested in {elsewhere}"
            for module, elsewhere in TESTED_ELSEWHERE.items()
            if module not in untested or not (ROOT / elsewhere).exists()
        ]
    )


def mirror(module: str) -> str:
    """Where the tests of a module are: broker/log/segment -> tests/broker/log/test_segment.py."""
    package, _, stem = module.rpartition("/")
    return f"tests/{package}/test_{stem}.py"


def has_mirror(module: str) -> bool:
    """Whether there is test_segment.py, or some test_segment_*.py."""
    path = ROOT / mirror(module)
    return path.exists() or any(path.parent.glob(f"{path.stem}_*.py"))


def test_documents_name_code_that_exists():
    none_of(
        f"{name(path)}:{number}: there is no {reference.group().strip('`')}"
        for path in documents()
        for number, line in lines(path)
        for reference in CODE_REFERENCE.finditer(line)
        if not is_code(reference[1], reference[2])
    )


def is_code(path: str, symbol: str | None) -> bool:
    """Whether the file exists and, if a symbol is given (`name`, `Class.method`), defines it."""
    file = ROOT / path
    if not file.is_file():
        return False
    scope: list[ast.stmt] = tree(file).body
    for part in symbol.split(".") if symbol else ():
        node = next((node for node in scope if part in defined_by(node)), None)
        if node is None:
            return False
        scope = node.body if isinstance(node, ast.ClassDef) else []
    return True


def defined_by(node: ast.stmt) -> list[str]:
    """The names that a statement defines."""
    match node:
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            return [node.name]
        case ast.Assign():
            return [target.id for target in node.targets if isinstance(target, ast.Name)]
        case ast.AnnAssign(target=ast.Name(id=variable)):
            return [variable]
        case _:
            return []


def test_links_in_documents_lead_somewhere():
    none_of(
        f"{name(path)}:{number}: {target} leads nowhere"
        for path in documents()
        for number, line in lines(path)
        for target in LINK.findall(line)
        if "://" not in target and not leads_somewhere(path, target)
    )


def leads_somewhere(document: Path, target: str) -> bool:
    """Whether a relative link's file exists, and has the heading if it names one."""
    path, _, anchor = target.partition("#")
    file = (document.parent / path).resolve() if path else document
    return file.exists() and (not anchor or anchor in headings(file))


def headings(document: Path) -> set[str]:
    """The anchors of a document's headings, spelled as the forges spell them."""
    titles = re.findall(r"^#+ (.+)$", text(document), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in titles}


def test_whatever_is_imported_is_required():
    runtime, for_labs, everything = required()
    installed = dict.fromkeys(sources(), runtime)
    installed |= dict.fromkeys(under("tutorials/labs", "py"), runtime | for_labs)
    none_of(
        f"{name(path)}:{line}: imports {module}, which pyproject.toml does not require"
        for path in all_code()
        for line, module in imports(tree(path))
        if not provides(installed.get(path, everything), module.split(".")[0])
    )


def provides(distributions: set[str], package: str) -> bool:
    """Whether a top-level package is Python's, ours, or in one of the distributions."""
    if package in sys.stdlib_module_names or package in ("", "minikafka"):
        return True
    carriers = packages_of_distributions().get(package, [package])
    return any(each.lower().replace("_", "-") in distributions for each in carriers)


@cache
def packages_of_distributions() -> Mapping[str, list[str]]:
    """For each package that can be imported, the distributions that bring it."""
    return packages_distributions()


def required() -> tuple[set[str], set[str], set[str]]:
    """The names of the distributions needed to run, for the labs' pictures, and for anything."""
    table: dict[str, Any] = project()["project"]
    groups: dict[str, list[str]] = {"": table["dependencies"], **table["optional-dependencies"]}
    names = {
        name: {re.split(r"[^\w.-]", each)[0] for each in group} for name, group in groups.items()
    }
    return names[""], names["labs"], set[str]().union(*names.values())


def test_every_dependency_has_a_decision():
    decided = "".join(text(path) for path in (ROOT / "docs/decisions").glob("*.md"))
    none_of(
        f"pyproject.toml:1: no decision in docs/decisions/ names `{package}`"
        for package in sorted(required()[-1])
        if f"`{package}`" not in decided
    )


def test_the_change_log_has_this_version():
    version = project()["project"]["version"]
    titles = re.findall(r"^## (\S+)", text(ROOT / "CHANGELOG.md"), re.MULTILINE)
    none_of([] if version in titles else [f"CHANGELOG.md:1: no entry for {version}"])
