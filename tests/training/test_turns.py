"""Whole runs whose responses somebody answers: they learn, resume, replay and are evaluated as any other."""

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from forage.analysis.measures.responses import read_responses
from forage.analysis.reference import reference_text
from forage.core.records import SamplingParams
from forage.engines.optimization import Optimization
from forage.evaluation.evaluation import Evaluation
from forage.methods import METHODS, Applied, apply, grpo, parse, rloo
from forage.store.run_directory import RunDirectory
from forage.training.checkpoints import evaluate_checkpoint
from forage.training.loop import train
from forage.training.recipe import Grouping, Recipe, Schedule
from support.interruptions import train_whole_and_in_parts
from support.turn_worlds import ENGINE, Guide, Guided
from support.worlds import World, blank_model

WORTH = (("north", 0.2), ("north one two south", 1.0))
"""The treasure is a word behind what the guide says at the right one."""
GUIDED = Guided(worth=WORTH, environment=Guide())


@pytest.fixture(scope="module")
def blank(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return blank_model(tmp_path_factory.mktemp("blank") / "model", layers=1)


def recipe(model: Path, task: World, *applied: Applied, steps: int = 4, tokens: int = 10, **changes: Any) -> Recipe:
    made = Recipe(
        name="turns",
        model=str(model),
        task=task,
        schedule=Schedule(steps=steps, checkpoint_every=2, rollouts_every=2),
        grouping=Grouping(groups=3, group_size=16),
        sampling=SamplingParams(max_tokens=tokens),
        optimization=Optimization(lr=1e-2, mini_batches=1),
        engine=ENGINE,
    )
    return apply(replace(made, **changes), list(applied) or [rloo()])


def metrics(run: Path) -> list[dict[str, Any]]:
    return [{k: v for k, v in row.items() if k != "seconds"} for row in RunDirectory.open(run).metrics()]


def test_a_policy_learns_what_only_an_answer_tells(blank: Path, tmp_path: Path) -> None:
    train(recipe(blank, GUIDED, steps=24, tokens=6), out=tmp_path / "run")
    assert math.fsum(row["reward"] for row in metrics(tmp_path / "run")[-5:]) / 5 > 0.9
    (file,) = evaluate_checkpoint(tmp_path / "run", n=8, problems=2)
    found = Evaluation.load(file)
    assert sum(outcome.correct for outcome in found.problems) >= 12, "an evaluation is answered as training is"
    assert found.tokens < 2 * 8 * 6 - 16, "what the guide said is nobody's length"
    assert found.sampled_by["environment"]["part"] == "support.turn_worlds.Guide"


def test_an_environment_that_never_replies_changes_no_bit(blank: Path, tmp_path: Path) -> None:
    silent = Guide(times=0, ends=(" ".join(["south"] * 11),))  # more than a response holds
    train(recipe(blank, World(worth=WORTH)), out=tmp_path / "plain")
    train(recipe(blank, Guided(worth=WORTH, environment=silent)), out=tmp_path / "silent")
    assert repr(metrics(tmp_path / "plain")) == repr(metrics(tmp_path / "silent"))
    files = [tmp_path / name / "rollouts" / "step-000004.parquet" for name in ("plain", "silent")]
    assert files[0].read_bytes() == files[1].read_bytes()


def test_a_run_resumes_bit_for_bit(blank: Path, tmp_path: Path) -> None:
    few = Grouping(groups=2, group_size=16)  # of three problems, so that what is left of a round is restored
    whole, parts = train_whole_and_in_parts(recipe(blank, GUIDED, steps=3, grouping=few), tmp_path, stop_after=2)
    assert repr(metrics(whole)) == repr(metrics(parts))


def test_what_is_written_down_tells_who_wrote_it(blank: Path, tmp_path: Path) -> None:
    train(recipe(blank, GUIDED), out=tmp_path / "run")
    run = RunDirectory.open(tmp_path / "run")
    kept = run.rollouts(1)
    assert sum(map(bool, (row["given"] for row in kept))) > 8
    written = 0
    for row in kept:
        size = len(row["tokens"])
        assert size == len(row["pieces"]) == len(row["logprobs"]) == len(row["entropies"]) == len(row["advantages"])
        said = {place for first, last in row["given"] for place in range(first, last)}
        assert "".join(row["pieces"][place] for place in sorted(said)).split() == ["one", "two"] * len(row["given"])
        for column in ("logprobs", "entropies", "advantages"):
            assert {place for place, value in enumerate(row[column]) if math.isnan(value)} == said
        written += size - len(said)
    assert metrics(tmp_path / "run")[0]["tokens"] == written, "a budget is spent by the policy alone"
    assert metrics(tmp_path / "run")[0]["length"] == pytest.approx(written / len(kept))
    entropy = math.fsum(value for row in kept for value in row["entropies"] if not math.isnan(value)) / written
    assert metrics(tmp_path / "run")[0]["entropy"] == pytest.approx(entropy, rel=1e-6)
    assert metrics(tmp_path / "run")[0]["replies"] == sum(len(row["given"]) for row in kept) / len(kept)
    responses = read_responses(kept)
    assert sum(len(response.pieces) for response in responses) == written
    for row, response in zip(kept, responses, strict=True):
        assert response.text.count("north\n") == len(row["given"]), "a phrase ends where somebody else spoke"


@pytest.mark.parametrize(
    "added",
    [
        "rrl:collect=0.7,replay=0.3,share=0.5,margin=0.0,continuations=4",
        "hicra:grams=phrases",
        "vineppo:continuations=2",
        "ppo:critic_warmup=0",
        "step_dpo",
        "tree_credit",
        "entropy_forks",
        "success_replay",
        "base_anchor:solved=0",
        "i_mentor",
        "satori:reflect=go,room=2",
        "lambda_grpo",
        "perplexity_shaping",
        "position_shaping",
        "kl_penalty:coefficient=0.1",
    ],
)
def test_methods_that_look_into_responses_run(blank: Path, tmp_path: Path, added: str) -> None:
    task = Guided(worth=(("north one two", 1.0), ("one", 1.0)), environment=Guide())
    method = parse(added, METHODS)
    base = [] if method.kind == "algorithm" else [grpo()]
    few = Grouping(groups=3, group_size=8)
    train(recipe(blank, task, *base, method, steps=3, grouping=few), out=tmp_path / "run")
    found, run = metrics(tmp_path / "run"), RunDirectory.open(tmp_path / "run")
    assert all(math.isfinite(row["grad_norm"]) for row in found)
    rows = [row for step in run.rollout_steps() for row in run.rollouts(step)]
    assert any(row["given"] for row in rows)
    for row in rows:
        said = {place for first, last in row["given"] for place in range(first, last)}
        ended = {p + 1 for p, piece in enumerate(row["pieces"][:-1]) if "north" in piece and p not in said}
        begun = {first for first, _ in row["given"]}
        assert begun - {0} == ended, "every turn is answered, however the response came about"
        assert len(said) == 2 * len(begun) or (0 in begun and row["prefix"])
    first = reference_text(run)
    assert any(rollout.given for rollout in first.rollouts)
    for rollout, response in zip(first.rollouts, first.responses, strict=True):
        assert rollout.written == len(response.pieces) == len(response.entropies)
    assert json.loads((tmp_path / "run" / "recipe.json").read_text())["task"]["environment"]["times"] == 99
