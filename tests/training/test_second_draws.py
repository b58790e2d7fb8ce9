"""More groups than problems: the second draw of a problem is another sample, and repeats bit for bit."""

from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from forage.core.records import Group, SamplingParams
from forage.engines.distributed.wire import groups_from_bytes, groups_to_bytes
from forage.engines.local.engine import LocalEngine
from forage.engines.optimization import Optimization
from forage.methods import Applied, apply, dr_grpo, grpo, rrl_whole_prompts, step_dpo
from forage.store.run_directory import RunDirectory
from forage.training.loop import resume, train
from forage.training.recipe import Grouping, Recipe, Schedule
from support.builders import group
from support.worlds import DECOY, blank_model


def small(folder: Path, *methods: Applied) -> Recipe:
    """Three problems and eight groups in a step."""
    model = folder / "model"
    recipe = Recipe(
        name="again",
        model=str(model if model.exists() else blank_model(model)),
        task=DECOY,
        schedule=Schedule(steps=4, checkpoint_every=2, rollouts_every=1),
        grouping=Grouping(groups=8, group_size=4),
        sampling=SamplingParams(max_tokens=6),
        optimization=Optimization(lr=3e-3),
        engine=LocalEngine(threads=1, matmul="highest"),
    )
    return apply(recipe, methods)


def responses(run: Path, step: int) -> dict[str, list[str]]:
    """By problem, the responses of a step that begin at the beginning."""
    found = defaultdict(list)
    for row in RunDirectory.open(run).rollouts(step):
        found[row["problem"]].append(row["text"])
    return dict(found)


@pytest.mark.parametrize("methods", [(grpo(),), (step_dpo(),)], ids=["plain", "tree"])
def test_a_second_draw_of_a_problem_is_another_sample(methods: tuple[Applied, ...], tmp_path: Path) -> None:
    train(small(tmp_path, *methods), out=tmp_path / "run")
    for step in (1, 2, 3, 4):
        for texts in responses(tmp_path / "run", step).values():
            draws = [tuple(texts[begin : begin + 4]) for begin in range(0, len(texts), 4)]
            assert len(draws) >= 2
            assert len(set(draws)) == len(draws), f"step {step} drew the same responses twice"


def test_a_replayed_problem_is_another_sample_than_a_fresh_one(tmp_path: Path) -> None:
    replayed = rrl_whole_prompts(collect=1.0, replay=0.0, share=0.5, margin=-1.0, continuations=2)
    train(small(tmp_path, dr_grpo(), replayed), out=tmp_path / "run")
    for step in (1, 2, 3, 4):
        for texts in responses(tmp_path / "run", step).values():
            draws = [tuple(texts[begin : begin + 4]) for begin in range(0, len(texts), 4)]
            assert len(set(draws)) == len(draws)


def test_it_repeats_and_resumes_bit_for_bit(tmp_path: Path) -> None:
    def interrupt(metrics: Any) -> None:
        if metrics["step"] == 3:
            raise KeyboardInterrupt

    recipe = small(tmp_path, grpo())
    train(recipe, out=tmp_path / "whole")
    assert not train(recipe, out=tmp_path / "parts", on_step=interrupt).finished
    assert resume(tmp_path / "parts").finished
    weights = [
        (RunDirectory.open(tmp_path / name).latest_checkpoint() / "model.safetensors").read_bytes()
        for name in ("whole", "parts")
    ]
    assert weights[0] == weights[1]
    assert responses(tmp_path / "whole", 4) == responses(tmp_path / "parts", 4)


def test_the_number_of_a_draw_crosses_between_processes() -> None:
    one = group([1.0, 0.0])
    start = replace(one.start, draw=2)
    sent = Group(start, tuple(replace(rollout, start=start) for rollout in one.rollouts), one.scores)
    assert groups_from_bytes(groups_to_bytes([sent])) == [sent]
    assert start.key == one.start.key
    assert start.seed_parts != one.start.seed_parts == (one.start.key,)
