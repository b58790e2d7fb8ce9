"""Guided search in a world of 16 texts whose exact process model is known, and with a real policy and model."""

import random
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ClassVar, Literal

import pytest

from forage.core.errors import ForageError
from forage.core.protocols import Task, Tools
from forage.core.records import Completion, Problem, SampleRequest, SamplingParams, Score, Start
from forage.core.seeds import derive_seed
from forage.engines.local.engine import LocalEngine
from forage.engines.local.model import LocalModel
from forage.engines.local.process_model import ProcessModel
from forage.reward_models.prm.search import GuidedSearch, GuidedSolution, search
from forage.tasks.countdown import Countdown
from support.readable_codecs import Digits

LENGTH = 4
PARAMS = SamplingParams(max_tokens=LENGTH)
ACCEPT_ALL = GuidedSearch(accept=0.0, floor=0.0, lookahead=0)


@dataclass(frozen=True, kw_only=True)
class Lock(Task):
    """Four digits of 0 and 1, one step each; only the problem's answer opens the lock."""

    name: ClassVar[str] = "lock"

    def problems(self, split: Literal["train", "test"]) -> Sequence[Problem]:
        return tuple(Problem(id=f"p{i}", prompt="x", answer=f"{i:04b}", task="lock") for i in range(16))

    def verify(self, problem: Problem, text: str) -> Score:
        return Score(float(text == problem.answer), {"correct": float(text == problem.answer)})

    def step_ends(self, pieces: Sequence[str]) -> tuple[int, ...]:
        return tuple(range(1, len(pieces) + 1))


@dataclass
class Dice(Digits):
    """Sampler and codec: digits by lot, four in all; the random numbers hang on seed, sibling and place."""

    version: int = 0
    asked: list[SampleRequest] = field(default_factory=list)

    def prompt(self, problem: Problem) -> tuple[int, ...]:
        return (9,)

    def sample(
        self, requests: Sequence[SampleRequest], params: SamplingParams
    ) -> Iterator[tuple[int, tuple[Completion, ...]]]:
        for number, request in enumerate(requests):
            self.asked.append(request)
            size = min(LENGTH + 1 - len(request.tokens), request.limit or params.max_tokens)
            found = []
            for sibling in range(request.group_size):
                draw = random.Random(f"{request.seed} {sibling}")
                tokens = tuple(int(draw.random() < 0.5) for _ in range(size))
                found.append(Completion(tokens, (0.0,) * size, (0.0,) * size, "length"))
            yield number, tuple(found)

    def submit(self, problem: Problem, texts: Sequence[str]) -> Future[tuple[Score, ...]]:
        raise AssertionError("a search asks no verifier")

    @property
    def tools(self) -> Tools:
        return Tools(self, self, self)


class Exact:
    """1 for every prefix that can still open the lock, 0 for the others; remembers everything that it was asked."""

    def __init__(self, answers: Sequence[str]) -> None:
        self.answers = answers
        self.seen: list[tuple[str, float]] = []

    def __call__(self, asked: Sequence[tuple[str, Sequence[str]]]) -> list[list[float]]:
        found = []
        for answer, (_, steps) in zip(self._answers(asked), asked, strict=True):
            values = [float(answer.startswith("".join(steps[: end + 1]))) for end in range(len(steps))]
            self.seen += [("".join(steps[: end + 1]), value) for end, value in enumerate(values)]
            found.append(values)
        return found

    def _answers(self, asked: Sequence[object]) -> Sequence[str]:
        return [*self.answers] * len(asked) if len(self.answers) == 1 else self.answers


def run(plan: GuidedSearch, answer: str = "1011", *, count: int = 400, seed: int = 0) -> list[GuidedSolution]:
    start = Start(Problem(id="p", prompt="x", answer=answer, task="lock"))
    return search(plan, [start] * count, Lock(), Dice().tools, Exact([answer]), PARAMS, seed=seed)


def test_an_exact_model_opens_the_lock_as_often_as_the_mathematics_says() -> None:
    # Each digit is right within 4 tries with chance 1 - 1/16; without backtracking all four are with .9375^4 = .772.
    plan = GuidedSearch(accept=1.0, floor=0.0, proposals=4, backtracks=0, lookahead=1)
    found = run(plan)
    share = sum(each.text == "1011" for each in found) / len(found)
    assert share == pytest.approx(0.772, abs=4 * (0.772 * 0.228 / 400) ** 0.5)
    # With as many tokens as it took, plain samples contain the answer far less often: 1 - (15/16)^(tokens / 4).
    tokens = sum(each.sampled for each in found) / len(found)
    assert share > 1.5 * (1 - (15 / 16) ** (tokens / LENGTH))


def test_backtracking_leaves_a_dead_end() -> None:
    """A model that sees the error one step late: only going back helps."""

    def late(asked: Sequence[tuple[str, Sequence[str]]]) -> list[list[float]]:
        return [[float("1011".startswith("".join(steps[:end]))) for end in range(len(steps))] for _, steps in asked]

    start = Start(Problem(id="p", prompt="x", answer="1011", task="lock"))
    shares = []
    for backtracks in (0, 12):
        plan = GuidedSearch(accept=1.0, floor=0.5, proposals=8, backtracks=backtracks, lookahead=1)
        found = search(plan, [start] * 200, Lock(), Dice().tools, late, PARAMS, seed=0)
        assert all(each.backtracks <= backtracks for each in found)
        shares.append(sum(each.text[:3] == "101" for each in found) / 200)
    assert shares[0] < 0.3  # the first three digits, by chance: 1/8
    assert shares[1] > 0.9


def test_accepting_everything_is_plain_sampling() -> None:
    start = Start(Problem(id="p", prompt="x", answer="1011", task="lock"))
    dice = Dice()
    (found,) = search(ACCEPT_ALL, [start], Lock(), dice.tools, Exact(["1011"]), PARAMS, seed=5)
    request = replace(dice.asked[0], seed=derive_seed(5, 0, start.key, 0, 0))
    ((_, (plain,)),) = Dice().sample([request], PARAMS)
    assert found.tokens == plain.tokens
    assert (found.sampled, found.proposed, found.backtracks) == (4, 4, 0)


def test_a_lookahead_that_cuts_steps_changes_no_chance() -> None:
    """Plain sampling, one token at a time: all 16 texts are equally likely."""
    found = run(replace(ACCEPT_ALL, lookahead=1), count=1600)
    counts = {f"{i:04b}": 0 for i in range(16)}
    for each in found:
        counts[each.text] += 1
    assert sum((count - 100) ** 2 / 100 for count in counts.values()) < 37.7  # chi-square, 15 degrees, 0.1 %


def test_refusing_everything_ends_within_its_budget() -> None:
    plan = GuidedSearch(accept=2.0, floor=2.0, proposals=3, backtracks=5, lookahead=1)
    for each in run(plan, count=50):
        assert len(each.tokens) == LENGTH
        assert each.backtracks <= 5
        assert each.proposed <= plan.proposals * (LENGTH + plan.backtracks)
        assert each.forced == LENGTH


def test_nothing_below_the_floor_is_kept_unless_forced() -> None:
    plan = GuidedSearch(accept=1.0, floor=1.0, proposals=3, backtracks=3, lookahead=0)
    found = run(plan, count=100)
    assert any(each.forced for each in found)
    for each in found:
        assert sum(score < 1 for score in each.scores) == each.forced


def test_the_same_seed_writes_the_same_and_company_changes_nothing() -> None:
    plan = GuidedSearch(accept=1.0, floor=0.5, proposals=2, backtracks=2, lookahead=2)
    assert run(plan, count=20) == run(plan, count=20)
    assert run(plan, count=20)[:5] == run(plan, count=5)
    assert run(plan, count=20) != run(plan, count=20, seed=1)


def test_a_search_goes_on_from_a_prefix() -> None:
    start = Start(Problem(id="p", prompt="x", answer="1011", task="lock"), (1, 0))
    exact = Exact(["1011"])
    plan = GuidedSearch(accept=1.0, floor=0.0, proposals=20, backtracks=0, lookahead=1)
    (found,) = search(plan, [start], Lock(), Dice().tools, exact, PARAMS, seed=0)
    assert found.text == "1011"
    assert found.tokens == (1, 1)
    assert all(text.startswith("10"[: len(text)]) for text, _ in exact.seen)
    with pytest.raises(ForageError, match="leaves no room"):
        search(plan, [replace(start, prefix=(1, 0, 1, 1))], Lock(), Dice().tools, exact, PARAMS, seed=0)


def test_wrong_settings_are_sentences() -> None:
    with pytest.raises(ForageError, match="at least 1 proposal"):
        GuidedSearch(proposals=0)
    with pytest.raises(ForageError, match="floor cannot be"):
        GuidedSearch(accept=0.2, floor=0.5)


def test_with_a_real_policy_and_a_real_model(tiny_base: Path) -> None:
    """Texts are whole tokens of the policy, within the limit, and their scores are what the model says of them."""
    task = Countdown(test_problems=4)
    opened = LocalEngine(threads=1, matmul="highest").open(str(tiny_base))
    process = ProcessModel.from_causal(LocalModel.load(tiny_base))
    problems = task.problems("test")
    params = SamplingParams(max_tokens=40)
    plan = GuidedSearch(accept=0.6, floor=0.4, proposals=3, backtracks=2, lookahead=8)
    tools = Tools(opened.codec, opened.sampler, Dice())
    found = search(plan, [Start(p) for p in problems], task, tools, process.scores, params, seed=0)
    for each, problem in zip(found, problems, strict=True):
        assert len(each.tokens) <= 40
        assert opened.codec.decode(each.tokens) == each.text
        assert each.stop == "length" or each.tokens[-1] == 1
        assert each.sampled >= len(each.tokens)
        assert len(each.scores) >= 1
        assert problem.id == each.start.problem.id
