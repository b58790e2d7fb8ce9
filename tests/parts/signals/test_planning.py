"""The planning mask with two tokenizers of one text, and the second-hand rule's condition."""

import math
from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from forage.core.collate import collate
from forage.core.errors import ForageError
from forage.core.protocols import Tools
from forage.core.records import Group, Rollout, Score, Start
from forage.parts.signals.long_success import LongSuccess
from forage.parts.signals.planning import PlanningMask
from support.builders import problem

TEXT = "But let\u2019s try it: 3 + 4. Butter, so we wait"


class Pieces:
    """A tokenizer whose tokens are places in a list of pieces; it decodes them one after the other."""

    def __init__(self, pieces: Sequence[str]) -> None:
        self.vocabulary = list(pieces)

    def prompt(self, problem: object) -> tuple[int, ...]:
        return (0, 0)

    def decode(self, tokens: Sequence[int]) -> str:
        return "".join(self.pieces(tokens))

    def pieces(self, tokens: Sequence[int]) -> tuple[str, ...]:
        return tuple(self.vocabulary[token] for token in tokens)


def response(codec: Pieces, *, prefix: int = 0) -> Rollout:
    tokens = tuple(range(len(codec.vocabulary)))
    start = Start(problem(), tokens[:prefix])
    count = len(tokens) - prefix
    return Rollout(start, tokens[prefix:], (0.0,) * count, (0.0,) * count, TEXT, (count,), "eos", 0)


def mask(pieces: Sequence[str], grams: tuple[str, ...], *, prefix: int = 0) -> Tensor:
    """(T,) the signal of one response after a prompt of two tokens."""
    codec = Pieces(pieces)
    groups = [Group((rollout := response(codec, prefix=prefix)).start, (rollout,), (Score(1.0),))]
    batch = collate(groups, codec.prompt)
    tools = Tools(codec=codec, sampler=None, judge=None)  # pyright: ignore[reportArgumentType]
    signal = PlanningMask(grams=grams)(groups, batch, tools, seed=0)
    assert signal.dtype == torch.float32
    assert signal.shape == batch.tokens.shape
    return signal[0]


BLANKS_FIRST = [
    "But",
    " let",
    "\u2019s",
    " try",
    " it",
    ":",
    " 3",
    " +",
    " 4",
    ".",
    " Butter",
    ",",
    " so",
    " we wait",
    "",
]
BLANKS_APART = ["B", "ut ", "l", "et\u2019", "s tr", "y", " ", "it: 3 +", " 4. But", "ter, so ", "we", " ", "wait"]
GRAMS = ("let's try", "but", "so")


def marked(pieces: Sequence[str], signal: Tensor, *, prefix: int = 0) -> list[str]:
    flags = signal[2 + prefix :].tolist()
    return [piece for piece, flag in zip(pieces[prefix:], flags, strict=True) if flag]


def test_any_tokenizer_marks_the_same_phrases() -> None:
    assert "".join(BLANKS_FIRST) == "".join(BLANKS_APART) == TEXT
    signal = mask(BLANKS_FIRST, GRAMS)
    assert marked(BLANKS_FIRST, signal) == ["But", " let", "\u2019s", " try", " so"]
    assert (signal[:2] == 0).all()  # the prompt is not the policy's
    assert marked(BLANKS_APART, mask(BLANKS_APART, GRAMS)) == ["B", "ut ", "l", "et\u2019", "s tr", "y", "ter, so "]


def test_a_replayed_prefix_is_context_and_not_marked() -> None:
    # The prefix ends inside "let's try": the rest of the phrase is planning, the prefix is never learned.
    signal = mask(BLANKS_FIRST, GRAMS, prefix=2)
    assert marked(BLANKS_FIRST, signal, prefix=2) == ["\u2019s", " try", " so"]
    assert (signal[:4] == 0).all()


def test_a_longer_neighbour_changes_nothing() -> None:
    codec = Pieces(BLANKS_FIRST)
    short = response(codec)
    long = Rollout(short.start, short.tokens * 2, (0.0,) * 30, (0.0,) * 30, TEXT * 2, (30,), "eos", 0)
    group = Group(short.start, (short, long), (Score(1.0), Score(0.0)))
    tools = Tools(codec=codec, sampler=None, judge=None)  # pyright: ignore[reportArgumentType]
    padded = PlanningMask(grams=GRAMS)([group], collate([group], codec.prompt), tools, seed=0)
    alone = mask(BLANKS_FIRST, GRAMS)
    assert torch.equal(padded[0, : len(alone)], alone)
    assert not padded[0, len(alone) :].any()


def test_without_grams_nothing_plans() -> None:
    assert not mask(BLANKS_FIRST, ()).any()


def test_long_success_by_hand() -> None:
    start = Start(problem())

    def rollout(length: int) -> Rollout:
        return Rollout(start, (5,) * length, (0.0,) * length, (0.0,) * length, "", (length,), "eos", 0)

    # Mean length 3. Right: the first, third (short) and fourth (as long as the mean); the last was not judged.
    lengths = [5, 5, 1, 3, 1]
    values = [1.0, 0.0, 1.0, 1.0, math.nan]
    group = Group(start, tuple(map(rollout, lengths)), tuple(Score(value, {"correct": value}) for value in values))
    batch = collate([group], lambda _: (1,))
    signal = LongSuccess()([group], batch, None, seed=0)  # pyright: ignore[reportArgumentType]
    assert torch.equal(signal, torch.tensor([[0.0] + [1.0] * 5] + [[0.0] * 6] * 4))


def test_success_is_the_verifiers_word_not_the_reward() -> None:
    start = Start(problem())
    rollouts = tuple(Rollout(start, (5,) * n, (0.0,) * n, (0.0,) * n, "", (n,), "eos", 0) for n in (4, 4, 1))
    scores = (Score(0.7, {"correct": 1.0}), Score(1.0, {"correct": 0.0}), Score(0.0))
    group = Group(start, rollouts, scores)
    batch = collate([group], lambda _: (1,))
    signal = LongSuccess()([group], batch, None, seed=0)  # pyright: ignore[reportArgumentType]
    assert signal.any(dim=1).tolist() == [True, False, False]


def test_metrics_by_hand() -> None:
    """Two responses: "But let's try it: 3 + 4. Butter, so we wait", the second one replayed from behind "try"."""
    codec = Pieces(BLANKS_FIRST)
    whole, later = response(codec), response(codec, prefix=4)
    groups = [Group(rollout.start, (rollout,), (Score(1.0),)) for rollout in (whole, later)]
    tools = Tools(codec=codec, sampler=None, judge=None)  # pyright: ignore[reportArgumentType]
    mask = PlanningMask(grams=("but", "wait", "let's try", "so"), bins=("but", "check", "but", "but"))
    found = mask.metrics(groups, tools)
    # The first has but, let's try, so, wait, and the second so, wait: bins but 4, check 2.
    plug_in = -(4 / 6 * math.log(4 / 6) + 2 / 6 * math.log(2 / 6))
    assert found["gram_entropy_plug_in"] == pytest.approx(plug_in)
    assert found["gram_entropy"] == pytest.approx(plug_in + 1 / 12)
    assert (found["gram_bins"], found["gram_bins_listed"], found["gram_count"]) == (2, 2, 6)
    # What follows a gram counts from 5 occurrences on.
    assert found["following_pairs"] == 0
    assert math.isnan(found["following_entropy"])
    # But, let, 's, try, so and "we wait" of 15 tokens, and the last two again of the 11 behind the prefix.
    assert found["planning_share"] == pytest.approx(8 / 26)
    assert (found["entropy_planning"], found["nll_execution"]) == (0, 0)


def test_metrics_of_planning_and_execution_tokens() -> None:
    codec = Pieces(["try", " 8", " try", " 9"])
    start = Start(problem())
    rollout = Rollout(
        start, (0, 1, 2, 3), (-1.0, -0.5, -2.0, -0.1), (0.9, 0.2, 0.7, 0.4), "try 8 try 9", (4,), "eos", 0
    )
    tools = Tools(codec=codec, sampler=None, judge=None)  # pyright: ignore[reportArgumentType]
    found = PlanningMask(grams=("try",)).metrics([Group(start, (rollout,), (Score(1.0),))], tools)
    assert found["planning_share"] == 0.5
    assert found["entropy_planning"] == pytest.approx(0.8)
    assert found["entropy_execution"] == pytest.approx(0.3)
    assert found["nll_planning"] == pytest.approx(1.5)
    assert found["nll_execution"] == pytest.approx(0.3)
    assert found["gram_entropy"] == 0


def test_what_an_environment_wrote_plans_nothing() -> None:
    """ "let's" + " try" of the policy would make a gram if nobody had spoken between them, and so would the reply."""
    codec = Pieces(["let's", " let's try", " try", " so", " let's try"])
    start, nan = Start(problem()), math.nan
    text = "let's let's try try so let's try"
    known = Rollout(
        start, (0, 1, 2, 3, 4), (-1.0, nan, -1, -1, -2), (1, nan, 1, 1, 3), text, (2, 5), "eos", 0, ((1, 2),)
    )
    groups = [Group(start, (known,), (Score(1.0),))]
    tools = Tools(codec=codec, sampler=None, judge=None)  # pyright: ignore[reportArgumentType]
    mask = PlanningMask(grams=("let's try",))
    signal = mask(groups, collate(groups, codec.prompt), tools, seed=0)
    assert signal.tolist() == [[0, 0, 0, 0, 0, 0, 1]]
    found = mask.metrics(groups, tools)
    assert (found["gram_count"], found["planning_share"]) == (1, 0.25)
    assert (found["entropy_planning"], found["entropy_execution"], found["nll_planning"]) == (3, 1, 2)


def test_metrics_of_nothing() -> None:
    codec = Pieces(BLANKS_FIRST)
    tools = Tools(codec=codec, sampler=None, judge=None)  # pyright: ignore[reportArgumentType]
    found = PlanningMask(grams=()).metrics([], tools)
    assert found["gram_count"] == 0
    assert math.isnan(found["gram_entropy"])
    assert math.isnan(found["planning_share"])


def test_bins_must_fit_the_grams() -> None:
    with pytest.raises(ForageError, match="1 bins"):
        PlanningMask(grams=("try", "wait"), bins=("try",))
