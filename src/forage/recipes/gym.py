"""A reasoning-gym data set as a recipe, with a model of the user's own."""

from dataclasses import replace
from typing import Unpack

from forage.recipes.compose import compose, recipe
from forage.recipes.settings import Settings
from forage.tasks.gym import AnswerFormat, parse_gym
from forage.training.recipe import Recipe

OWN: Settings = {
    "max_tokens": 256,  # most of its problems are puzzles with a short solution
    "deadline": 10.0,  # the first answer of a process waits until the data set is loaded
}


@recipe(OWN)
def gym(
    *, dataset: str, system: str = "", answer_format: AnswerFormat | None = None, **settings: Unpack[Settings]
) -> Recipe:
    """Problems of a reasoning-gym data set (extra `gym`), with a model of yours.

    Args:
        dataset: Name of the data set, and its parameters. Example: countdown:min_numbers=3,max_numbers=4; chat=true
            asks through the tokenizer's chat template, train_problems, test_problems and seed select the problems, and
            steps says where reasoning steps end (newline unless given).
        system: System prompt. It stands before every problem.
        answer_format: How the prompt asks for the answer: boxed (LaTeX), tags (<answer>), or not at all (any, unless
            given). An answer that is not marked as asked is wrong.
    """
    task = parse_gym(dataset.removeprefix("gym:"))
    task = replace(task, system=system or task.system, answer_format=answer_format or task.answer_format)
    return compose(name=f"gym-{task.dataset}", task=task, settings=settings)
