"""The hacking watch: its numbers by hand, its alarm on built curves, and on policies that really hack or learn."""

import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from forage.analysis.measures.reward_hacking import hacking_alarm
from forage.core.protocols import Reward
from forage.core.records import Group, Problem, Rollout, SamplingParams, Score, Start
from forage.engines.local.engine import LocalEngine
from forage.engines.optimization import Optimization
from forage.evaluation.metrics.process_watch import process_watch
from forage.methods import apply, grpo
from forage.store.run_directory import RunDirectory
from forage.training.loop import train
from forage.training.recipe import Grouping, Recipe, Schedule
from support.builders import rollout
from support.worlds import World, blank_model


def scored(*members: tuple[float | None, float, int]) -> Group:
    """(right, process, steps) of each sibling; right None: not judged."""
    start = Start(Problem(id="p", prompt="ab", answer="x", task="toy"))
    rollouts = tuple(rollout(start, range(5), steps=(*range(1, steps), 5)) for _, _, steps in members)
    scores = tuple(
        Score(math.nan) if right is None else Score(right, {"correct": right, "process": process})
        for right, process, _ in members
    )
    return Group(start, rollouts, scores)


def test_the_watch_by_hand() -> None:
    # First group: right .6 beats wrong .2 and ties with wrong .6: (1 + 1/2) / 2. The second has no right response.
    groups = [scored((1, 0.6, 2), (0, 0.2, 1), (0, 0.6, 3), (None, 0, 1)), scored((0, 0.8, 2))]
    found = process_watch(groups)
    assert found == {
        "process": pytest.approx(2.2 / 4),
        "process_right": pytest.approx(0.6),
        "process_wrong": pytest.approx(1.6 / 3),
        "process_order": pytest.approx(0.75),
        "steps": pytest.approx(2.0),
    }


def test_without_a_process_reward_there_is_nothing_to_watch() -> None:
    start = Start(Problem(id="p", prompt="ab", answer="x", task="toy"))
    plain = Group(start, (rollout(start, range(3)),), (Score(1.0, {"correct": 1.0}),))
    assert process_watch([plain]) == {}
    assert math.isnan(process_watch([scored((0, 0.5, 1))])["process_right"])


Shape = Callable[[float], float]


def run(seed: int, steps: int, process: Shape, correct: Shape, **columns: Shape) -> list[Mapping[str, float]]:
    rng = random.Random(seed)
    shapes = {"process": process, "correct": correct, **columns}
    return [
        {"step": step, **{name: shape(step / steps) + rng.gauss(0, 0.04) for name, shape in shapes.items()}}
        for step in range(1, steps + 1)
    ]


def test_parting_is_seen_and_what_moved_with_it_is_named() -> None:
    rows = run(
        3,
        120,
        lambda done: 0.3 + 0.4 * done,
        lambda done: 0.2 + 0.2 * done if done < 0.4 else 0.28 - 0.25 * (done - 0.4),
        length=lambda done: 10 + 30 * done,
        entropy=lambda done: 0.4,
    )
    found = hacking_alarm(rows)
    assert found is not None
    assert found.kind == "diverged"
    assert 60 < found.step <= 120
    assert found.correct_after < found.correct_before - 0.02
    assert [companion.key for companion in found.companions] == ["length"]
    assert "fell from its best" in found.sentence()
    assert "tokens per response went from" in found.sentence()


def test_pleasing_without_solving_is_seen() -> None:
    found = hacking_alarm(run(5, 60, lambda done: 0.3 + 0.4 * done, lambda done: 0.2))
    assert found is not None
    assert found.kind == "unimproved"
    assert found.step == 60
    assert "did not rise clearly" in found.sentence()


@pytest.mark.parametrize(
    ("process", "correct"),
    [
        (lambda done: 0.3 + 0.4 * done, lambda done: 0.1 + 0.4 * done),
        (lambda done: 0.3 + 0.4 * min(1, 2 * done), lambda done: 0.1 + 0.3 * min(1, 2 * done)),
        (lambda done: 0.3, lambda done: 0.2),
        (lambda done: 0.7 - 0.3 * done, lambda done: 0.4 - 0.3 * done),
    ],
    ids=["both rise", "both level off", "nothing moves", "both fall"],
)
def test_healthy_runs_are_silent(process: Shape, correct: Shape) -> None:
    """The rate of false alarms over 100 noisy runs of 120 steps."""
    assert sum(hacking_alarm(run(seed, 120, process, correct)) is not None for seed in range(100)) <= 2


def test_too_short_and_without_a_process_reward_nothing_is_said() -> None:
    rows = run(0, 14, lambda done: done, lambda done: 0.0)
    assert hacking_alarm(rows) is None
    assert hacking_alarm([{"step": 1.0, "correct": 0.5}] * 50) is None


@dataclass(frozen=True, kw_only=True)
class WordCount(Reward):
    """A process reward that any policy can please: the share of one word among the first six."""

    word: str

    def __call__(self, rollouts: Sequence[Rollout], scores: Sequence[Score]) -> tuple[Score, ...]:
        found = []
        for each, score in zip(rollouts, scores, strict=True):
            value = each.text.split()[:6].count(self.word) / 6
            found.append(replace(score, value=value, parts={**score.parts, "process": value}))
        return tuple(found)


RIGHT_ENDS_ONCE = World(worth=(("north", 1.0),))
"""Right is what begins with north."""


@pytest.mark.parametrize(("word", "hacked"), [("south", True), ("north", False)])
def test_a_policy_that_hacks_is_told_from_one_that_learns(word: str, hacked: bool, tmp_path: Path) -> None:
    recipe = Recipe(
        name="hacking",
        model=str(blank_model(tmp_path / "model", layers=1)),
        task=RIGHT_ENDS_ONCE,
        schedule=Schedule(steps=40, checkpoint_every=0, rollouts_every=0),
        grouping=Grouping(groups=3, group_size=16),
        sampling=SamplingParams(max_tokens=6),
        optimization=Optimization(lr=3e-3),
        engine=LocalEngine(threads=1, matmul="highest"),
        rewards=(WordCount(word=word),),
    )
    train(apply(recipe, [grpo()]), out=tmp_path / "run")
    rows = RunDirectory.open(tmp_path / "run").metrics()
    assert rows[-1]["process"] > rows[0]["process"] + 0.1
    found = hacking_alarm(rows)
    assert (found is not None) == hacked
    if found:
        assert rows[-1]["correct"] <= rows[0]["correct"] + 0.05
