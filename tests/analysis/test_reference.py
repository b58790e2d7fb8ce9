"""A fixed text under every kept policy: against transformers' own forward pass, and what it refuses."""

import math
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from forage.analysis import Analysis, Grams, analyze
from forage.analysis.reference import reference_text
from forage.analysis.tables import fixed_text_sentence, tables_of
from forage.core.errors import ForageError
from forage.grams.gram_list import GramCluster, GramList
from forage.recipes import countdown
from forage.store.run_directory import RunDirectory
from forage.training.loop import train

LAB = GramList(clusters=tuple(GramCluster(grams=(word,)) for word in ("try", "let", "check", "wait", "use")))
STEPS = 6


@pytest.fixture(scope="module")
def run(tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    """Six steps with every checkpoint and rollout kept. So small a model solves nothing, so half is called correct."""
    settings: dict[str, Any] = {"groups": 4, "group_size": 4, "max_tokens": 24, "checkpoint_every": 1, "lr": 1e-2}
    recipe = countdown(
        model=str(tiny_base), steps=STEPS, keep_checkpoints=STEPS, rollouts_every=1, threads=1, matmul="highest",
        temperature=0.8, **settings,
    )  # fmt: skip
    directory = RunDirectory.open(train(recipe, out=tmp_path_factory.mktemp("runs") / "run").path)
    with directory.lock():
        for step in directory.rollout_steps():
            rows = directory.rollouts(step)
            directory.write_rollouts(step, [{**row, "correct": float(row["sibling"] % 2)} for row in rows])
    return directory


@pytest.fixture(scope="module")
def found(run: RunDirectory) -> Analysis:
    return analyze(run, grams=Grams(grams=LAB, source="lab"), reference=run.path, draws=100)


def nll(weights: Path, run: RunDirectory) -> dict[bool, list[float]]:
    """Of planning (True) and execution tokens of the text, one response at a time, in float32 as transformers does."""
    model = cast(Any, AutoModelForCausalLM.from_pretrained(weights, dtype=torch.float32))
    tokenizer = cast(Any, AutoTokenizer.from_pretrained(weights))
    values: dict[bool, list[float]] = {True: [], False: []}
    for rollout, response in zip((text := reference_text(run)).rollouts, text.responses, strict=True):
        prompt = tokenizer(rollout.start.problem.prompt)["input_ids"]
        prompt = prompt[:-1] if prompt[-1] == tokenizer.eos_token_id else prompt
        with torch.no_grad():
            logits = model(torch.tensor([[*prompt, *rollout.tokens]])).logits[0] / 0.8
        scored = logits.log_softmax(-1)[torch.arange(len(prompt) - 1, len(prompt) + len(rollout.tokens) - 1)]
        for token, row, piece in zip(rollout.tokens, scored, response.pieces, strict=True):
            values[piece.strip() in ("try", "let", "check", "wait", "use")].append(-float(row[token]))
    return values


def test_against_the_forward_pass_of_transformers(run: RunDirectory, tiny_base: Path, found: Analysis) -> None:
    assert found.reference is not None
    before, after = nll(tiny_base, run), nll(run.path / "checkpoints" / "step-000004", run)
    point = next(point for point in found.reference.points if point.step == 4)
    for kind, value in ((True, point.planning), (False, point.execution)):
        assert value is not None
        assert value.estimate == pytest.approx(math.exp(np.mean(after[kind]) - np.mean(before[kind])), rel=1e-4)
        assert value.low <= value.estimate <= value.high
    assert (found.reference.planning, found.reference.execution) == (len(before[True]), len(before[False]))


def test_every_policy_reads_the_same_text(found: Analysis, run: RunDirectory, tmp_path: Path) -> None:
    reference = found.reference
    assert reference is not None
    assert [point.step for point in reference.points] == list(range(STEPS + 1))
    first = reference.points[0]
    assert first.planning is not None
    assert (first.planning.estimate, first.planning.low, first.planning.high) == (1, 1, 1)
    assert reference.responses == len({(r.start.problem.id, r.tokens) for r in reference_text(run).rollouts})
    assert reference.phases is not None
    assert reference.phases.steps == STEPS
    assert fixed_text_sentence(reference).startswith("On the fixed text. ")
    assert len(tables_of(found)["reference"].rows) == STEPS + 1
    found.save(tmp_path / "analysis.json")
    assert Analysis.load(tmp_path / "analysis.json") == found


def test_a_text_is_spread_over_the_problems(run: RunDirectory) -> None:
    text = reference_text(run, limit=4)
    assert len({rollout.start.problem.id for rollout in text.rollouts}) == 4


def test_what_cannot_be_scored(run: RunDirectory, tmp_path: Path) -> None:
    with pytest.raises(ForageError, match="give `grams`"):
        analyze(run, reference=run.path, draws=10)
    grams = Grams(grams=LAB, source="lab")
    bare = RunDirectory.create(tmp_path / "bare", run.recipe())
    with bare.lock():
        bare.write_rollouts(1, [{**row, "correct": 0.0} for row in run.rollouts(1)])
    with pytest.raises(ForageError, match="no correct response"):
        analyze(run, grams=grams, reference=bare.path, draws=10)
    with pytest.raises(ForageError, match="kept no checkpoint"):
        analyze(bare, grams=grams, reference=run.path, draws=10)
    other = RunDirectory.create(tmp_path / "other", run.recipe())
    with other.lock():
        rows = run.rollouts(1)
        other.write_rollouts(1, [{**row, "correct": 1.0, "pieces": ["x"] * len(row["pieces"])} for row in rows])
    with pytest.raises(ForageError, match="another tokenizer"):
        analyze(run, grams=grams, reference=other.path, draws=10)
