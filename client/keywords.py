"""An unknown keyword is an error that names the known one which was probably meant.

A misspelt option that is silently ignored is the worst kind of default. Next to it comes a number
that is a string, or below 0, and is noticed when it is first used: an option whose default is a
number takes whole numbers from 0 on, one whose default is true or false takes these. The decorator
keeps the signature for type checkers.
"""

import functools
import inspect
from collections.abc import Callable
from difflib import get_close_matches
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


def suggest_keywords(function: Callable[P, R]) -> Callable[P, R]:
    """Make the TypeError for an unknown keyword of `function` say "did you mean"."""
    parameters = inspect.signature(function).parameters.values()
    defaults = {
        each.name: each.default
        for each in parameters
        if each.kind is inspect.Parameter.KEYWORD_ONLY
    }
    known = list(defaults)
    class_name = function.__qualname__.partition(".")[0]

    @functools.wraps(function)
    def checked(*args: P.args, **kwargs: P.kwargs) -> R:
        for name, value in kwargs.items():
            if name not in defaults:
                close = get_close_matches(name, known, n=1, cutoff=0.5)
                hint = f"did you mean {close[0]}?" if close else f"known are {', '.join(known)}"
                raise TypeError(f"{class_name} has no option {name!r}: {hint}")
            _check_number(class_name, name, value, defaults[name])
        return function(*args, **kwargs)

    return checked


def _check_number(class_name: str, name: str, value: object, default: object) -> None:
    """Refuse a value that is not like the default, where that is a number, true or false."""
    if isinstance(default, bool):
        if not isinstance(value, bool):
            raise TypeError(f"{class_name}: {name}={value!r} is neither True nor False")
    elif isinstance(default, int):
        if not isinstance(value, int) or isinstance(value, bool):
            raise TypeError(f"{class_name}: {name}={value!r} is no whole number")
        if value < 0:
            raise ValueError(f"{class_name}: {name}={value!r} is below 0")
