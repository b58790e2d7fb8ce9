"""Rewards from pairs: each judge, which pairs are asked about, the control, and a policy that learns from a judge."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
import torch

from forage.core.errors import ForageError
from forage.core.records import UNJUDGED, Problem, Rollout, SamplingParams, Score, Start
from forage.core.serialize import decode_part, encode_part
from forage.engines.local.engine import LocalEngine
from forage.engines.local.model import LocalModel
from forage.engines.optimization import Optimization
from forage.methods import METHODS, Applied, apply, grpo, judge_reward, judge_reward_shuffled, parse
from forage.ops.pair_labels import bradley_terry_strengths
from forage.reward_models.preference.judge_reward import JudgeReward, ring_pairs
from forage.reward_models.preference.judges import (
    FunctionJudge,
    ModelJudge,
    Pair,
    PairJudge,
    VerdictJudge,
    judge_of,
)
from forage.tasks.countdown import Countdown
from forage.training.recipe import Grouping, Recipe, Schedule
from support.builders import problem, rollout
from support.interruptions import metrics_of, train_whole_and_in_parts
from support.own_world import write_model
from support.worlds import EASY, blank_model

SHORT = "{question}|{first}|{second}|"


def longer(problem: Problem, first: str, second: str) -> float:
    return (1 + (len(first) > len(second)) - (len(first) < len(second))) / 2


def southern(problem: Problem, first: str, second: str) -> float | None:
    """A judge with a taste that the verifier does not share."""
    return None if ("south" in first) == ("south" in second) else float("south" in first)


def careless(problem: Problem, first: str, second: str) -> object:
    return "first"


def siblings(values: Mapping[str, float]) -> tuple[list[Rollout], list[Score]]:
    start = Start(problem(prompt="ask 3"))
    rollouts = [replace(rollout(start, [5, 6 + i]), text=text.strip("'")) for i, text in enumerate(values)]
    scores = [UNJUDGED if math.isnan(value) else Score(value, {"correct": value}) for value in values.values()]
    return rollouts, scores


@dataclass(frozen=True, kw_only=True)
class Clerk(PairJudge):
    """Says what it is told, and notes what it was asked."""

    asked: list[Pair] = field(default_factory=list)

    def __call__(self, rollouts: Sequence[Rollout], scores: Sequence[Score], pairs: Sequence[Pair]) -> list[float]:
        self.asked.extend(pairs)
        return [0.8 if len(rollouts[a].text) > len(rollouts[b].text) else 0.4 for a, b in pairs]


def test_the_verifier_as_a_judge_orders_right_before_wrong() -> None:
    rollouts, scores = siblings({"a": 1, "b": 0, "c": 1, "d": 0, "e": math.nan})
    rewarded = JudgeReward()(rollouts, scores)
    right, wrong = rewarded[0].value, rewarded[1].value
    assert right > 0 > wrong
    assert [score.value for score in rewarded[:4]] == pytest.approx([right, wrong, right, wrong])
    assert math.isnan(rewarded[4].value)
    assert [score.correct for score in rewarded] == [True, False, True, False, False]
    assert all(score.graded for score in rewarded[:4])
    assert rewarded[0].parts["reward_model"] == right
    # Two right, two wrong: s (1, -1, 1, -1) with 2 (sigma(2 s) - 1) + s = 0 by symmetry.
    assert 2 * (1 / (1 + math.exp(-2 * right)) - 1) + right == pytest.approx(0, abs=1e-9)
    same = JudgeReward()(rollouts[:2], [scores[0], scores[2]])
    assert [score.value for score in same] == [0, 0]


def test_weight_outcome_and_strengths_are_those_of_the_labels() -> None:
    rollouts, scores = siblings({"aaa": 0, "b": 1, "cc": 0})
    rewarded = JudgeReward(judge=Clerk(), weight=2.0, outcome=0.5, prior=0.3)(rollouts, scores)
    pairs = torch.tensor([[0, 1], [0, 2], [1, 2]])
    label = torch.tensor([0.8, 0.8, 0.4], dtype=torch.float64)
    wanted = bradley_terry_strengths(pairs[:, 0], pairs[:, 1], label, responses=3, prior=0.3)
    assert [score.parts["reward_model"] for score in rewarded] == pytest.approx(wanted.tolist())
    assert [score.value for score in rewarded] == pytest.approx((2 * wanted + torch.tensor([0.0, 0.5, 0.0])).tolist())
    assert not any(score.graded for score in rewarded)


def test_equal_texts_are_a_tie_and_asked_about_once() -> None:
    rollouts, scores = siblings({"aaa": 0, "b": 0, "'aaa'": 0, "'b'": math.nan})
    clerk = Clerk()
    rewarded = JudgeReward(judge=clerk)(rollouts, scores)
    assert clerk.asked == [(0, 1)]
    assert rewarded[0].value == pytest.approx(rewarded[2].value)
    assert rewarded[0].value > rewarded[1].value
    alone = JudgeReward(judge=clerk)(rollouts[:1], scores[:1])
    assert [score.value for score in alone] == [0]
    assert len(clerk.asked) == 1


def test_rings_connect_all_and_compare_nobody_twice() -> None:
    for count in range(9):
        for opponents in range(6):
            pairs = ring_pairs(count, opponents)
            assert len({frozenset(pair) for pair in pairs}) == len(pairs)
            assert all(a != b for a, b in pairs)
            if not opponents:
                assert len(pairs) == count * (count - 1) // 2
            if opponents and opponents < count // 2:
                assert len(pairs) == count * opponents
                assert all(sum(place in pair for pair in pairs) == 2 * opponents for place in range(count))
    clerk = Clerk()
    rollouts, scores = siblings(dict.fromkeys("abcdefgh", 0.0))
    JudgeReward(judge=clerk, opponents=1)(rollouts, scores)
    assert len(clerk.asked) == 8


def test_a_function_of_ones_own() -> None:
    rollouts, scores = siblings({"a": 1, "bbb": 0, "cc": 0, "dd": 0})
    judge = FunctionJudge(function=f"{__name__}:longer")
    assert judge(rollouts, scores, [(0, 1), (1, 2), (2, 3)]) == [0, 1, 0.5]
    values = [score.value for score in JudgeReward(judge=judge)(rollouts, scores)]
    assert values[1] > values[2] > values[0]
    assert values[2] == pytest.approx(values[3])
    with pytest.raises(ForageError, match="from 0 to 1"):
        FunctionJudge(function=f"{__name__}:careless")(rollouts, scores, [(0, 1)])
    assert FunctionJudge(function=f"{__name__}:southern")(rollouts, scores, [(0, 1)]) == [0.5]


@pytest.mark.parametrize("chat", [False, True])
def test_a_model_is_asked_in_both_orders(tmp_path: Path, chat: bool) -> None:
    folder = write_model(tmp_path / "judge", chat=chat)
    rollouts, scores = siblings({"12 {second}": 1, "thirteen": 0, "7": 0})
    judge = ModelJudge(model=str(folder), prompt=SHORT)
    pairs = [(0, 1), (1, 0), (2, 1)]
    labels = judge(rollouts, scores, pairs)
    assert labels[0] + labels[1] == pytest.approx(1), "a liking for a place cancels"
    assert labels[0] != pytest.approx(0.5)
    model = LocalModel.load(str(folder))

    def chance(first: str, second: str) -> float:
        """By a plain forward pass."""
        text = f"ask 3|{first}|{second}|"
        ids = model.tokenizer(f"<user>{text}\n<assistant>" if chat else text, add_special_tokens=False)["input_ids"]
        words = [model.tokenizer(word if chat else f" {word}", add_special_tokens=False)["input_ids"] for word in "12"]
        found = []
        for word in words:
            row = torch.tensor([[*ids, *word]])  # pyright: ignore[reportGeneralTypeIssues]
            with torch.no_grad():
                logp = model.module(row).logits[0].double().log_softmax(-1)
            found.append(sum(float(logp[len(ids) - 1 + n, token]) for n, token in enumerate(word)))  # pyright: ignore
        return 1 / (1 + math.exp(found[1] - found[0]))

    texts = [each.text for each in rollouts]
    wanted = [(chance(texts[a], texts[b]) + 1 - chance(texts[b], texts[a])) / 2 for a, b in pairs]
    assert labels == pytest.approx(wanted, abs=1e-5)


def test_what_a_model_judge_refuses(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "judge")
    rollouts, scores = siblings({"a" * 400: 1, "b": 0})
    with pytest.raises(ForageError, match="room for 256 tokens"):
        ModelJudge(model=str(folder))(rollouts, scores, [(0, 1)])
    rollouts, scores = siblings({"go": 1, "one": 0})
    with pytest.raises(ForageError, match="cannot say 1 or 2"):  # the words of this world are few
        ModelJudge(model=str(blank_model(tmp_path / "mute")), prompt=SHORT)(rollouts, scores, [(0, 1)])
    with pytest.raises(ForageError, match=r"\{first\} is missing"):
        ModelJudge(model=str(folder), prompt="{question} {second}")


def test_the_control_deals_the_same_labels() -> None:
    strengths = set()
    for version in range(6):
        rollouts, scores = siblings({"aaaa": 0, "b": 0, "ccc": 0, "dd": 0, "eeeee": 0})
        rollouts = [replace(each, version=version) for each in rollouts]
        judge = FunctionJudge(function=f"{__name__}:longer")
        placebo = JudgeReward(judge=judge, shuffled=True)(rollouts, scores)
        assert placebo == JudgeReward(judge=judge, shuffled=True)(rollouts, scores)
        strengths.add(tuple(score.value for score in placebo))
    assert len(strengths) > 1


def test_methods_and_what_they_refuse(tmp_path: Path) -> None:
    recipe = Recipe(name="toy", model="none", task=Countdown(size="demo"))
    own = parse("judge_reward:judge=python:my_judges:better,opponents=3", METHODS)
    made = apply(recipe, [grpo(), own])
    assert made.rewards == (JudgeReward(judge=FunctionJudge(function="my_judges:better"), opponents=3),)
    assert decode_part(json.loads(json.dumps(encode_part(made))), Recipe) == made
    question = tmp_path / "question.txt"
    question.write_text(SHORT)
    made = apply(recipe, [grpo(), judge_reward(judge="some/model", prompt=str(question), device="cuda")])
    assert made.rewards == (JudgeReward(judge=ModelJudge(model="some/model", prompt=SHORT, device="cuda")),)
    made = apply(recipe, [grpo(), judge_reward_shuffled(weight=2.0)])
    assert made.rewards == (JudgeReward(weight=2.0, shuffled=True),)
    assert judge_of("verifier") == VerdictJudge()
    for methods, sentence in (
        ((judge_reward(), judge_reward()), "a judge already"),
        ((judge_reward(judge="python:nothing"),), "module:function"),
        ((judge_reward(prompt=str(question)),), "Only a model"),
        ((judge_reward(judge="m", prompt=str(tmp_path / "none")),), "cannot be read"),
        ((judge_reward(opponents=-1),), "opponents"),
        ((judge_reward(prior=0.0),), "above 0"),
        ((judge_reward(weight=0.0),), "other than 0"),
    ):
        with pytest.raises(ForageError, match=sentence):
            apply(recipe, [grpo(), *methods])


@pytest.mark.parametrize(
    "method",
    [
        judge_reward(judge=f"python:{__name__}:southern", opponents=2),
        judge_reward_shuffled(judge=f"python:{__name__}:southern"),
    ],
    ids=lambda method: method.label.partition(":")[0],
)
def test_a_policy_learns_what_the_judge_likes_and_resumes_bit_for_bit(tmp_path: Path, method: Applied) -> None:
    """The verifier likes north; the judge, who is the reward, likes south."""
    recipe = Recipe(
        name="small",
        model=str(blank_model(tmp_path / "model")),
        task=EASY,
        schedule=Schedule(steps=10, checkpoint_every=5, rollouts_every=0),
        grouping=Grouping(groups=3, group_size=16),
        sampling=SamplingParams(max_tokens=1),
        optimization=Optimization(lr=1e-2),
        engine=LocalEngine(threads=1, matmul="highest"),
    )
    recipe = apply(recipe, [grpo(), method])
    runs = train_whole_and_in_parts(recipe, tmp_path, stop_after=7)
    whole, parts = map(metrics_of, runs)
    assert str(whole) == str(parts)
    if "shuffled" not in method.label:
        assert whole[-1]["entropy"] < 0.7 * whole[0]["entropy"]
        assert whole[-1]["correct"] == 0, "south, not north"
