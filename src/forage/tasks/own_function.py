"""A function of the user's own, in a module that can be imported: `module:function`."""

import importlib
import os
import sys
from collections.abc import Callable
from typing import Any

from forage.core.errors import ForageError


def load_function(path: str) -> Callable[..., Any]:
    """The function that `module:function` names. Raises ForageError where there is none."""
    module_name, name = check_name(path)
    if os.getcwd() not in sys.path and "" not in sys.path:
        sys.path.append(os.getcwd())  # `forage` is a script: unlike `python -m`, it does not look here by itself
    try:
        found: Any = importlib.import_module(module_name)
    except ImportError as error:
        raise ForageError(
            f"The module {module_name} of the function {path} cannot be imported: {error}. It must lie in the working "
            "directory or be installed."
        ) from None
    for part in name.split("."):
        found = getattr(found, part, None)
    if not callable(found):
        raise ForageError(f"{module_name} has no function {name}.")
    return found


def check_name(path: str) -> tuple[str, str]:
    """The module and the function that `module:function` names, unseen. Raises ForageError for any other text."""
    module_name, _, name = path.partition(":")
    if not name or not all(part.isidentifier() for part in (*module_name.split("."), *name.split("."))):
        raise ForageError(f"A function is named as module:function, as in my_checks:is_right; {path!r} is not.")
    return module_name, name
