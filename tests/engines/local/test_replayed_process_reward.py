"""The process reward of a response is that of its whole text, wherever its sampling began."""

from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from forage.core.batch import Experience
from forage.core.collate import collate
from forage.core.protocols import Tools
from forage.core.records import Completion, Group, Origin, Problem, SampleRequest, SamplingParams, Score, Start
from forage.engines.local.codec import LocalCodec
from forage.engines.local.model import LocalModel
from forage.engines.local.process_model import ProcessModel
from forage.engines.local.process_reward import ProcessReward
from forage.ops.step_scores import AGGREGATORS, aggregate
from forage.parts.credit.assign.value_differences import ValueDifferences
from forage.parts.explore import to_rollout
from forage.parts.signals.step_values import StepValues
from forage.parts.values import MonteCarlo
from forage.tasks.countdown import Countdown

TASK = Countdown(size="demo")
PROBLEM = Problem(id="p", prompt="use 1 2 and 4 to make 10", answer="10", task="countdown")
STEPS = ("try 1 + 2 = 3 4", "back", "try 4 - 2 = 2 1", "wait", "try 1 + 4 = 5 2", "so <eos>")
PARAMS = SamplingParams(max_tokens=60)


@pytest.fixture(scope="module")
def process(tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> ProcessModel:
    folder = tmp_path_factory.mktemp("process") / "model"
    folder.mkdir()
    ProcessModel.from_causal(LocalModel.load(tiny_base)).save(folder)
    return ProcessReward(model=str(folder)).process


@pytest.fixture(scope="module")
def folder(process: ProcessModel, tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("saved") / "model"
    folder.mkdir()
    process.save(folder)
    return str(folder)


@dataclass
class Sure:
    """A policy that has only one response to give, and a verifier that calls it wrong."""

    codec: LocalCodec
    response: tuple[int, ...]
    version: int = 0

    def sample(
        self, requests: Sequence[SampleRequest], params: SamplingParams
    ) -> Iterator[tuple[int, tuple[Completion, ...]]]:
        for number, request in enumerate(requests):
            rest = self.response[len(request.tokens) - len(self.codec.prompt(PROBLEM)) :]
            blank = (0.0,) * len(rest)
            yield number, (Completion(rest, blank, blank, "eos"),) * request.group_size

    def submit(self, problem: Problem, texts: Sequence[str]) -> Future[tuple[Score, ...]]:
        future: Future[tuple[Score, ...]] = Future()
        future.set_result((Score(0.0, {"correct": 0.0}),) * len(texts))
        return future


def encoded(process: ProcessModel, steps: Sequence[str]) -> tuple[int, ...]:
    return tuple(process.model.tokenizer(" ".join(steps), add_special_tokens=False)["input_ids"])  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("origin", [Origin.REPLAY, Origin.WRONG])
@pytest.mark.parametrize("how", sorted(AGGREGATORS))
def test_credit_of_steps_adds_up_to_the_return_minus_the_value_of_the_start(
    how: str, origin: Origin, process: ProcessModel, folder: str
) -> None:
    # Whatever this policy samples was certain before: every value is the return, and every advantage is 0.
    reward = ProcessReward(model=folder, aggregate=how, outcome=0.0, task=TASK)  # pyright: ignore[reportArgumentType]
    codec, response = LocalCodec(process.model.tokenizer), encoded(process, STEPS)
    (values,) = process.scores([(str(PROBLEM.prompt), [*STEPS[:-1], "so"])])
    wanted = aggregate(values, how)  # pyright: ignore[reportArgumentType]
    sure = Sure(codec, response)
    tools = Tools(codec, sure, sure, rewards=(reward,))
    for kept in (0, 1, 2, 4):
        start = Start(PROBLEM, encoded(process, STEPS[:kept]), origin if kept else Origin.POLICY)
        blank = (0.0,) * (len(response) - len(start.prefix))
        rollouts = (to_rollout(start, Completion(response[len(start.prefix) :], blank, blank, "eos"), TASK, codec, 0),)
        group = Group(start, rollouts, reward(rollouts, (Score(0.0, {"correct": 0.0}),)))
        assert group.scores[0].value == pytest.approx(wanted, abs=1e-5)
        batch = collate([group], codec.prompt)
        part = StepValues(method=MonteCarlo(continuations=2), params=PARAMS, task=TASK)
        signals = {"step_value": part([group], batch, tools, seed=0)}
        torch.testing.assert_close(signals["step_value"][batch.loss_mask], torch.full((len(blank),), wanted))
        advantage = ValueDifferences()(batch.reward.double(), Experience(batch, signals))
        torch.testing.assert_close(advantage, torch.zeros_like(advantage), atol=1e-5, rtol=0)


def test_differences_begin_at_the_score_behind_the_steps_of_the_prefix(process: ProcessModel, folder: str) -> None:
    reward = ProcessReward(model=folder, outcome=1.0, dense=True, task=TASK)
    codec, response = LocalCodec(process.model.tokenizer), encoded(process, STEPS)
    (values,) = process.scores([(str(PROBLEM.prompt), [*STEPS[:-1], "so"])])
    start = Start(PROBLEM, encoded(process, STEPS[:2]), Origin.REPLAY)
    blank = (0.0,) * (len(response) - len(start.prefix))
    rollouts = (to_rollout(start, Completion(response[len(start.prefix) :], blank, blank, "eos"), TASK, codec, 0),)
    (score,) = reward(rollouts, (Score(1.0),))
    wanted = [now - then for now, then in zip(values[2:], values[1:], strict=False)]
    assert score.steps is not None
    assert score.steps == pytest.approx(wanted, abs=1e-5)
    assert sum(score.steps) == pytest.approx(values[-1] - values[1], abs=1e-5)
