import math
from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

import forage.parts.signals
from forage.core.batch import Batch
from forage.core.collate import collate
from forage.core.errors import ForageError
from forage.core.protocols import Forward, Signal, Tools
from forage.core.records import Group, Score
from forage.parts.signals import SIGNALS, measure
from forage.parts.signals.answer_progress import AnswerPosterior, AnswerProgress
from forage.parts.signals.balanced import Balanced
from forage.parts.signals.mode_weights import ModeWeight, SetBonus
from forage.parts.signals.novelty_bonus import NoveltyBonus
from forage.parts.signals.perplexity import Perplexity
from forage.parts.signals.planning import PlanningMask
from forage.parts.signals.shared_prefix import SharedPrefix
from forage.parts.signals.step_pairs import PairSmoothing, StepPairs
from forage.parts.signals.step_values import StepValues
from forage.parts.signals.visit_bonus import VisitBonus
from laws import members_of
from support.builders import group

GROUPS = [
    group([1.0, 0.0, math.nan], lengths=[2, 4, 3], name="a"),
    group([-1.0, 2.0], lengths=[1, 2], name="b"),
    group([math.nan], name="c"),
]


class Reference:
    """Gives every token a log-probability that names it, off the mask too."""

    version = 0

    def measure(self, batch: Batch) -> Forward:
        return Forward(-batch.tokens.float() - 1, torch.zeros(batch.tokens.shape))

    def improve(self, *_: object, **__: object) -> dict[str, float]:
        raise AssertionError("a reference never learns")


class Critic:
    """Gives every token a value that names it, off the mask too."""

    def measure(self, batch: Batch) -> Tensor:
        return batch.tokens.float() + 1

    def value(self, states: Sequence[Sequence[int]]) -> Tensor:
        raise AssertionError("a signal asks for the values of a batch")


def tools(reference: Reference | None = None) -> Tools:
    return Tools(codec=None, sampler=None, judge=None, reference=reference, critic=Critic())  # pyright: ignore[reportArgumentType]


def batch_of(groups: Sequence[Group] = GROUPS) -> Batch:
    return collate(groups, lambda problem: (1, 2))


def measured(name: str, *, seed: int = 0, groups: Sequence[Group] = GROUPS) -> Tensor:
    return measure(groups, batch_of(groups), {name}, (), tools(Reference()), seed=seed).signals[name]


def test_the_catalogue_is_complete() -> None:
    # A recipe brings its own, with its grams or its sampling.
    needs_settings = {
        *(
            AnswerPosterior,
            AnswerProgress,
            Balanced,
            ModeWeight,
            NoveltyBonus,
            PairSmoothing,
            Perplexity,
            PlanningMask,
            SetBonus,
        ),
        *(SharedPrefix, StepPairs, StepValues, VisitBonus),
    }
    assert {type(signal) for signal in SIGNALS.values()} == members_of(forage.parts.signals, Signal) - needs_settings
    assert all(name == signal.name for name, signal in SIGNALS.items())
    assert set(SIGNALS) == {"entropy", "noise", "success_rate", "long_success", "reference", "value"}


@pytest.mark.parametrize("name", SIGNALS)
def test_laws(name: str) -> None:
    batch, signal = batch_of(), measured(name)
    assert signal.shape == batch.tokens.shape
    assert signal.dtype == torch.float32
    assert signal.isfinite().all()
    assert (signal[~batch.loss_mask] == 0).all()
    assert (signal[batch.loss_mask] != 0).any()
    assert torch.equal(measured(name), signal)
    # A longer sibling in the last group pads all the others; they keep their numbers.
    wide = measured(name, groups=[*GROUPS[:2], group([math.nan], lengths=[9], name="c")])
    assert torch.equal(wide[:5, : signal.shape[1]], signal[:5])


def test_entropy_is_the_sampled_one() -> None:
    # builders: .5, .6, ... after a prompt of two tokens
    assert measured("entropy")[1].tolist() == pytest.approx([0, 0, 0.5, 0.6, 0.7, 0.8])


def test_noise_follows_the_seed_and_nothing_else() -> None:
    first = measured("noise", seed=1)
    assert not torch.equal(first, measured("noise", seed=2))
    other = [group([0.0, 0.0, 0.0], lengths=[2, 4, 3], name="x"), *GROUPS[1:]]
    assert torch.equal(measured("noise", seed=1, groups=other), first)
    many = measured("noise", groups=[group([0.0] * 300, lengths=[20] * 300)])[:, 2:]
    assert many.mean().item() == pytest.approx(0.5, abs=0.01)
    assert many.min() >= 0
    assert many.max() < 1
    assert len(many.unique()) > 5990


def test_success_rate_by_hand() -> None:
    # a: 1 and 0, the NaN is no member. b: correct is 0 and 1 (builders). c: nobody judged.
    rates = measured("success_rate")[:, 2]
    assert rates.tolist() == [0.5, 0.5, 0.5, 0.5, 0.5, 0.5]
    plain = Group(GROUPS[1].start, GROUPS[1].rollouts, (Score(-3.0), Score(0.5)))  # no parts: held between 0 and 1
    assert measured("success_rate", groups=[plain])[:, 2].tolist() == [0.25, 0.25]
    shaped_reward = Group(GROUPS[1].start, GROUPS[1].rollouts, (Score(0.9, {"correct": 1.0}), Score(0.4)))
    assert measured("success_rate", groups=[shaped_reward])[0, 2].item() == pytest.approx(0.7)


def test_reference_is_asked_once_and_must_be_there() -> None:
    batch = batch_of()
    assert torch.equal(measured("reference"), (-batch.tokens.float() - 1) * batch.loss_mask)
    with pytest.raises(ForageError, match="reference policy"):
        measure(GROUPS, batch, {"reference"}, (), tools(), seed=0)
    assert SIGNALS["reference"].needs_reference


class Ones(Signal):
    name = "entropy"

    def __call__(self, groups: Sequence[Group], batch: Batch, tools: Tools, *, seed: int) -> Tensor:
        return torch.ones(batch.tokens.shape)


def test_only_what_is_needed_and_own_signals_first() -> None:
    batch = batch_of()
    assert measure(GROUPS, batch, (), (), tools(), seed=0).signals == {}
    assert set(measure(GROUPS, batch, {"noise", "entropy"}, (), tools(), seed=0).signals) == {"noise", "entropy"}
    assert (measure(GROUPS, batch, {"entropy"}, (Ones(),), tools(), seed=0).signals["entropy"] == 1).all()
    # One signal never changes another.
    both = measure(GROUPS, batch, {"noise", "entropy"}, (), tools(), seed=5).signals["noise"]
    assert torch.equal(both, measure(GROUPS, batch, {"noise"}, (), tools(), seed=5).signals["noise"])
    with pytest.raises(ForageError, match=r"signal\(s\) planning"):
        measure(GROUPS, batch, {"planning"}, (), tools(), seed=0)
