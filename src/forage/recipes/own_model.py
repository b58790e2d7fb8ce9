"""What every recipe with a model of the user's own asks about it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from forage.core.errors import ForageError
from forage.core.spec import parse_call
from forage.core.turns import Environment
from forage.engines.local.adapters import Lora
from forage.tasks.verifiers import Verifier

Place = Path | str
"""A file or folder."""

Checker = str | Verifier | Callable[..., Any]
"""What checks an answer: its name, built, or a function of the user's own."""

Answering = str | Environment
"""What answers inside of responses: its name, or built."""

LEARNING_RATE = {"all": 1e-6, "adapter": 2e-5}
"""Usual for models of billions of parameters; small ones take more."""


def located(model: str) -> str:
    """A folder by its whole path, so that a run can be resumed from anywhere; anything else is a name on the hub."""
    place = Path(model).expanduser()
    return str(place.resolve()) if place.is_dir() else model


def required(model: str | None, recipe: str) -> str:
    """The model of a recipe that has none of its own, as `located` gives it. Raises ForageError where none is given."""
    if not model:
        raise ForageError(f"Which model? The recipe {recipe} has none of its own. Name a folder or a model (`model`).")
    return located(model)


def parse_adapter(text: str | None, *, seed: int) -> Lora | None:
    """`lora` or `lora:rank=8,alpha=16,targets=q_proj+v_proj`. Raises ForageError for anything else."""
    if not text:
        return None
    defaults = {"rank": Lora.rank, "alpha": Lora.alpha, "targets": ""}
    _, settings = parse_call(text, "adapter", ("lora",), lambda name: defaults)
    targets = str(settings.pop("targets", "")).split("+")
    return Lora(**settings, targets=tuple(filter(None, targets)), seed=seed)  # pyright: ignore[reportArgumentType]


def learning_rate(lr: float | None, adapter: Lora | None) -> float:
    return LEARNING_RATE["adapter" if adapter else "all"] if lr is None else lr
