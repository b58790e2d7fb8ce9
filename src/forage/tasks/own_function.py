"""A function of the user's own, in a module that can be imported: `module:function`."""

import importlib
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from forage.core.errors import ForageError


def load_function(path: str) -> Callable[..., Any]:
    """The function that `module:function` names. Raises ForageError where there is none."""
    module_name, name = check_name(path)
    if os.getcwd() not in sys.path and "" not in sys.path:
        sys.path.append(os.getcwd())  # `forage` is a script: unlike `python -m`, it does not look here by itself
    try:
        target: Any = importlib.import_module(module_name)
    except ImportError as error:
        raise ForageError(
            f"The module {module_name} of the function {path} cannot be imported: {error}. It must lie in the working "
            "directory or be installed."
        ) from None
    for part in name.split("."):
        target = getattr(target, part, None)
    if not callable(target):
        raise ForageError(f"{module_name} has no function {name}.")
    return target


def check_name(path: str) -> tuple[str, str]:
    """The module and the function that `module:function` names, unseen. Raises ForageError for any other text."""
    module_name, _, name = path.partition(":")
    if not name or not all(part.isidentifier() for part in (*module_name.split("."), *name.split("."))):
        raise ForageError(f"A function is named as module:function, as in my_checks:is_right; {path!r} is not.")
    return module_name, name


def name_of(function: object) -> str:
    """`module:function`, under which other processes can find it. Raises ForageError, saying how, where they cannot."""
    module, name = getattr(function, "__module__", None), getattr(function, "__qualname__", "")
    with suppress(ForageError):
        if module not in (None, "__main__") and load_function(f"{module}:{name}") is function:
            return f"{module}:{name}"
    raise ForageError(
        "Answers are judged in processes of their own, which can only import a function that lies in a module, and "
        f"{name or function!r} does not. Write it in a file, say my_checks.py: "
        "`def is_right(problem, text): return problem.answer in text`; then give verifier='python:my_checks:is_right'."
    )
