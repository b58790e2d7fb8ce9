"""Branching at step boundaries: whole responses, honest log-probabilities, and a search that goes where it pays."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

import pytest

from forage.core.errors import ForageError
from forage.core.protocols import Task
from forage.core.records import Problem, Rollout, SamplingParams, Score, Start
from forage.engines.local.engine import LocalEngine
from forage.engines.optimization import Optimization
from forage.methods import apply, step_dpo
from forage.parts.explore.step_tree import StepTree
from forage.store.run_directory import RunDirectory
from forage.training.loop import train
from forage.training.recipe import Grouping, Recipe, Schedule
from support.builders import problem
from support.coins import Coins
from support.worlds import EASY, blank_model

PARAMS = SamplingParams(max_tokens=4)
STARTS = [Start(problem("a")), Start(problem("b"), (1,))]


@dataclass(frozen=True, kw_only=True)
class Flips(Task):
    """Every coin is a step."""

    name: ClassVar[str] = "flips"

    def problems(self, split: Literal["train", "test"]) -> Sequence[Problem]:
        return ()

    def verify(self, problem: Problem, text: str) -> Score:
        raise AssertionError("the coins judge themselves")

    def step_ends(self, pieces: Sequence[str]) -> tuple[int, ...]:
        return tuple(range(1, len(pieces) + 1))


def explore(tree: StepTree, *, seed: int = 0, starts: Sequence[Start] = STARTS) -> list[tuple[Rollout, ...]]:
    found = sorted(tree(starts, Flips(), Coins().tools, group_size=12, params=PARAMS, seed=seed))
    return [rollouts for _, rollouts in found]


def test_siblings_are_whole_responses_from_the_start() -> None:
    for start, rollouts in zip(STARTS, explore(StepTree()), strict=True):
        assert len(rollouts) == 12
        for rollout in rollouts:
            assert rollout.start == start
            assert len(rollout.tokens) == 4 - len(start.prefix)
            assert rollout.text == "".join(map(str, start.prefix + rollout.tokens))


def test_a_start_gets_as_many_siblings_as_it_asks_for() -> None:
    alone = explore(StepTree(), starts=[STARTS[0]])
    mixed = explore(
        StepTree(), starts=[STARTS[0], Start(problem("c"), group_size=5), Start(problem("d"), group_size=15)]
    )
    assert [len(rollouts) for rollouts in mixed] == [12, 5, 15]
    assert [rollout.tokens for rollout in mixed[0]] == [rollout.tokens for rollout in alone[0]]


def test_only_the_new_tokens_are_sampled() -> None:
    coins = Coins()
    list(StepTree(roots=0.5)(STARTS[:1], Flips(), coins.tools, group_size=12, params=PARAMS, seed=0))
    assert coins.asked[0].group_size == 6
    assert [request.group_size for request in coins.asked[1:]] == [1] * 6
    assert all(len(request.tokens) - 1 + (request.limit or 0) == 4 for request in coins.asked)
    assert any(len(request.tokens) > 1 for request in coins.asked[1:])


def test_the_search_goes_where_it_pays() -> None:
    """Worth is the share of heads, so the first step of heads is visited more often than chance sends it there."""
    heads = total = 0
    for seed in range(20):
        (rollouts,) = explore(StepTree(roots=0.34, exploration=0.3), seed=seed, starts=STARTS[:1])
        heads += sum(rollout.tokens[0] == 1 for rollout in rollouts[4:])
        total += len(rollouts[4:])
    assert heads / total > 0.65


def test_the_same_seed_grows_the_same_tree_in_any_company() -> None:
    assert explore(StepTree()) == explore(StepTree())
    assert explore(StepTree(), starts=STARTS[:1])[0] == explore(StepTree())[0]
    assert explore(StepTree(), seed=1) != explore(StepTree())


def test_all_roots_is_plain_sampling() -> None:
    (rollouts,) = explore(StepTree(roots=1.0), starts=STARTS[:1])
    assert len(rollouts) == 12


def test_log_probabilities_of_shared_tokens_are_the_policys_own(tmp_path: Path) -> None:
    """The ratio between the policy and the one that sampled is 1 before the first update, on every token."""
    recipe = Recipe(
        name="tree",
        model=str(blank_model(tmp_path / "model")),
        task=EASY,
        schedule=Schedule(steps=1, checkpoint_every=0, rollouts_every=0),
        grouping=Grouping(groups=3, group_size=8),
        sampling=SamplingParams(max_tokens=4),
        optimization=Optimization(lr=1e-3, mini_batches=3, epochs=2),
        engine=LocalEngine(threads=1, matmul="highest"),
    )
    chosen = apply(recipe, [step_dpo()])
    assert (chosen.optimization.mini_batches, chosen.optimization.epochs) == (1, 1)
    train(chosen, out=tmp_path / "run")
    (row,) = RunDirectory.open(tmp_path / "run").metrics()
    assert row["ratio_max"] == pytest.approx(1, abs=1e-4)
    assert row["grad_norm"] > 0
    sampled = 3 * 8 * row["length"]
    assert row["tokens"] < sampled  # shared tokens were not sampled again


def test_wrong_settings_are_sentences() -> None:
    for wrong in ({"roots": 0.0}, {"actions": 1}, {"exploration": -1.0}):
        with pytest.raises(ForageError, match="step tree"):
            StepTree(**wrong)  # pyright: ignore[reportArgumentType]
