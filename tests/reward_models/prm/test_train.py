"""Process models: where they are trained is where they are scored, and they learn what the labels say."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch

from forage.core.errors import ForageError
from forage.engines.local.model import LocalModel
from forage.engines.local.process_model import Encoded, ProcessModel, read_record
from forage.ops.step_objectives import step_cross_entropy
from forage.reward_models.prm.formats import TaggedSolution
from forage.reward_models.prm.train import ProcessTraining, permute_labels, prepare, train_process_model

PROMPT = "use 1 2 3 4 to make 10"
GOOD, BAD = "try 1 + 2 = 3 3 4", "try 4 - 2 = 2 1 3"
FAST = {"epochs": 30, "batch": 8, "lr": 3e-3, "held_out": 0.0}


@pytest.fixture
def process(tiny_base: Path) -> ProcessModel:
    return ProcessModel.from_causal(LocalModel.load(tiny_base))


def solution(*steps: str, values: tuple[float, ...], prompt: str = PROMPT) -> TaggedSolution:
    return TaggedSolution(prompt=prompt, steps=steps, values=values)


def test_tokens_that_are_there_are_taken_and_others_are_added(tiny_base: Path) -> None:
    model = LocalModel.load(tiny_base)
    size = len(model.tokenizer)
    process = ProcessModel.from_causal(model)
    assert model.tokenizer.convert_ids_to_tokens([process.head.tokens["good"], process.head.tokens["bad"]]) == [
        "+",
        "-",
    ]
    assert process.tag == size
    embedding: Any = model.module.get_input_embeddings()
    assert embedding.weight.shape[0] >= size + 1
    again = ProcessModel.from_causal(model)
    assert again.tag == process.tag


def test_every_step_has_its_tag_behind_it(process: ProcessModel) -> None:
    encoded = process.encode(PROMPT, [GOOD, BAD])
    assert [encoded.tokens[place] for place in encoded.tags] == [process.tag] * 2
    assert encoded.tokens.count(process.tag) == 2
    assert encoded.tags[-1] == len(encoded.tokens) - 1
    assert process.decode(encoded.tokens[: encoded.tags[0]]) == f"{PROMPT} {GOOD}"
    assert process.encode("", [GOOD]).tags == (8,)
    with pytest.raises(ForageError, match="cannot read"):
        process.encode(PROMPT, ["bonjour"])


def test_scores_do_not_depend_on_company_or_on_what_follows(process: ProcessModel) -> None:
    one, other = process.encode(PROMPT, [GOOD]), process.encode(PROMPT, [GOOD, BAD, GOOD])
    alone = process.score([one])[0]
    assert process.score([other, Encoded((), ()), one])[2] == pytest.approx(alone, abs=1e-6)
    assert process.score([other])[0][:1] == pytest.approx(alone, abs=1e-6)
    assert process.score([Encoded((), ())]) == [()]


def test_the_trained_position_is_the_scored_position(process: ProcessModel) -> None:
    """A gradient step on the loss of one tag moves the score of that very step towards its label."""
    encoded = process.encode(PROMPT, [GOOD, BAD])
    before = process.score([encoded])[0]
    probability = process.logits([encoded]).softmax(-1)[:, 0]
    assert probability.tolist() == pytest.approx(before, abs=1e-6)
    loss = step_cross_entropy(process.logits([encoded])[1:], torch.tensor([1.0])).sum()
    assert loss.item() == pytest.approx(-math.log(before[1]), abs=1e-5)
    parameters = list(process.model.module.parameters())
    with torch.no_grad():
        for parameter, gradient in zip(parameters, torch.autograd.grad(loss, parameters), strict=True):
            parameter -= 1e-3 * gradient
    assert process.score([encoded])[0][1] > before[1]


def test_it_learns_soft_labels(process: ProcessModel) -> None:
    rows = [solution(GOOD, BAD, values=(0.75, 0.125)), solution(BAD, values=(0.25,))] * 4
    outcome = train_process_model(process, rows, ProcessTraining(**FAST))
    assert (outcome.examples, outcome.updates) == (8, 30)
    scores = process.score([process.encode(PROMPT, [GOOD, BAD]), process.encode(PROMPT, [BAD])])
    assert scores[0] == pytest.approx((0.75, 0.125), abs=0.05)
    assert scores[1] == pytest.approx((0.25,), abs=0.05)


def test_an_outcome_model_learns_from_the_last_step_only(process: ProcessModel) -> None:
    rows = [solution(GOOD, BAD, values=(0.0, 1.0))] * 4
    training, _, _ = prepare(process, rows, ProcessTraining(objective="outcome", **FAST))
    assert math.isnan(training[0].values[0])
    train_process_model(process, rows, ProcessTraining(objective="outcome", **FAST))
    assert process.score([process.encode(PROMPT, [GOOD, BAD])])[0][1] > 0.9


def test_ranking_puts_wrong_steps_below_right_ones(process: ProcessModel) -> None:
    rows = [solution(GOOD, BAD, values=(1.0, 0.0)), solution(BAD, GOOD, values=(0.0, 1.0))] * 4
    train_process_model(process, rows, ProcessTraining(objective="ranking", **FAST))
    scores = process.score([process.encode(PROMPT, [GOOD, BAD]), process.encode(PROMPT, [BAD, GOOD])])
    assert scores[0][0] > scores[0][1]
    assert scores[1][1] > scores[1][0]


def test_passes_of_any_size_add_up(tiny_base: Path) -> None:
    rows = [solution(GOOD, BAD, values=(0.75, math.nan)), solution(BAD, values=(0.25,)), solution(GOOD, values=(1.0,))]
    found = []
    for micro_tokens in (1, 8192):
        process = ProcessModel.from_causal(LocalModel.load(tiny_base))
        settings = ProcessTraining(epochs=2, batch=3, micro_tokens=micro_tokens, held_out=0)
        train_process_model(process, rows, settings)
        found.append(process.score([process.encode(PROMPT, [GOOD, BAD])])[0])
    assert found[0] == pytest.approx(found[1], abs=1e-4)


def test_what_does_not_fit_is_rejected_and_never_cut(process: ProcessModel) -> None:
    rows = [
        solution(GOOD, values=(1.0,)),
        TaggedSolution(prompt=PROMPT, steps=(GOOD,) * 9, values=(1.0,) * 9, source="labels.jsonl, line 7"),
        solution(GOOD, values=(math.nan,)),
        solution("bonjour", values=(1.0,)),
    ]
    training, held, rejected = prepare(process, rows, ProcessTraining(max_tokens=40, held_out=0))
    assert (len(training), len(held)) == (1, 0)
    assert str(rejected[0]).startswith("labels.jsonl, line 7: 89 tokens")
    assert "none of its steps" in str(rejected[1])
    assert "cannot read" in str(rejected[2])
    with pytest.raises(ForageError, match=r"None of 1 .* line 7"):
        train_process_model(process, rows[1:2], ProcessTraining(max_tokens=40))


def test_questions_are_held_out_whole(process: ProcessModel) -> None:
    rows = [
        solution(GOOD, values=(value,), prompt=f"use {a} {b} 3 4 to make 10")
        for a in range(1, 6)
        for b in range(5)
        for value in (0.0, 1.0)
    ]
    settings = ProcessTraining(held_out=0.4, epochs=1)
    training, held, _ = prepare(process, rows, settings)
    assert 0 < len(held) < len(rows)
    assert not {e.encoded.tokens for e in held} & {e.encoded.tokens for e in training}
    outcome = train_process_model(process, rows, settings)
    assert outcome.calibration is not None
    assert outcome.calibration.brier == pytest.approx(0.25, abs=0.2)


def test_a_placebo_has_the_labels_elsewhere(process: ProcessModel) -> None:
    rows = [solution(GOOD, BAD, GOOD, values=(i / 20, math.nan, 1 - i / 40)) for i in range(20)]
    training, _, _ = prepare(process, rows, ProcessTraining(held_out=0))
    permuted = permute_labels(training, seed=0)
    assert [example.encoded for example in permuted] == [example.encoded for example in training]
    before, after = ([e.values[place] for e in side for place in (0, 2)] for side in (training, permuted))
    assert sorted(before) == sorted(after)
    assert before != after
    assert all(math.isnan(example.values[1]) for example in permuted)
    rows = [solution(GOOD, values=(1.0,)), solution(BAD, values=(0.0,))] * 16
    train_process_model(process, rows, ProcessTraining(placebo=True, **FAST))
    good, bad = (score[0] for score in process.score([process.encode(PROMPT, [GOOD]), process.encode(PROMPT, [BAD])]))
    assert abs(good - bad) < 0.7, "labels that say nothing teach nothing but their mean"


def test_saved_and_loaded_is_the_same_model(process: ProcessModel, tmp_path: Path) -> None:
    train_process_model(process, [solution(GOOD, values=(1.0,))], ProcessTraining(epochs=1, held_out=0))
    process.save(tmp_path)
    loaded = ProcessModel.load(tmp_path)
    encoded = process.encode(PROMPT, [GOOD, BAD])
    assert loaded.encode(PROMPT, [GOOD, BAD]) == encoded
    assert loaded.score([encoded]) == process.score([encoded])
    assert loaded.about["training"]["objective"] == "steps"


def test_a_folder_that_is_no_process_model_is_named(tiny_base: Path, tmp_path: Path) -> None:
    with pytest.raises(ForageError, match="forage prm train"):
        ProcessModel.load(tiny_base)
    (tmp_path / "process_model.json").write_text("{")
    with pytest.raises(ForageError, match="damaged"):
        read_record(tmp_path)


def test_wrong_settings_are_sentences() -> None:
    for settings in ({"objective": "guess"}, {"lr": 0.0}, {"held_out": 1.0}, {"epochs": 0}):
        with pytest.raises(ForageError):
            ProcessTraining(**settings)  # pyright: ignore[reportArgumentType]
