"""Mode coverage: what it composes, its parts and placebo, equality with what it is made of, and resuming."""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import pytest

from forage.core.errors import ForageError
from forage.core.mode_keys import DealtWays
from forage.core.records import Problem, SamplingParams
from forage.core.serialize import decode_part, encode_part
from forage.engines.local.engine import LocalEngine
from forage.engines.optimization import Optimization
from forage.grams.ways import GramClusters
from forage.methods import (
    METHODS,
    Applied,
    apply,
    dr_grpo,
    grpo,
    mode_coverage,
    mode_coverage_random,
    mode_coverage_undivided,
    mode_coverage_unreplayed,
    mode_coverage_unrestarted,
    mode_diversity,
    mode_replay,
    parse,
    prefix_guided,
    rrl,
    with_methods,
)
from forage.parts.memory import VerifiedModes
from forage.parts.memory.prefix_guided import PrefixGuided
from forage.parts.rewards import ModeDiversity
from forage.recipes import countdown
from forage.store.run_directory import RunDirectory
from forage.training.loop import train
from forage.training.recipe import Grouping, Recipe, Schedule
from support.interruptions import train_whole_and_in_parts
from support.worlds import EASY, World, blank_model

GRAMS = GramClusters()
TURNS = ("one", "two")


@dataclass(frozen=True, kw_only=True)
class Crossing(World):
    """Four ways are right, two words each; whatever follows does not matter."""

    name: ClassVar[str] = "crossing"
    worth: tuple[tuple[str, float], ...] = tuple((f"{one} {two}", 1.0) for one in ("north", "south") for two in TURNS)

    def mode(self, problem: Problem, text: str) -> str | None:
        return " ".join(text.split()[:2])


def on(*methods: Applied, **settings: Any) -> Recipe:
    return countdown(model="none", method=list(methods), group_size=8, **settings)


def without_labels(recipe: Recipe) -> Recipe:
    return replace(recipe, methods=())


def final_state(path: Path) -> dict[str, bytes]:
    last = RunDirectory.open(path).latest_checkpoint()
    names = ("model.safetensors", "training/optimizer.safetensors", "training/state.json")
    return {name: (last / name).read_bytes() for name in names}


# ------------------------------------------------------------------------------------------------------- composition


def test_it_is_three_methods_under_one_key() -> None:
    together = on(dr_grpo(), mode_coverage(ways="mode", alpha=0.5, coefficient=0.3, share=0.25, slots=4))
    one_by_one = on(
        dr_grpo(),
        mode_diversity(rule="ips", alpha=0.5),
        prefix_guided(share=0.25, hard=1.0, ways="mode"),
        mode_replay(coefficient=0.3, slots=4, shares="tokens"),
    )
    assert without_labels(together) == without_labels(one_by_one)


def test_parts_left_out_are_the_other_two() -> None:
    divided, restarted = mode_diversity(key="grams"), prefix_guided(share=0.125, hard=1.0, ways="grams")
    replayed = mode_replay(coefficient=5.0, shares="tokens", key="grams")
    for control, parts in (
        (mode_coverage_undivided(), [restarted, replayed]),
        (mode_coverage_unreplayed(), [divided, restarted]),
        (mode_coverage_unrestarted(), [divided, replayed]),
    ):
        assert without_labels(on(dr_grpo(), control)) == without_labels(on(dr_grpo(), *parts))
    for control in (mode_coverage_undivided, mode_coverage_unreplayed, mode_coverage_unrestarted, mode_coverage_random):
        assert control.control_of == "mode_coverage"


def test_the_placebo_deals_the_ways_of_all_three_parts() -> None:
    for ways, key in (("grams", GRAMS), ("mode", "mode"), ("text", "text")):
        method, placebo = on(dr_grpo(), mode_coverage(ways=ways)), on(dr_grpo(), mode_coverage_random(ways=ways))  # pyright: ignore
        dealt = DealtWays(of=key)  # pyright: ignore[reportArgumentType]
        assert placebo.rewards == (ModeDiversity(key=dealt),)
        assert isinstance(placebo.memory, VerifiedModes)
        assert isinstance(placebo.memory.inner, PrefixGuided)
        assert (placebo.memory.key, placebo.memory.inner.ways) == (dealt, dealt)
        inner = replace(placebo.memory.inner, ways=key)
        memory = replace(placebo.memory, inner=inner, key=key)
        restored = replace(placebo, rewards=method.rewards, memory=memory, methods=method.methods)
        assert restored == method


def test_it_is_given_as_text_and_as_an_object_and_written_down() -> None:
    text = parse("mode_coverage:ways=grams,words=3,alike=0.7,share=0", METHODS)
    recipe = on(dr_grpo(), text)
    assert recipe.rewards == (ModeDiversity(key=GramClusters(words=3, alike=0.7)),)
    given = on(dr_grpo(), mode_coverage(ways=GramClusters(words=3, alike=0.7), share=0.0))
    assert without_labels(given) == without_labels(recipe)
    for each in (recipe, on(dr_grpo(), mode_coverage_random()), on(dr_grpo(), mode_coverage(ways="answer"))):
        assert decode_part(json.loads(json.dumps(encode_part(each))), Recipe) == each


def test_what_cannot_be_meant_is_refused() -> None:
    with pytest.raises(ForageError, match="distinguished by"):
        on(dr_grpo(), parse("mode_coverage:ways=gram", METHODS))
    for ways in ("mode", GramClusters(words=3)):
        with pytest.raises(ForageError, match="settings of ways=grams"):
            on(dr_grpo(), mode_coverage(ways=ways, words=3))  # pyright: ignore[reportArgumentType]
    with pytest.raises(ForageError, match="memory of its own"):
        on(grpo(), rrl(), mode_coverage())
    with pytest.raises(ForageError, match="already"):
        on(grpo(), mode_coverage(), mode_replay())
    bare = replace(on(dr_grpo()), task=EASY)
    with pytest.raises(ForageError, match="mode_coverage:ways=answer"):
        with_methods(bare, [dr_grpo(), mode_coverage(ways="mode")])
    assert with_methods(bare, [dr_grpo(), mode_coverage()]).rewards == (ModeDiversity(key=GRAMS),)


# ---------------------------------------------------------------------------------------------------------- training


def toy(model: Path, *methods: Applied, words: int, steps: int) -> Recipe:
    recipe = Recipe(
        name="toy",
        model=str(model),
        task=Crossing(),
        schedule=Schedule(steps=steps, checkpoint_every=0, rollouts_every=0),
        grouping=Grouping(groups=8, group_size=8),
        sampling=SamplingParams(max_tokens=words),
        optimization=Optimization(mini_batches=1, lr=3e-3),
        engine=LocalEngine(threads=1, matmul="highest"),
    )
    return apply(recipe, [dr_grpo(), *methods])


def trained(place: Path, *methods: Applied, words: int = 2, steps: int = 4) -> None:
    """A run in the folder `place`."""
    train(toy(blank_model(place.parent / "model", layers=1), *methods, words=words, steps=steps), out=place)


def weights(place: Path) -> bytes:
    return final_state(place)["model.safetensors"]


def test_with_division_alone_it_is_mode_diversity_bit_for_bit(tmp_path: Path) -> None:
    settings: dict[str, Any] = {"ways": "mode", "coefficient": 0.0, "share": 0.0}
    trained(tmp_path / "division", mode_diversity(rule="ips"))
    trained(tmp_path / "coverage", mode_coverage(**settings))
    trained(tmp_path / "base")
    trained(tmp_path / "off", mode_coverage(**settings, alpha=0.0))
    trained(tmp_path / "all", mode_coverage(ways="mode"))
    assert weights(tmp_path / "division") == weights(tmp_path / "coverage")
    assert weights(tmp_path / "base") == weights(tmp_path / "off")
    assert len({weights(tmp_path / name) for name in ("division", "base", "all")}) == 3


def test_short_texts_train_alike_by_grams_and_by_the_modes_of_the_task(tmp_path: Path) -> None:
    """Texts of two words that differ in one share at most 1 of 5 pairs, so that a text is a way, as in the task."""
    trained(tmp_path / "grams", mode_coverage())
    trained(tmp_path / "modes", mode_coverage(ways="mode"))
    trained(tmp_path / "placebo", mode_coverage_random())
    assert final_state(tmp_path / "grams") == final_state(tmp_path / "modes")
    assert weights(tmp_path / "grams") != weights(tmp_path / "placebo")


@pytest.mark.parametrize(
    "method", [mode_coverage(alike=0.3), mode_coverage_random(), mode_coverage_unreplayed()], ids=lambda m: m.label
)
def test_an_interrupted_run_ends_with_the_same_bits(method: Applied, tmp_path: Path) -> None:
    """Three words, of which the last one makes ways of several texts."""
    recipe = toy(blank_model(tmp_path / "model", layers=1), method, words=3, steps=5)
    whole, parts = train_whole_and_in_parts(recipe, tmp_path, stop_after=4)
    assert final_state(parts) == final_state(whole)
    rows = RunDirectory.open(whole).metrics()
    assert rows[-1]["guided_share"] == 1 / 8
    kept = json.loads(final_state(whole)["training/state.json"])["memory"]
    if "bank" in kept:
        assert rows[-1]["demonstrations"] > 0
        kept = kept["inner"]
    assert any(len(ways) > 1 for ways in kept["solutions"].values())


def test_restarts_take_no_more_tokens_than_the_base(tmp_path: Path) -> None:
    trained(tmp_path / "base", words=3)
    trained(tmp_path / "all", mode_coverage(), words=3)
    base, all_ = (RunDirectory.open(tmp_path / name).metrics()[-1]["tokens"] for name in ("base", "all"))
    assert 0.8 * base < all_ < base
