"""What the labs' commands share: their options, a place to work in, and files for the results."""

import asyncio
import json
import os
import platform
import shutil
import signal
import tempfile
from collections.abc import Coroutine, Generator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from ..tutorials.labs import pictures
from ..tutorials.labs.child import ChildFailed
from . import session
from .failure import Failure

T = TypeVar("T")

BUSY_SHARE: Final = 0.5
"""Half of the processors' time is asked for by others."""

results_option: Final = click.option(
    "--results",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("lab-results"),
    show_default=True,
    help="Where the JSON file and the pictures go.",
)
pictures_option: Final = click.option(
    "--pictures/--no-pictures", "draws", default=True, help="Whether to draw them (matplotlib)."
)
scale_option: Final = click.option(
    "--scale",
    type=click.FloatRange(min=0, min_open=True),
    default=1.0,
    show_default=True,
    help="Make the loads so many times as long.",
)


def require_matplotlib(draws: bool) -> None:
    """Find out before the run, not after it, that there is nothing to draw with."""
    if draws and not pictures.can_draw():
        raise Failure(
            "pictures need matplotlib: pip install 'minikafka[labs]', or give --no-pictures"
        )


def run_lab(work: Coroutine[Any, Any, T]) -> T:
    """Run a lab's coroutine; what fails in one of its processes is one sentence."""
    try:
        return session.run(_until_terminated(work))
    except ChildFailed as error:
        raise Failure(str(error)) from error


async def _until_terminated(work: Coroutine[Any, Any, T]) -> T:
    """SIGTERM alone would end this process and leave the lab's others behind."""
    task = asyncio.current_task()
    if task is not None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    return await work


@contextmanager
def scratch_directory() -> Generator[Path]:
    """A directory for a run's node, sink and logs, gone afterwards."""
    directory = Path(tempfile.mkdtemp(prefix="minikafka-lab-"))
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def look_at_machine() -> dict[str, Any]:
    """What a figure depends on beside the program, before a run; says so if others use it."""
    load, processors = os.getloadavg()[0], os.cpu_count() or 1
    if load > BUSY_SHARE * processors:
        click.echo(
            f"This machine is busy (load average {load:.1f} on {processors} processors): the "
            f"figures will be of that, too.",
            err=True,
        )
    return {
        "system": platform.platform(),
        "python": platform.python_version(),
        "processors": processors,
        "load_average_before": load,
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def write_json(stem: Path, content: dict[str, Any]) -> None:
    """Write the figures, and say where."""
    file = stem.with_suffix(".json")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(content, indent=1) + "\n")
    say_written([file])


def say_written(files: Sequence[Path]) -> None:
    """Say where things are."""
    for file in files:
        click.echo(f"Written: {file}")
