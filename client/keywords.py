"""An unknown keyword is an error that names the known one which was probably meant.

A misspelt option that is silently ignored is the worst kind of default. The decorator keeps the
signature for type checkers, and costs one `try` per construction.
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
    known = [each.name for each in parameters if each.kind is inspect.Parameter.KEYWORD_ONLY]
    class_name = function.__qualname__.partition(".")[0]

    @functools.wraps(function)
    def checked(*args: P.args, **kwargs: P.kwargs) -> R:
        for name in kwargs:
            if name not in known:
                close = get_close_matches(name, known, n=1, cutoff=0.5)
                hint = f"did you mean {close[0]}?" if close else f"known are {', '.join(known)}"
                raise TypeError(f"{class_name} has no option {name!r}: {hint}")
        return function(*args, **kwargs)

    return checked
