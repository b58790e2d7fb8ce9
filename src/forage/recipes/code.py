"""The tiny code task as a recipe: programs, judged by unit tests in processes that can be killed."""

from pathlib import Path
from typing import Unpack

from forage.base_models.code import build_code_base
from forage.core.errors import ForageError
from forage.recipes.compose import compose, recipe
from forage.recipes.own_model import Place
from forage.recipes.settings import TINY, Settings
from forage.tasks.code import TinyCode
from forage.tasks.code.file import CodeFile
from forage.training.recipe import Recipe

OWN: Settings = {
    **TINY,
    "steps": 60,  # the tiny model has learned by then
    "groups": 8,  # every response is a program to run
    "group_size": 16,  # the base model is seldom right: fewer seldom differ
    "max_tokens": 40,  # the longest program of the toy task
    "lr": 4e-4,  # a tiny model
    "deadline": 10.0,  # a program has one second of processor time, which takes longer on a busy machine
}


@recipe(OWN)
def code(
    *,
    lines: int = 2,
    data: Place | None = None,
    test: Place | None = None,
    train_problems: int = 96,
    **settings: Unpack[Settings],
) -> Recipe:
    """Small integer functions: write the program whose results the prompt shows; unit tests decide.

    Args:
        lines: Lines of the wanted functions.
        data: Table of problems. A file of code problems to train on instead (JSON Lines, as APPS writes them); needs
            --model.
        test: Table of test problems.
        train_problems: Size of the training pool.
    """
    if data is None:
        return compose(
            name=f"code-{lines}-lines",
            task=TinyCode(lines=lines, train_problems=train_problems),
            settings=settings,
            base=lambda: build_code_base(lines=lines),
        )
    if settings.get("model") is None or test is None:
        raise ForageError("Code problems from a file want a model and problems to evaluate on (`model`, `test`).")
    train, held_out = Path(data).resolve(), Path(test).resolve()
    return compose(name=f"code-{train.stem}", task=CodeFile(train=train, test=held_out), settings=settings)
