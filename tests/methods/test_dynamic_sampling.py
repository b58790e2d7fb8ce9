"""DAPO's dynamic sampling: which groups are sampled again, and what a step learns from."""

from pathlib import Path

from forage.core.records import Group, SamplingParams, Score
from forage.engines.local.engine import LocalEngine
from forage.methods import apply, dapo
from forage.store.run_directory import RunDirectory
from forage.training.loop import train
from forage.training.recipe import Grouping, Recipe, Schedule
from forage.training.step import select
from support.builders import group
from support.worlds import World, blank_model

NEVER = World(worth=())
"""No response is right."""


def test_a_penalty_for_length_makes_no_group_worth_keeping(tmp_path: Path) -> None:
    # All are wrong, and the penalty differs between siblings: the paper samples such groups again.
    recipe = Recipe(
        name="never",
        model=str(blank_model(tmp_path / "model")),
        task=NEVER,
        schedule=Schedule(steps=1, checkpoint_every=0, rollouts_every=0),
        grouping=Grouping(groups=3, group_size=4),
        sampling=SamplingParams(max_tokens=6),
        engine=LocalEngine(threads=1, matmul="highest"),
    )
    train(apply(recipe, [dapo(max_rounds=3, overlong_buffer=0.9)]), out=tmp_path / "run")
    row = RunDirectory.open(tmp_path / "run").metrics()[0]
    assert row["overlong"] < 0
    assert row["zero_variance"] < 1, "the rewards of siblings must differ, or the test shows nothing"
    assert round(row["tokens"] / row["length"]) == 3 * 3 * 4, "three rounds of three groups"


def test_a_step_prefers_the_groups_that_are_divided() -> None:
    recipe = Recipe(name="toy", model="none", task=NEVER, grouping=Grouping(groups=2, group_size=2))
    recipe = apply(recipe, [dapo()])
    wrong = group([0.0, 0.0])
    long = Group(wrong.start, wrong.rollouts, (Score(0.0, {"correct": 0.0}), Score(-1.0, {"correct": 0.0})))
    mixed = group([1.0, 0.0])
    assert select([long, wrong, mixed, mixed], recipe) == [mixed, mixed]
    assert select([long, wrong, mixed], recipe) == [long, mixed], "topped up in order"
