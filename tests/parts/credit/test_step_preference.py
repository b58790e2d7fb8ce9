"""The gradient of the whole chain (signals, credit, loss) against the preference loss itself, in float64."""

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from forage.core.batch import Batch, Experience
from forage.core.collate import collate
from forage.core.errors import ForageError
from forage.core.protocols import Forward, Tools
from forage.core.records import Group, Rollout, Score, Start
from forage.ops.masked import masked
from forage.parts.credit.assign.step_preference import StepPreference
from forage.parts.credit.pipeline import Credit
from forage.parts.losses.policy_loss import PolicyLoss
from forage.parts.losses.reduction import FixedLength
from forage.parts.losses.surrogate import Reinforce
from forage.parts.signals.step_pairs import PairSmoothing, StepPairs
from support.builders import problem

BETA = 1.0
NOTHING = Tools(None, None, None)  # pyright: ignore[reportArgumentType]  (these signals ask for no tool)


def tree(name: str, values: list[float]) -> Group:
    """Four responses; the first two share the step (1, 1). What the fourth is worth may be NaN."""
    start = Start(problem(name))
    shapes = [((1, 1, 3), (2, 3)), ((1, 1, 4, 4), (2, 4)), ((2, 7), (1, 2)), ((5,), (1,))]
    draw = torch.Generator().manual_seed(len(name))
    rollouts = tuple(
        Rollout(
            start,
            tokens,
            tuple((-torch.rand(len(tokens), generator=draw)).tolist()),
            (0.0,) * len(tokens),
            "",
            ends,
            "eos",
            0,
        )
        for tokens, ends in shapes
    )
    return Group(start, rollouts, tuple(Score(value) for value in values))


GROUPS = [tree("a", [1.0, 0.0, 0.0, math.nan]), tree("bb", [0.0, 0.5, 1.0, 0.25]), tree("ccc", [1.0, 1.0, 1.0, 1.0])]
# Pairs by hand, as (row, tokens of the step) of winner and loser, and their visits:
# a: (1, 1) of value 1/2 over (2,) of 0, 2 to 1; below it (3,) over (4, 4), 1 to 1.
# bb: (2,) of value 1 over (1, 1) and (5,), both of 1/4: the less visited (5,) stands for the worst, 1 to 1;
#     below (1, 1): (4, 4) over (3,), 1 to 1. ccc: nothing differs.
PAIRS = [
    ((0, [0, 1]), (2, [0]), 1 - 1 / (1 + 1 / 2)),
    ((0, [2]), (1, [2, 3]), 0.5),
    ((6, [0]), (7, [0]), 0.5),
    ((5, [2, 3]), (4, [2]), 0.5),
]


@pytest.fixture
def batch() -> Batch:
    return collate(GROUPS, lambda problem: (8, 8)[: len(problem.id)] if len(problem.id) < 3 else (8, 8, 8))


def experience_of(batch: Batch, reference: Tensor) -> Experience:
    signals = {
        "step_pair": StepPairs()(GROUPS, batch, NOTHING, seed=0),
        "pair_smoothing": PairSmoothing()(GROUPS, batch, NOTHING, seed=0),
        "reference": reference,
    }
    return Experience(batch, signals)


def places(batch: Batch, row: int, tokens: list[int]) -> list[int]:
    first = int(batch.loss_mask[row].nonzero()[0])
    return [first + token for token in tokens]


def test_marks_by_hand(batch: Batch) -> None:
    found = experience_of(batch, torch.zeros_like(batch.behaviour))
    marks, smoothing = torch.zeros_like(batch.behaviour), torch.zeros_like(batch.behaviour)
    for number, (winner, loser, eps) in enumerate(PAIRS, 1):
        for (row, tokens), sign in ((winner, 1), (loser, -1)):
            marks[row, places(batch, row, tokens)] = sign * number
            smoothing[row, places(batch, row, tokens)] = eps
    torch.testing.assert_close(found.signals["step_pair"], marks)
    torch.testing.assert_close(found.signals["pair_smoothing"], smoothing)


def test_the_gradient_is_that_of_the_mean_preference_loss(batch: Batch) -> None:
    reference = masked(-torch.rand(batch.tokens.shape, generator=torch.Generator().manual_seed(9)) * 3, batch.loss_mask)
    train = Credit(assign=StepPreference(beta=BETA))(experience_of(batch, reference))
    logprob = batch.behaviour.double().requires_grad_()
    loss = PolicyLoss(surrogate=Reinforce(), reduction=FixedLength(length=1))
    value, _ = loss(Forward(logprob, torch.zeros_like(logprob)), train, loss.weigh(batch))
    (ours,) = torch.autograd.grad(value, logprob)

    free = batch.behaviour.double().requires_grad_()
    terms = []
    for (winner, better), (loser, worse), eps in PAIRS:
        gain = (free - reference)[winner, places(batch, winner, better)].sum()
        loss_of = (free - reference)[loser, places(batch, loser, worse)].sum()
        margin = BETA * (gain - loss_of)
        terms.append(-(1 - eps) * margin.sigmoid().log() - eps * (-margin).sigmoid().log())
    (wanted,) = torch.autograd.grad(torch.stack(terms).mean(), free)
    assert wanted.abs().max() > 0.01
    torch.testing.assert_close(ours, wanted, rtol=1e-5, atol=1e-7)


def test_what_precedes_the_difference_does_not_matter(batch: Batch) -> None:
    """Only the steps that differ are in the margins: other log-probabilities may be anything."""
    first = Credit(assign=StepPreference())(experience_of(batch, torch.zeros_like(batch.behaviour)))
    off = first.experience.signals["step_pair"] == 0
    other = torch.where(off, torch.full_like(batch.behaviour, -7.0), torch.zeros_like(batch.behaviour))
    second = Credit(assign=StepPreference())(experience_of(batch, other))
    torch.testing.assert_close(first.advantage, second.advantage)


@pytest.mark.parametrize("unknown", [math.nan, -math.inf])
def test_a_token_that_the_sampler_does_not_know_spoils_neither_its_pair_nor_others(
    batch: Batch, unknown: float
) -> None:
    """The token counts as one on which policy and reference agree, and the loss leaves it out."""
    reference = masked(-torch.rand(batch.tokens.shape, generator=torch.Generator().manual_seed(9)) * 3, batch.loss_mask)
    place = (6, places(batch, 6, [0])[0])  # the winner of the third pair is this token alone
    poisoned, agreeing = batch.behaviour.clone(), batch.behaviour.clone()
    poisoned[place], agreeing[place] = unknown, reference[place]
    found, wanted = (
        Credit(assign=StepPreference(beta=BETA))(experience_of(replace(batch, behaviour=behaviour), reference))
        for behaviour in (poisoned, agreeing)
    )
    torch.testing.assert_close(found.advantage, wanted.advantage)
    loss = PolicyLoss(surrogate=Reinforce(), reduction=FixedLength(length=1))
    logprob = batch.behaviour.double().requires_grad_()
    value, _ = loss(Forward(logprob, torch.zeros_like(logprob)), found, loss.weigh(found.batch))
    (gradient,) = torch.autograd.grad(value, logprob)
    assert gradient.isfinite().all()
    assert gradient[place] == 0
    assert (gradient[7] != 0).any()  # the loser learns from the pair


def test_a_batch_without_pairs_teaches_nothing(batch: Batch) -> None:
    blank = torch.zeros_like(batch.behaviour)
    signals = {"step_pair": blank, "pair_smoothing": blank, "reference": blank}
    assert (Credit(assign=StepPreference())(Experience(batch, signals)).advantage == 0).all()


def test_wrong_settings_are_sentences() -> None:
    with pytest.raises(ForageError, match="above 0"):
        StepPreference(beta=0)
    with pytest.raises(ForageError, match="gap"):
        StepPairs(gap=-1)
