"""Recipes of a few steps that are compared, interrupted and refused."""

from dataclasses import replace
from pathlib import Path

from forage.core.protocols import Task
from forage.core.records import SamplingParams
from forage.engines.local.engine import LocalEngine
from forage.methods import Applied, apply
from forage.training.recipe import Grouping, Recipe, Schedule


def small_recipe(model: Path, task: Task, /, *methods: Applied, **settings: object) -> Recipe:
    """Four steps of three groups of four, a checkpoint every second one; `settings` take the place of a recipe's."""
    recipe = Recipe(
        name="small",
        model=str(model),
        task=task,
        schedule=Schedule(steps=4, checkpoint_every=2, rollouts_every=0),
        grouping=Grouping(groups=3, group_size=4),
        sampling=SamplingParams(max_tokens=4),
        engine=LocalEngine(threads=1, matmul="highest"),
    )
    return apply(replace(recipe, **settings), methods)  # pyright: ignore[reportArgumentType]
