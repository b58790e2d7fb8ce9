"""Progress towards the right answer: what is asked, in how many calls, against plain passes; training and resuming."""

import itertools
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch

from forage.core.batch import Batch
from forage.core.collate import collate
from forage.core.errors import ForageError
from forage.core.protocols import Forward, Tools
from forage.core.records import UNJUDGED, Group, Origin, Problem, Rollout, SamplingParams, Start
from forage.core.serialize import decode_part, encode_part
from forage.core.spans import steps_around
from forage.engines.local.codec import LocalCodec
from forage.engines.local.engine import LocalEngine
from forage.engines.local.model import LocalModel
from forage.engines.local.policy import LocalPolicy
from forage.engines.optimization import Optimization
from forage.methods import (
    Applied,
    apply,
    barl,
    barl_shuffled,
    grpo,
    progress_reward,
    progress_reward_shuffled,
    vineppo,
)
from forage.ops.answer_progress import posterior_credit
from forage.parts.credit.assign.progress_returns import ProgressReturns
from forage.parts.signals import measure
from forage.parts.signals.answer_progress import AnswerPosterior, AnswerProgress, answer_tokens
from forage.tasks.bandit import Bandit
from forage.tasks.code import TinyCode
from forage.tasks.colouring import ColoringTask
from forage.tasks.countdown import Countdown
from forage.tasks.strategy_modes import StrategyModes
from forage.training.recipe import Grouping, Recipe, Schedule
from support.interruptions import metrics_of, train_whole_and_in_parts
from support.worlds import WORDS, World, blank_model


@dataclass(frozen=True, kw_only=True)
class Stated(World):
    """A world with a right answer in words; `south` marks one, and the first word of a response is its answer."""

    def stated_answer(self, problem: Problem, answer: str | None = None) -> tuple[str, str]:
        return "go", " three two" if answer in (None, "three") else f" {answer}"

    def answer(self, problem: Problem, text: str) -> str | None:
        return text.split()[0] if text else None

    def marks_answer(self, problem: Problem, text: str) -> bool:
        return "south" in text


TASK = Stated(worth=(("north", 1.0),))
GO, ONE, TWO, THREE, NORTH, SOUTH = (WORDS.index(word) for word in ("go", "one", "two", "three", "north", "south"))
EOS = 1


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return blank_model(tmp_path_factory.mktemp("blank") / "model")


@pytest.fixture(scope="module")
def model(folder: Path) -> LocalModel:
    return LocalModel.load(folder)


class Asked:
    """A policy that notes what it is asked."""

    version = 0

    def __init__(self, model: LocalModel) -> None:
        self.policy = LocalPolicy(model, Optimization(), temperature=1.0)
        self.batches: list[Batch] = []

    def measure(self, batch: Batch) -> Forward:
        self.batches.append(batch)
        return self.policy.measure(batch)

    def improve(self, *_: object, **__: object) -> dict[str, float]:
        raise AssertionError("it is only looked at")


def rollout(
    start: Start, tokens: Sequence[int], *, stop: str = "length", given: tuple[tuple[int, int], ...] = ()
) -> Rollout:
    """Every token is a step, and what was `given` belongs to the step before it."""
    return Rollout(
        start=start,
        tokens=tuple(tokens),
        logprobs=(-1.0,) * len(tokens),
        entropies=(1.0,) * len(tokens),
        text=" ".join(WORDS[token] for token in start.prefix + tuple(tokens) if token != EOS),
        step_ends=steps_around(range(1, len(tokens) + 1), given),
        stop="eos" if stop == "eos" else "length",
        version=0,
        given=given,
    )


def group(*responses: Sequence[int], prefix: tuple[int, ...] = (), stop: str = "length") -> Group:
    start = Start(TASK.problems("train")[0], prefix, Origin.REPLAY if prefix else Origin.POLICY)
    rollouts = tuple(rollout(start, tokens, stop=stop) for tokens in responses)
    return Group(start, rollouts, tuple(TASK.verify(start.problem, each.text) for each in rollouts))


def tools_of(model: LocalModel, *, context: int | None = None) -> tuple[Tools, Asked]:
    asked = Asked(model)
    codec = LocalCodec(model.tokenizer)
    return Tools(codec, None, None, policy=asked, context=context), asked  # pyright: ignore[reportArgumentType]


def progress(
    groups: Sequence[Group], tools: Tools, signal: AnswerProgress | None = None, seed: int = 0
) -> list[list[float]]:
    """By token of each response."""
    batch = collate(groups, tools.codec.prompt)
    chosen = signal or AnswerProgress(task=TASK)
    values = measure(groups, batch, {"answer_progress"}, (chosen,), tools, seed=seed).signals["answer_progress"]
    assert (values[~batch.loss_mask] == 0).all()
    return [values[row, batch.loss_mask[row]].tolist() for row in range(len(batch))]


def chance(model: LocalModel, *read: int, answer: Sequence[int] = (THREE, TWO)) -> float:
    """pi(answer | go one + what was written + go), by one plain pass."""
    tokens = [GO, ONE, *read, GO]
    with torch.no_grad():
        logp = model.module(torch.tensor([[*tokens, *answer]])).logits[0].double().log_softmax(-1)
    return math.exp(sum(float(logp[len(tokens) - 1 + n, token]) for n, token in enumerate(answer)))


def test_it_is_the_difference_of_plain_probabilities_and_telescopes(model: LocalModel) -> None:
    tools, asked = tools_of(model)
    first, second = progress([group((TWO, NORTH, ONE), (TWO, THREE))], tools)
    chances = [chance(model), chance(model, TWO), chance(model, TWO, NORTH), chance(model, TWO, NORTH, ONE)]
    assert first == pytest.approx([b - a for a, b in itertools.pairwise(chances)], abs=1e-6)
    assert sum(first) == pytest.approx(chances[-1] - chances[0], abs=1e-6)
    assert second == pytest.approx([first[0], chance(model, TWO, THREE) - chances[1]], abs=1e-6)
    assert max(map(abs, first)) > 1e-4
    assert len(asked.batches) == 1, "one call"
    assert len(asked.batches[0]) == 5, "a state that siblings share is asked about once"


def test_states_that_are_not_asked(model: LocalModel) -> None:
    tools, asked = tools_of(model)
    (answered,) = progress([group((TWO, SOUTH, NORTH, ONE))], tools)
    assert answered[0] == pytest.approx(chance(model, TWO) - chance(model), abs=1e-6)
    assert answered[1:] == [0, 0, 0], "behind an answer"
    (ended,) = progress([group((TWO, NORTH, EOS), stop="eos")], tools)
    assert ended[1] != 0
    assert ended[2] == 0, "the end of a response is no state"
    (few,) = progress([group((TWO, NORTH, ONE))], tools, AnswerProgress(task=TASK, max_steps=1))
    assert few[0] == answered[0]
    assert few[1:] == [0, 0]
    narrow, _ = tools_of(model, context=7)
    (short,) = progress([group((TWO, NORTH, ONE))], narrow)
    assert short[1] != 0
    assert short[2] == 0, "2 of the prompt, 3 of the response, 1 of the mark and 2 of the answer are 8"
    assert progress([group((TWO,))], tools_of(model, context=4)[0]) == [[0]], "no state fits"
    unjudged = replace(group((TWO, ONE)), scores=(UNJUDGED,))
    count = len(asked.batches)
    assert progress([unjudged], tools) == [[0, 0]]
    assert len(asked.batches) == count


def test_a_replayed_prefix_is_part_of_the_first_state(model: LocalModel) -> None:
    tools, _ = tools_of(model)
    (found,) = progress([group((NORTH,), prefix=(TWO,))], tools)
    assert found == pytest.approx([chance(model, TWO, NORTH) - chance(model, TWO)], abs=1e-6)


def test_another_mark(model: LocalModel) -> None:
    tools, _ = tools_of(model)
    assert answer_tokens(TASK, TASK.problems("train")[0], tools.codec) == ((GO,), (THREE, TWO))
    marked = answer_tokens(TASK, TASK.problems("train")[0], tools.codec, mark="south go")
    assert marked == ((SOUTH, GO), (THREE, TWO))
    (found,) = progress([group((TWO,))], tools, AnswerProgress(task=TASK, mark="south go"))
    assert found == pytest.approx([chance(model, TWO, SOUTH) - chance(model, SOUTH)], abs=1e-6)


def test_the_control_deals_the_rewards_of_a_response_among_its_steps(model: LocalModel) -> None:
    tools, _ = tools_of(model)
    groups = [group((TWO, NORTH, ONE, THREE), (ONE, ONE, NORTH, TWO))]
    real = progress(groups, tools)
    placebo = AnswerProgress(task=TASK, permuted=True)
    dealt = [progress(groups, tools, placebo, seed=seed) for seed in range(5)]
    for rows in dealt:
        assert [sorted(row) for row in rows] == [sorted(row) for row in real]
    assert len({str(rows) for rows in dealt}) > 1
    assert progress(groups, tools, placebo, seed=3) == dealt[3]


def test_the_reward_of_a_step_that_an_environment_ends_is_at_the_last_token_of_the_policy(model: LocalModel) -> None:
    tools, _ = tools_of(model)
    plain = group((TWO, NORTH, ONE, THREE))
    turns = replace(plain, rollouts=(rollout(plain.start, (TWO, NORTH, ONE, THREE), given=((1, 3),)),))
    (found,) = progress([turns], tools)
    chances = [chance(model), chance(model, TWO, NORTH, ONE), chance(model, TWO, NORTH, ONE, THREE)]
    assert found == pytest.approx([b - a for a, b in itertools.pairwise(chances)], abs=1e-6)


def test_the_posterior_is_that_of_plain_probabilities(model: LocalModel) -> None:
    tools, asked = tools_of(model)
    # Siblings answer two (twice), three (the right one) and one.
    groups = [group((TWO, NORTH, ONE), (TWO, THREE), (THREE, NORTH), (ONE, ONE))]
    signal = AnswerPosterior(task=TASK, candidates=3, beta=50.0, discount=0.5)
    found = progress(groups, tools, signal)
    for rollout_, credit in zip(groups[0].rollouts, found, strict=True):
        begun = [rollout_.tokens[:end] for end in range(len(rollout_.tokens) + 1)]
        chances = [[chance(model, *read, answer=answer) for read in begun] for answer in ((THREE, TWO), (TWO,), (ONE,))]
        logprob = [[math.log(value) for value in row] for row in chances]
        assert credit == pytest.approx(posterior_credit(logprob, len(credit), beta=50.0, discount=0.5), abs=1e-6)
    assert len(asked.batches) == 1, "all answers in one call"
    fewer = progress(groups, tools, replace(signal, candidates=2))
    assert fewer[0] != pytest.approx(found[0], abs=1e-5), "the third candidate counts"


class FewWords(LocalCodec):
    """Cannot write `one`, as a tokenizer of whole words cannot write every number."""

    def encode(self, text: str) -> tuple[int, ...]:
        if "one" in text:
            raise ForageError("The tokenizer cannot read it.")
        return super().encode(text)


def test_an_answer_that_the_tokenizer_cannot_write_is_no_candidate(model: LocalModel) -> None:
    tools, _ = tools_of(model)
    start = replace(TASK.problems("train")[0], prompt="go north")
    siblings = [rollout(Start(start), tokens) for tokens in ((TWO, NORTH), (ONE, ONE), (ONE, TWO))]
    scores = tuple(TASK.verify(start, each.text) for each in siblings)
    groups = [Group(Start(start), tuple(siblings), scores)]
    signal = AnswerPosterior(task=TASK, candidates=2)
    few = replace(tools, codec=FewWords(model.tokenizer))
    found, two = (
        progress(groups, few, signal)[0],
        progress([replace(groups[0], rollouts=(siblings[0],) * 3)], tools, signal),
    )
    assert found == pytest.approx(two[0])
    assert found != pytest.approx(progress(groups, tools, signal)[0], abs=1e-5), "where it can be written it counts"


def test_a_lone_candidate_is_the_right_answer(model: LocalModel) -> None:
    tools, _ = tools_of(model)
    groups = [group((TWO, NORTH, ONE), (THREE, THREE))]
    plain = progress(groups, tools)
    (first, second) = progress(groups, tools, AnswerPosterior(task=TASK, candidates=1, discount=0.0))
    assert first == pytest.approx([r * chance(model, *(TWO, NORTH)[:n]) for n, r in enumerate(plain[0])], abs=1e-6)
    assert second == pytest.approx([plain[1][0] * chance(model), plain[1][1] * chance(model, THREE)], abs=1e-6)
    right = progress([group((THREE, THREE), (THREE, NORTH))], tools, AnswerPosterior(task=TASK, discount=0.0))
    assert right[0] == pytest.approx(second, abs=1e-6), "a sibling that gives the right answer adds no candidate"


def test_without_a_policy_it_is_a_sentence(model: LocalModel) -> None:
    tools = replace(tools_of(model)[0], policy=None)
    with pytest.raises(ForageError, match="asks the policy itself"):
        progress([group((TWO,))], tools)


def test_tasks_say_how_their_answers_are_stated() -> None:
    countdown = Countdown(size="demo")
    puzzle = countdown.problems("train")[0]
    assert countdown.stated_answer(puzzle) == ("check", f" {puzzle.answer} {puzzle.answer} yes")
    assert StrategyModes(task=countdown, grams=("try",), bins=("0",)).stated_answer(puzzle)
    assert countdown.stated_answer(puzzle, "7") == ("check", " 7 7 yes")
    bandit = Bandit(arms=3)
    arms = bandit.problems("train")[0]
    assert json.loads(arms.answer)[bandit.stated_answer(arms)[1]] == bandit.best
    assert bandit.stated_answer(arms, "c") == ("", "c")
    for task in (ColoringTask(), TinyCode()):
        assert task.stated_answer(task.problems("train")[0]) is None
        for method in (progress_reward(), barl()):
            with pytest.raises(ForageError, match="states none"):
                apply(Recipe(name="toy", model="none", task=task), [grpo(), method])


def test_methods_and_what_they_refuse() -> None:
    recipe = Recipe(name="toy", model="none", task=Countdown(size="demo"))
    made = apply(recipe, [grpo(), progress_reward(mark="check", weight=0.5, discount=1.0, max_steps=4)])
    assert made.signals == (AnswerProgress(task=recipe.task, mark="check", max_steps=4),)
    assert made.credit.assign == ProgressReturns(discount=1.0, weight=0.5)
    assert decode_part(json.loads(json.dumps(encode_part(made))), Recipe) == made
    control = apply(recipe, [grpo(), progress_reward_shuffled()])
    assert control.signals == (AnswerProgress(task=recipe.task, permuted=True),)
    posterior = apply(recipe, [grpo(), barl(candidates=3, beta=2.0, discount=0.5, weight=0.25, max_steps=4)])
    signal = AnswerPosterior(task=recipe.task, candidates=3, beta=2.0, discount=0.5, max_steps=4)
    assert posterior.signals == (signal,)
    assert posterior.credit.assign == ProgressReturns(discount=0.0, weight=0.25)
    assert decode_part(json.loads(json.dumps(encode_part(posterior))), Recipe) == posterior
    dealt = apply(recipe, [grpo(), barl_shuffled(candidates=3)])
    assert dealt.signals == (AnswerPosterior(task=recipe.task, candidates=3, permuted=True),)
    for methods, sentence in (
        ((grpo(), barl(candidates=0)), "at least 1"),
        ((grpo(), barl(beta=-1.0)), "0 or more"),
        ((grpo(), barl(discount=2.0)), "between 0 and 1"),
        ((grpo(), progress_reward(), barl()), "has a signal answer_progress already"),
        ((vineppo(), progress_reward()), "would replace ValueDifferences"),
        ((grpo(), progress_reward(discount=2.0)), "between 0 and 1"),
        ((grpo(), progress_reward(weight=0.0)), "other than 0"),
        ((grpo(), progress_reward(max_steps=0)), "at least 1"),
        ((grpo(), progress_reward(), progress_reward()), "already"),
    ):
        with pytest.raises(ForageError, match=sentence):
            apply(recipe, methods)


def small(folder: Path, method: Applied, *, steps: int = 4) -> Recipe:
    recipe = Recipe(
        name="small",
        model=str(folder),
        task=replace(TASK, worth=()),
        schedule=Schedule(steps=steps, checkpoint_every=2, rollouts_every=0),
        grouping=Grouping(groups=3, group_size=8),
        sampling=SamplingParams(max_tokens=4),
        optimization=Optimization(lr=1e-3, mini_batches=1),
        engine=LocalEngine(threads=1, matmul="highest"),
    )
    return apply(recipe, [grpo(), method])


@pytest.mark.parametrize(
    "method",
    [progress_reward(), progress_reward_shuffled(discount=1.0), barl(candidates=2), barl_shuffled()],
    ids=lambda m: m.label,
)
def test_it_moves_where_all_are_wrong_and_resumes_bit_for_bit(folder: Path, tmp_path: Path, method: Applied) -> None:
    runs = train_whole_and_in_parts(small(folder, method), tmp_path, stop_after=3)
    whole, parts = map(metrics_of, runs)
    assert str(whole) == str(parts)
    assert all(row["grad_norm"] > 0 for row in whole)
    assert all(row["correct"] == 0 for row in whole)
