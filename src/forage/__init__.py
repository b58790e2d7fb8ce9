"""Exploration in reinforcement learning of language-model reasoning.

    import forage
    from forage import methods, recipes

    outcome = forage.train(recipes.countdown(method=[methods.grpo(), methods.entropy_advantage()]))

Everything is imported when it is first used, so that verifier workers, which need a task and nothing else, start fast.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from forage import methods, recipes
    from forage.core.errors import ForageError
    from forage.evaluation.evaluation import Evaluation
    from forage.report import build_report
    from forage.training.checkpoints import evaluate_checkpoint
    from forage.training.loop import resume, train
    from forage.training.recipe import Recipe

_HOMES = {
    "Evaluation": "forage.evaluation.evaluation",
    "ForageError": "forage.core.errors",
    "Recipe": "forage.training.recipe",
    "build_report": "forage.report",
    "evaluate_checkpoint": "forage.training.checkpoints",
    "resume": "forage.training.loop",
    "train": "forage.training.loop",
}

__all__ = [
    "Evaluation",
    "ForageError",
    "Recipe",
    "build_report",
    "evaluate_checkpoint",
    "methods",
    "recipes",
    "resume",
    "train",
]


def __dir__() -> list[str]:
    return sorted({*__all__, "__version__"})


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("forage-rl")
    if name in ("methods", "recipes"):
        return importlib.import_module(f"forage.{name}")
    if name not in _HOMES:
        raise AttributeError(f"module 'forage' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
