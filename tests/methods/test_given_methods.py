"""Methods, tables and verifiers as people give them in Python."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import forage
from forage import methods, recipes
from forage.core.errors import ForageError
from forage.methods import entropy_advantage, grpo, rloo
from forage.tasks.table import Table
from forage.tasks.verifiers.function import Python
from forage.training.recipe import Grouping, Recipe
from support.own_world import sums, write_model, write_table


def slow(recipe: Recipe) -> Recipe:
    return replace(recipe, optimization=replace(recipe.optimization, lr=1e-5))


def nothing(recipe: Recipe) -> None:
    pass


def is_right(problem: Any, text: str) -> bool:
    return problem.answer in text


def countdown(base: Path, method: Any) -> Recipe:
    return recipes.countdown(model=str(base), method=method, steps=1)


@pytest.mark.parametrize("given", ["rloo", rloo, rloo(), ["rloo"], (rloo(),)])
def test_one_method_is_a_list_of_one(given: Any, tiny_base: Path) -> None:
    assert countdown(tiny_base, given) == countdown(tiny_base, [rloo()])


def test_a_function_from_recipe_to_recipe_is_a_method(tiny_base: Path) -> None:
    recipe = countdown(tiny_base, [grpo(), slow])
    assert recipe.methods == ("grpo", "slow")
    assert recipe.optimization.lr == 1e-5
    assert countdown(tiny_base, slow) == recipe
    with pytest.raises(ForageError, match="nothing must return the changed recipe"):
        countdown(tiny_base, nothing)
    with pytest.raises(ForageError, match="not 3"):
        countdown(tiny_base, [3])


def test_a_misspelt_setting_is_refused_at_once_with_the_nearest_name() -> None:
    misspelt: dict[str, Any] = {"alfa": 1}
    with pytest.raises(ForageError, match=r"no setting 'alfa'. Did you mean alpha\?"):
        entropy_advantage(**misspelt)
    with pytest.raises(ForageError, match=r"'alfa=1' is not a setting .* Did you mean alpha\?"):
        methods.parse("entropy_advantage:alfa=1", methods.METHODS)
    with pytest.raises(ForageError, match=r"no method 'grppo'. Did you mean grpo\?"):
        methods.parse("grppo", methods.METHODS)


def test_settings_of_a_recipe_are_named_as_python_names_them() -> None:
    with pytest.raises(ForageError, match="Raise `group_size`"):
        replace(countdown(Path("none"), "grpo"), grouping=Grouping(group_size=1))


def test_numbers_are_numbers() -> None:
    text: Any = "2"
    with pytest.raises(ForageError, match="group_size is a whole number, not '2'"):
        Grouping(group_size=text)
    with pytest.raises(ForageError, match="temperature is a number, not '2'"):
        recipes.countdown(model="none", temperature=text)
    with pytest.raises(ForageError, match="lr is a number, not '2'"):
        recipes.countdown(model="none", lr=text)
    with pytest.raises(ForageError, match=r"steps is a whole number, not 2\.5"):
        recipes.countdown(model="none", steps=2.5)  # pyright: ignore[reportArgumentType]
    with pytest.raises(ForageError, match="n is a whole number, not '2'"):
        forage.evaluate_checkpoint("none", n=text)


def test_a_table_may_be_text_and_its_verifier_a_function_that_can_be_imported(tmp_path: Path) -> None:
    table = write_table(tmp_path / "sums.jsonl", sums())
    model = str(write_model(tmp_path / "model"))

    def made(verifier: Any) -> Recipe:
        return recipes.table(model=model, data=str(table), verifier=verifier, template="none")

    recipe = made(is_right)
    assert isinstance(recipe.task, Table)
    assert recipe.task.verifier == Python(function=f"{__name__}:is_right")
    assert made(Python(function=f"{__name__}:is_right")) == recipe
    with pytest.raises(ForageError, match=r"processes of their own.*verifier='python:my_checks:is_right'"):
        made(lambda problem, text: True)


def test_dir_shows_what_there_is() -> None:
    assert {"train", "resume", "Recipe", "recipes", "methods", "__version__"} <= set(dir(forage))
    assert all(hasattr(forage, name) for name in dir(forage))
