"""Every method, on a real recipe: it composes, it survives its JSON, it refuses what it must."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from forage.core.errors import ForageError
from forage.core.protocols import Task
from forage.core.serialize import decode_part, encode_part
from forage.methods import METHODS, apply, catalogue, entropy_advantage, entropy_penalty, grpo, parse, rloo
from forage.parts.credit.shape.entropy_bonus import EntropyBonus
from forage.tasks.bandit import Bandit
from forage.tasks.countdown import Countdown
from forage.tasks.lookup import Lookup
from forage.training.recipe import Grouping, Recipe

GRAMS = str(Path(__file__).parent / "grams.json")
FILES = {"grams": GRAMS, "model": str(Path(__file__).parent / "process_model")}
FILES["preferences"] = str(Path(__file__).parent / "preferences.jsonl")
FILES["file"] = str(Path(__file__).parent / "difficulty.jsonl")
SETTINGS = {
    name: {key: file for key, file in FILES.items() if key in method.parameters} for name, method in METHODS.items()
} | {
    name: {"model": str(Path(__file__).parent / "reward_model")}
    for name in ("reward_model", "soft_rllf", "soft_rllf_shuffled")
}
"""What methods that refuse to start without a file are given."""


REFUSALS = {
    "a process model": "needs a process reward model",
    "a reward model": "needs a reward model",
    "a search environment": "nothing answers one",
    "bandit turns": "looks at the actions of an episode",
    "measured difficulties": "needs the file of forage difficulty",
    "preferences": "is fitted to preferences",
    "strategic grams": "needs strategic grams",
}
"""What a method may need -> the words in which one that does refuses a plain task and no settings."""

ASKED_OF_TASKS = {
    "a stated answer": "stated_answer",
    "an oracle": "oracle",
    "answers": "answer",
    "a reference response": "reference",
    "modes": "has_modes",
}
"""What a method may need -> what it then refuses a task without."""

UNSEEN = {"a toy vocabulary", "step ends"}
"""What a method may need that its recipe does not show."""


def bare(group_size: int = 8) -> Recipe:
    return Recipe(name="toy", model="none", task=Countdown(size="demo"), grouping=Grouping(group_size=group_size))


def bare_of(name: str) -> Recipe:
    """With a task that the method can be used on."""
    tasks: dict[str, Task] = {"first_try": Bandit(), "r1_searcher": Lookup()}
    return next((dataclasses.replace(bare(), task=task) for kind, task in tasks.items() if kind in name), bare())


def composed(name: str) -> Recipe:
    method: Any = METHODS[name]
    first = [] if method.kind == "algorithm" else [grpo()]
    return apply(bare_of(name), [*first, method(**SETTINGS.get(name, {}))])


@pytest.mark.parametrize("name", METHODS)
def test_every_method_changes_the_recipe_and_says_where_it_comes_from(name: str) -> None:
    method = METHODS[name]
    recipe = composed(name)
    assert recipe.methods[-1].split(":")[0] == name
    changed = [f.name for f in dataclasses.fields(recipe) if getattr(recipe, f.name) != getattr(bare_of(name), f.name)]
    assert set(changed) - {"methods"}, "a method that changes nothing is no method"
    assert method.summary.endswith(".")
    assert method.paper
    assert method.seam


@pytest.mark.parametrize("name", METHODS)
def test_what_a_method_needs_is_what_it_asks_for(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Compared both ways, but for needs that composing alone does not show, such as step ends."""
    method, task = METHODS[name], type(bare_of(name).task)
    stated = {need for need in method.needs.split(", ") if need}
    recipe, bare_refusal = composed(name), refusal(bare(), method)
    asked = {"a critic": recipe.critic is not None, "the first policy": recipe.needs_reference}
    asked |= {"a judge": "judge" in method.parameters}
    asked |= {need: words in bare_refusal for need, words in REFUSALS.items()}
    for need, attribute in ASKED_OF_TASKS.items():
        with monkeypatch.context() as poorer:
            poorer.setattr(task, attribute, False if attribute == "has_modes" else getattr(Task, attribute))
            asked[need] = bool(refusal(bare_of(name), method, **SETTINGS[name]))
    assert stated <= set(asked) | UNSEEN
    assert {need for need, wanted in asked.items() if wanted} == stated - UNSEEN
    assert not bare_refusal or stated, "what refuses a plain task needs something"


def refusal(recipe: Recipe, method: Any, **settings: str) -> str:
    """The words in which a method refuses to be used; none where it does not."""
    try:
        apply(recipe, [*([] if method.kind == "algorithm" else [grpo()]), method(**settings)])
    except ForageError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("name", METHODS)
def test_every_composed_recipe_round_trips_through_json(name: str) -> None:
    recipe = composed(name)
    assert decode_part(json.loads(json.dumps(encode_part(recipe))), Recipe) == recipe


@pytest.mark.parametrize("name", METHODS)
def test_typed_settings_mean_what_python_means(name: str) -> None:
    defaults = {**METHODS[name].parameters, **SETTINGS.get(name, {})}
    text = ",".join(f"{key}={value}" for key, value in defaults.items())
    first = [] if METHODS[name].kind == "algorithm" else [grpo()]
    typed = apply(bare_of(name), [*first, parse(f"{name}:{text}" if text else name, METHODS)])
    assert dataclasses.replace(typed, methods=()) == dataclasses.replace(composed(name), methods=())


def test_settings_arrive() -> None:
    recipe = apply(bare(), [grpo(), parse("entropy_advantage:alpha=0.2,kappa=3", METHODS)])
    assert recipe.credit.shapes == (EntropyBonus(alpha=0.2, kappa=3.0, at="update"),)
    assert recipe.methods == ("grpo", "entropy_advantage:alpha=0.2,kappa=3.0")
    assert "entropy" in recipe.needs


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("nope", "There is no method 'nope'"),
        ("entropy_advantage:beta=1", "'beta=1' is not a setting of entropy_advantage"),
        ("entropy_advantage:alpha", "is not a setting"),
        ("entropy_advantage:kappa=much", "'much' is not a number"),
        ("passk:k=2.5", "'2.5' is not a number without fraction"),
        ("passk:scale=maybe", "neither true nor false"),
    ],
)
def test_typing_errors_are_sentences(text: str, sentence: str) -> None:
    with pytest.raises(ForageError, match=sentence):
        parse(text, METHODS)


@pytest.mark.parametrize("settings", ["alpha=-0.1", "alpha=much", "kappa=1", "kappa=0.5", "alpha=nan"])
def test_impossible_settings_are_refused(settings: str) -> None:
    with pytest.raises(ForageError, match=settings.split("=")[0]):
        apply(bare(), [grpo(), parse(f"entropy_advantage:{settings}", METHODS)])


def test_an_algorithm_comes_first_and_alone() -> None:
    with pytest.raises(ForageError, match="comes after"):
        apply(bare(), [entropy_advantage(), grpo()])
    with pytest.raises(ForageError, match="comes after"):
        apply(bare(), [rloo(), grpo()])


def test_an_entropy_bonus_excludes_an_entropy_penalty_and_itself() -> None:
    for order in ([entropy_advantage(), entropy_penalty()], [entropy_penalty(), entropy_advantage()]):
        with pytest.raises(ForageError, match="cannot be used together"):
            apply(bare(), [grpo(), *order])
    with pytest.raises(ForageError, match="already"):
        apply(bare(), [grpo(), entropy_advantage(), entropy_advantage(alpha=0.1)])


def test_group_methods_need_siblings() -> None:
    with pytest.raises(ForageError, match="Raise `group_size`"):
        apply(bare(group_size=1), [grpo()])


def test_a_recipe_whose_needs_nobody_serves_is_refused() -> None:
    @dataclasses.dataclass(frozen=True, kw_only=True)
    class Needy(EntropyBonus):
        needs = frozenset({"moon_phase"})

    credit = dataclasses.replace(apply(bare(), [grpo()]).credit, shapes=(Needy(),))
    with pytest.raises(ForageError, match="moon_phase"):
        dataclasses.replace(bare(), credit=credit)


def test_two_methods_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="two methods"):
        catalogue(METHODS["grpo"], METHODS["grpo"])
