"""Supervised training against transformers' own loss, and what is learned, read and left alone."""

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
import torch

from forage.core.errors import ForageError
from forage.engines.hybrid_thinking import HybridThinking
from forage.engines.local.adapters import Lora
from forage.engines.local.engine import LocalEngine
from forage.engines.local.model import LocalModel
from forage.engines.local.policy import LocalPolicy
from forage.engines.optimization import Optimization
from forage.training.examples import Example, Examples
from forage.training.fit import OnUpdate
from forage.training.supervised import (
    EncodedExample,
    SupervisedTraining,
    dealt_anew,
    encode,
    mean_loss,
    prepare,
    train_checkpoint,
    train_on_examples,
)
from support.interruptions import files, interrupting
from support.own_world import sums, write_model

ENGINE = LocalEngine(threads=1, matmul="highest")
SETTINGS = SupervisedTraining(epochs=2, batch=4, lr=3e-3, held_out=0.2, seed=3)


def examples(count: int = 12) -> tuple[Example, ...]:
    return tuple(
        Example(prompt=row["prompt"], response=f" I add. The answer is {row['answer']}.", source=f"row {number}")
        for number, row in enumerate(sums(count), 1)
    )


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("supervised") / "model")


def opened(model: Path) -> LocalPolicy:
    policy = ENGINE.open(str(model), optimization=Optimization()).policy
    assert isinstance(policy, LocalPolicy)
    return policy


def theirs(policy: LocalPolicy, rows: tuple[EncodedExample, ...]) -> torch.Tensor:
    """The mean over learned tokens by transformers' own loss, one sequence at a time."""
    total = torch.tensor(0.0)
    for row in rows:
        before = len(row.prompt) + len(row.prefix)
        tokens = torch.tensor([[*row.prompt, *row.prefix, *row.learned]])
        labels = tokens.clone()
        labels[:, :before] = -100
        total = total + cast(Any, policy.model.module)(input_ids=tokens, labels=labels).loss * len(row.learned)
    return total / sum(len(row.learned) for row in rows)


@pytest.mark.parametrize("micro_tokens", [1, 60, 4096])
def test_loss_and_gradients_are_those_of_transformers(micro_tokens: int, model: Path) -> None:
    policy = opened(model)
    rows = prepare(policy, examples(6), replace(SETTINGS, held_out=0.0, learn_from=" The answer")).training
    assert all(row.prefix for row in rows)
    reference = theirs(policy, rows)
    reference.backward()
    parameters = dict(policy.model.module.named_parameters())
    expected = {name: cast(torch.Tensor, each.grad).clone() for name, each in parameters.items()}
    policy.model.module.zero_grad()
    assert mean_loss(policy, rows, micro_tokens) == pytest.approx(reference.item(), rel=1e-5)

    seen: list[float] = []
    settings = replace(SETTINGS, epochs=1, batch=len(rows), held_out=0.0, micro_tokens=micro_tokens, lr=1e-9)
    settings = replace(settings, learn_from=" The answer")
    train_on_examples(policy, examples(6), settings, on_update=lambda done, total, loss: seen.append(loss))
    assert seen == [pytest.approx(reference.item(), rel=1e-5)]
    norm = math.sqrt(sum(float((grad**2).sum()) for grad in expected.values()))
    for name, parameter in parameters.items():  # the gradients of the update are still there, clipped to a norm of 1
        torch.testing.assert_close(parameter.grad, expected[name] / max(1.0, norm), rtol=1e-3, atol=1e-5)


def test_what_stands_before_is_read_and_not_learned(model: Path) -> None:
    policy = opened(model)
    codec, stops = ENGINE.open(str(model)).codec, policy.model.stop_ids
    example = examples(1)[0]
    whole = encode(codec, example, stops=stops)
    assert whole.prefix == ()
    assert codec.decode(whole.learned) == example.response
    assert whole.learned[-1] == stops[0]
    cut = encode(codec, example, stops=stops, learn_from="The answer")
    assert codec.decode(cut.prefix) == " I add. "
    assert codec.decode(cut.learned).startswith("The answer is")
    assert encode(codec, example, stops=stops, learn_from="nowhere") == whole


def test_it_learns_what_the_placebo_does_not(model: Path) -> None:
    taught = tuple(Example(prompt=letter, response=letter * 2, source=letter) for letter in "abcdef")
    settings = replace(SETTINGS, epochs=20, batch=6, lr=3e-2, held_out=0.0)
    losses: dict[bool, float] = {}
    for placebo in (False, True):
        policy = opened(model)
        train_on_examples(policy, taught, replace(settings, placebo=placebo))
        losses[placebo] = mean_loss(policy, prepare(policy, taught, settings).training, 4096)
    assert losses[False] < 0.2
    assert losses[True] > 1


def test_a_learning_rate_for_tiny_models_is_remarked_on_in_others(
    model: Path, monkeypatch: pytest.MonkeyPatch, recwarn: pytest.WarningsRecorder
) -> None:
    once = replace(SETTINGS, epochs=1, held_out=0.0)
    train_on_examples(opened(model), examples(4), once)
    assert not [each for each in recwarn if "learning rate" in str(each.message)]
    monkeypatch.setattr("forage.training.supervised.LARGE", 1000)
    with pytest.warns(UserWarning, match=r"A learning rate of 0.003 is for tiny models"):
        train_on_examples(opened(model), examples(4), once)
    train_on_examples(opened(model), examples(4), replace(once, lr=5e-5))
    assert not [each for each in recwarn if "5e-05" in str(each.message)]


def test_every_response_of_the_placebo_is_anothers(model: Path) -> None:
    rows = prepare(opened(model), examples(), replace(SETTINGS, held_out=0.0)).training
    dealt = dealt_anew(rows, seed=1)
    assert [row.prompt for row in dealt] == [row.prompt for row in rows]
    assert sorted(row.learned for row in dealt) == sorted(row.learned for row in rows)
    assert all(new.learned is not old.learned for new, old in zip(dealt, rows, strict=True))
    assert dealt != dealt_anew(rows, seed=2)


def learn(model: Path, out: Path, on_update: OnUpdate | None = None, every: int = 2) -> None:
    train_checkpoint(
        model,
        examples=Examples(examples()),
        out=out,
        settings=replace(SETTINGS, new_tokens=("<|reflect|>",)),
        engine=ENGINE,
        checkpoint_every=every,
        on_update=on_update,
    )


def test_interrupted_and_continued_is_uninterrupted(model: Path, tmp_path: Path) -> None:
    learn(model, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        learn(model, tmp_path / "parts", interrupting(3), every=0)
    numbers: list[int] = []
    learn(model, tmp_path / "parts", lambda done, total, loss: numbers.append(done))
    assert numbers[0] == 4
    assert files(tmp_path / "parts") == files(tmp_path / "whole")
    about = json.loads((tmp_path / "whole" / "supervised.json").read_text())
    assert about["learned"]["updates"] == numbers[-1]
    with pytest.raises(ForageError, match="exists already"):
        learn(model, tmp_path / "whole")


def test_other_examples_are_refused_while_a_training_is_open(model: Path, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        learn(model, tmp_path / "out", interrupting(1))
    with pytest.raises(ForageError, match="begun with other settings, examples"):
        train_checkpoint(model, examples=Examples(examples(5)), out=tmp_path / "out", settings=SETTINGS, engine=ENGINE)


def test_an_adapter_alone_learns(model: Path, tmp_path: Path) -> None:
    engine = replace(ENGINE, adapter=Lora(rank=2))
    made = train_checkpoint(
        model, examples=Examples(examples()), out=tmp_path / "out", settings=SETTINGS, engine=engine
    )
    assert (tmp_path / "out" / "adapter_model.safetensors").is_file()
    assert not (tmp_path / "out" / "model.safetensors").exists()
    trained = LocalModel.load(tmp_path / "out")
    policy = LocalPolicy(trained, Optimization(), temperature=1.0)
    rows = prepare(policy, examples(), SETTINGS)
    assert mean_loss(policy, rows.held, 4096) == pytest.approx(made.held_loss, rel=1e-4)
    assert mean_loss(opened(model), rows.held, 4096) > made.held_loss


def test_what_cannot_be_learned_is_named(model: Path, tmp_path: Path) -> None:
    policy = opened(model)
    long = Example(prompt="Say it.", response="far " * 40, source="row 9")
    made = train_on_examples(policy, (*examples(4), long), replace(SETTINGS, max_tokens=30, held_out=0.0, epochs=1))
    assert made.examples == 4
    assert made.rejected[0].startswith("row 9: its response has ")
    assert math.isnan(made.held_loss)
    with pytest.raises(ForageError, match=r"None of 1 examples .* 1 are rejected; the first: row 9"):
        train_on_examples(policy, (long,), replace(SETTINGS, max_tokens=30))
    with pytest.raises(ForageError, match="Hold out less than"):
        train_on_examples(policy, examples(2), replace(SETTINGS, held_out=0.999999))


@pytest.mark.parametrize(
    ("engine", "message"),
    [
        (replace(ENGINE, dtype="bfloat16"), "keeps its weights in float32"),
        (replace(ENGINE, adapter=Lora()), "embeddings of new tokens are learned"),
        (replace(ENGINE, thinking=HybridThinking()), "thinks partly in embeddings"),
    ],
)
def test_engines_that_it_does_not_serve_are_refused(
    engine: LocalEngine, message: str, model: Path, tmp_path: Path
) -> None:
    tokens = ("<|reflect|>",) if engine.adapter else ()
    with pytest.raises(ForageError, match=message):
        train_checkpoint(
            model,
            examples=Examples(examples()),
            out=tmp_path / "out",
            settings=replace(SETTINGS, new_tokens=tokens),
            engine=engine,
        )
    assert not list(tmp_path.iterdir())
