"""A verifier of the user's own: a function in a module that can be imported."""

import importlib
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from forage.errors import ForageError
from forage.records import Problem, Score
from forage.tasks.verifiers.base import Verifier
from forage.tasks.verifiers.extraction import final_answer


@dataclass(frozen=True, kw_only=True)
class Python(Verifier):
    """Calls `function` (`module:function`) with the problem and the response's text, in a verifier process.

    It returns a bool, a number (the value; correct means 1 or more), a `forage.records.Score` whose parts hold
    `correct`, or None where it could not judge. A function attribute `answer`, where there is one, is called in the
    same way and gives the canonical answer. The module is looked for where Python looks and in the working directory.
    """

    name: ClassVar[str] = "python"
    hangs: ClassVar[bool] = True
    free_text: ClassVar[str] = "function"

    function: str = ""

    def __post_init__(self) -> None:
        _split(self.function)  # loading it is for the process that judges: reading a recipe must run nothing

    def prepare(self) -> None:
        load_function(self.function)

    def judge(self, problem: Problem, text: str) -> Score:
        result = load_function(self.function)(problem, text)
        if isinstance(result, Score):
            return result
        if result is None:
            return Score(float("nan"))
        return Score(float(result), {"correct": float(result >= 1)})

    def answer(self, problem: Problem, text: str) -> str | None:
        own = getattr(load_function(self.function), "answer", None)
        return final_answer(text) if own is None else own(problem, text)


def load_function(path: str) -> Callable[..., Any]:
    """The function that `module:function` names. Raises ForageError where there is none."""
    module_name, name = _split(path)
    if os.getcwd() not in sys.path and "" not in sys.path:
        sys.path.append(os.getcwd())  # `forage` is a script: unlike `python -m`, it does not look here by itself
    try:
        found: Any = importlib.import_module(module_name)
    except ImportError as error:
        raise ForageError(
            f"The module {module_name} of the verifier {path} cannot be imported: {error}. It must lie in the working "
            "directory or be installed."
        ) from None
    for part in name.split("."):
        found = getattr(found, part, None)
    if not callable(found):
        raise ForageError(f"{module_name} has no function {name}.")
    return found


def _split(path: str) -> tuple[str, str]:
    module_name, _, name = path.partition(":")
    if not name or not all(part.isidentifier() for part in (*module_name.split("."), *name.split("."))):
        raise ForageError(f"A function is named as module:function, as in my_checks:is_right; {path!r} is not.")
    return module_name, name
