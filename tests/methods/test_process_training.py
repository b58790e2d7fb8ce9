"""Training with a process model: the update lands, resuming repeats it, and what cannot be is refused."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from forage.core.errors import ForageError
from forage.core.records import Rollout, Score, Start
from forage.engines.local.model import LocalModel
from forage.engines.local.process_model import ProcessModel
from forage.methods import Applied, dapo, grpo, process_advantage, process_reward, raft
from forage.parts.credit.assign.step_returns import StepReturns
from forage.recipes import countdown
from forage.store.run_directory import RunDirectory
from forage.training.loop import resume, train
from forage.training.recipe import Recipe


@pytest.fixture(scope="module")
def model(tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("process") / "model"
    folder.mkdir()
    ProcessModel.from_causal(LocalModel.load(tiny_base)).save(folder)
    return str(folder)


def small(base: Path, *methods: Applied) -> Recipe:
    return countdown(
        model=str(base),
        method=methods,
        steps=2,
        groups=4,
        group_size=4,
        max_tokens=24,
        checkpoint_every=1,
        lr=1e-3,
        threads=1,
        matmul="highest",
    )


def weights(run: Path) -> bytes:
    return (RunDirectory.open(run).latest_checkpoint() / "model.safetensors").read_bytes()


@pytest.mark.parametrize("kind", ["reward", "advantage", "raft"])
def test_the_update_lands_and_resumes_bit_for_bit(kind: str, tiny_base: Path, model: str, tmp_path: Path) -> None:
    methods = {
        "reward": (grpo(), process_reward(model=model)),
        "advantage": (grpo(), process_advantage(model=model, discount=1.0)),
        "raft": (raft(), process_reward(model=model, aggregate="mean")),
    }[kind]
    run = tmp_path / "run"
    train(small(tiny_base, *methods), out=run)
    wanted = weights(run)
    assert wanted != (tiny_base / "model.safetensors").read_bytes()
    row = RunDirectory.open(run).metrics()[-1]
    assert row["grad_norm"] > 0
    assert (0 < row["reward"] < 1) == (kind != "advantage")
    shutil.rmtree(run / "checkpoints" / "step-000002")
    assert resume(run).finished
    assert weights(run) == wanted


def test_what_cannot_be_is_refused(tiny_base: Path, model: str) -> None:
    with pytest.raises(ForageError, match="forage prm label"):
        small(tiny_base, grpo(), process_reward())
    with pytest.raises(ForageError, match="is no process reward model"):
        small(tiny_base, grpo(), process_reward(model=str(tiny_base)))
    with pytest.raises(ForageError, match="already"):
        small(tiny_base, grpo(), process_reward(model=model), process_advantage(model=model))


def test_dense_credit_replaces_only_the_uniform_one(tiny_base: Path, model: str) -> None:
    recipe = small(tiny_base, grpo(), process_advantage(model=model))
    assert recipe.credit.assign == StepReturns()
    again = process_advantage(model=model)
    with pytest.raises(ForageError, match="StepReturns"):
        again(replace(recipe, rewards=()))


@pytest.mark.parametrize("outcome", [0.0, 0.5, 1.0])
def test_the_penalty_for_length_stays_beside_a_process_reward(outcome: float, tiny_base: Path, model: str) -> None:
    recipe = small(tiny_base, dapo(), process_reward(model=model, outcome=outcome))
    start, tokens = Start(recipe.task.problems("train")[0]), (70,) * 23
    blank, text = (0.0,) * len(tokens), ProcessModel.load(Path(model)).decode(tokens)
    long = Rollout(start, tokens, blank, blank, text, (23,), "length", 0)  # of 24: a penalty of 4 / 5
    scores: tuple[Score, ...] = (Score(1.0, {"correct": 1.0}),)
    for reward in recipe.rewards:
        scores = reward((long,), scores)
    assert scores[0].parts["overlong"] == pytest.approx(-4 / 5)
    assert scores[0].value == pytest.approx(outcome + scores[0].parts["process"] - 4 / 5)
