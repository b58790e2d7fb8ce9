"""The methods around strategic grams: what they put into a recipe, and what they refuse."""

import dataclasses
from pathlib import Path

import pytest

from forage.core.errors import ForageError
from forage.grams.gram_list import load_grams
from forage.methods import (
    METHODS,
    apply,
    entropy_advantage,
    entropy_penalty,
    grpo,
    hicra,
    hicra_entropy,
    hicra_inverted,
    hicra_negative,
    hicra_random,
    hicra_reported,
    parse,
)
from forage.parts.credit.baseline.mean_centre import MeanCentre
from forage.parts.credit.baseline.std_scale import StdScale
from forage.parts.credit.shape.planning_credit import PlanningCredit
from forage.parts.signals.planning import PlanningMask
from forage.tasks.countdown import Countdown
from forage.training.recipe import Grouping, Recipe

GRAMS = str(Path(__file__).parent / "grams.json")
BARE = Recipe(name="toy", model="none", task=Countdown(size="demo"), grouping=Grouping(group_size=8))


def test_the_mean_only_baseline_is_the_default_and_the_scaled_one_a_setting() -> None:
    printed = apply(BARE, [grpo(), hicra(grams=GRAMS)])
    assert printed.credit.baselines == (MeanCentre(),)
    scaled = apply(BARE, [grpo(), hicra(grams=GRAMS, scale=True)])
    assert scaled.credit.baselines == (MeanCentre(), StdScale())
    assert printed.credit.shapes == scaled.credit.shapes == (PlanningCredit(alpha=0.2),)
    joint = apply(BARE, [grpo(), hicra_entropy(grams=GRAMS)])
    assert joint.credit.baselines == (MeanCentre(), StdScale())


def test_the_recipe_holds_the_grams_themselves() -> None:
    found = load_grams(GRAMS)
    mask = PlanningMask(grams=found.grams, source=found.id, bins=found.bins)
    assert apply(BARE, [grpo(), hicra(grams=GRAMS)]).signals == (mask,)
    (placebo,) = apply(BARE, [grpo(), hicra_random(grams=GRAMS)]).signals
    assert isinstance(placebo, PlanningMask)
    assert placebo.grams == found.placebo
    assert not set(placebo.grams) & set(found.grams)


def test_the_placebo_differs_from_the_method_in_its_grams_only() -> None:
    method, placebo = (apply(BARE, [grpo(), chosen(grams=GRAMS)]) for chosen in (hicra, hicra_random))
    assert dataclasses.replace(placebo, signals=method.signals, methods=method.methods) == method


@pytest.mark.parametrize("name", [name for name in METHODS if name.startswith("hicra") and name != "hicra_reported"])
def test_without_grams_it_says_how_to_mine_them(name: str) -> None:
    with pytest.raises(ForageError, match=f"forage grams mine RUN --out grams.json` and give the file: {name}:grams="):
        apply(BARE, [grpo(), parse(name, METHODS)])
    with pytest.raises(ForageError, match="There is no gram list 'nowhere"):
        apply(BARE, [grpo(), parse(f"{name}:grams=nowhere.json", METHODS)])


def test_a_list_without_a_placebo_is_no_control() -> None:
    with pytest.raises(ForageError, match="no random grams beside it"):
        apply(BARE, [grpo(), hicra_random(grams="phrases")])
    assert apply(BARE, [grpo(), hicra(grams="phrases")]).signals


def test_the_reported_rule_needs_no_grams() -> None:
    recipe = apply(BARE, [grpo(), hicra_reported()])
    assert recipe.signals == (PlanningMask(grams=(), source="none"),)
    assert recipe.needs == {"entropy", "planning", "long_success"}


def test_only_the_control_turns_the_rule_around() -> None:
    assert apply(BARE, [grpo(), hicra_negative(grams=GRAMS)]).credit.shapes == (PlanningCredit(alpha=-0.2),)
    for method in (hicra, hicra_random, hicra_inverted, hicra_negative, hicra_reported):
        for alpha in (-0.2, 1.0):
            with pytest.raises(ForageError, match="alpha must lie between 0 and below 1"):
                apply(BARE, [grpo(), method(grams=GRAMS, alpha=alpha)])


def test_bonuses_that_would_compound_are_refused() -> None:
    for order in ([entropy_advantage(), hicra(grams=GRAMS)], [hicra(grams=GRAMS), entropy_advantage()]):
        with pytest.raises(ForageError, match="Use hicra_entropy alone"):
            apply(BARE, [grpo(), *order])
    with pytest.raises(ForageError, match="cannot be used together"):
        apply(BARE, [grpo(), hicra_entropy(grams=GRAMS), entropy_penalty()])
    with pytest.raises(ForageError, match="another list of strategic grams"):
        apply(BARE, [grpo(), hicra(grams=GRAMS), hicra_inverted(grams="phrases")])
