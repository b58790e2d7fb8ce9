"""Laws that every member of a seam obeys, and the list of the members.

`test_laws.py` walks the packages and fails where a member is missing from these lists: a new part comes with its entry,
which states what it claims (degree, bounds, signs), and gets all the laws for it.
"""

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from types import ModuleType

import torch
from torch import Tensor

from forage.core.batch import Batch, Experience, TrainBatch
from forage.core.protocols import Assign, Baseline, Forward, Penalty, Reduction, Shape, Surrogate
from forage.ops.masked import masked
from forage.parts.credit.assign.gae import Gae
from forage.parts.credit.assign.progress_returns import ProgressReturns
from forage.parts.credit.assign.step_preference import StepPreference
from forage.parts.credit.assign.step_returns import StepReturns
from forage.parts.credit.assign.tree_credit import TreeCredit
from forage.parts.credit.assign.uniform import Uniform
from forage.parts.credit.assign.value_differences import ValueDifferences
from forage.parts.credit.baseline.above_mean import AboveMean
from forage.parts.credit.baseline.best_of_group import BestOfGroup
from forage.parts.credit.baseline.leave_one_out import LeaveOneOut
from forage.parts.credit.baseline.max_rl import MaxRL
from forage.parts.credit.baseline.mean_centre import MeanCentre
from forage.parts.credit.baseline.pass_at_k import PassAtK
from forage.parts.credit.baseline.signed_reward import SignedReward
from forage.parts.credit.baseline.soft_value import SoftValue
from forage.parts.credit.baseline.std_scale import StdScale
from forage.parts.credit.baseline.tail_rl import TailRL
from forage.parts.credit.shape.constant_bonus import ConstantBonus
from forage.parts.credit.shape.entropy_bonus import EntropyBonus
from forage.parts.credit.shape.entropy_planning_bonus import EntropyPlanningBonus
from forage.parts.credit.shape.entropy_tokens import EntropyTokens
from forage.parts.credit.shape.group_reweight import GroupReweight
from forage.parts.credit.shape.held_tokens import HeldTokens
from forage.parts.credit.shape.high_entropy_scale import HighEntropyScale
from forage.parts.credit.shape.inverted_planning_credit import InvertedPlanningCredit
from forage.parts.credit.shape.kept_denominator import KeptDenominator
from forage.parts.credit.shape.learning_stages import PerplexityScale, PositionBonus
from forage.parts.credit.shape.mode_scale import ModeScale, SetAddition
from forage.parts.credit.shape.only_balanced import OnlyBalanced
from forage.parts.credit.shape.planning_credit import PlanningCredit
from forage.parts.credit.shape.random_token_bonus import RandomTokenBonus
from forage.parts.credit.shape.reported_planning_credit import ReportedPlanningCredit
from forage.parts.credit.shape.shared_once import SharedOnce
from forage.parts.credit.shape.shuffled_entropy_bonus import ShuffledEntropyBonus
from forage.parts.credit.shape.unclipped_entropy_bonus import UnclippedEntropyBonus
from forage.parts.credit.shape.visit_addition import NoveltyAddition, VisitAddition
from forage.parts.credit.shape.whiten import Whiten
from forage.parts.losses.advantage_entropy import AdvantageEntropy
from forage.parts.losses.demonstrations import BehaviourKL, Likelihood, ShapedRatio, SurrogateRatio
from forage.parts.losses.penalty import EntropyPenalty, EntropyTarget, KLCov, KLPenalty
from forage.parts.losses.reduction import FixedLength, SequenceMean, TokenMean
from forage.parts.losses.source_pull import ReferencePull, SamplerPull
from forage.parts.losses.surrogate import CISPO, GSPO, PPOClip, Reinforce
from forage.parts.losses.trust_region import CEGPPO, DPPO, SAPO

# ------------------------------------------------------------------------------------------------------ the members


@dataclass(frozen=True, kw_only=True)
class BaselineCase:
    """`degree`: the result scales as reward ** degree. `shift`: an offset of the rewards changes nothing.

    Without a degree the part takes rewards of 0 and 1 only, and compares nothing with siblings.
    """

    part: Baseline
    degree: int | None
    shift: bool


@dataclass(frozen=True, kw_only=True)
class ShapeCase:
    """`low` and `high`: bounds of (A' - A) / |A|. `identity`: a setting of the shape that must change nothing.

    A shape that normalizes has neither: it moves every advantage, and its identity is no setting but whitened input.
    """

    part: Shape
    low: float
    high: float
    identity: Shape | None


INFINITY = float("inf")

BASELINES = [
    BaselineCase(part=MeanCentre(), degree=1, shift=True),
    BaselineCase(part=LeaveOneOut(), degree=1, shift=True),
    BaselineCase(part=StdScale(), degree=0, shift=False),
    BaselineCase(part=StdScale(ddof=0, eps=0.0), degree=0, shift=False),
    BaselineCase(part=BestOfGroup(), degree=0, shift=True),
    BaselineCase(part=PassAtK(k=1), degree=1, shift=True),
    BaselineCase(part=PassAtK(k=2), degree=1, shift=True),
    BaselineCase(part=MaxRL(), degree=0, shift=False),
    BaselineCase(part=TailRL(), degree=1, shift=True),
    BaselineCase(part=SoftValue(), degree=1, shift=True),
    BaselineCase(part=AboveMean(), degree=1, shift=True),
    BaselineCase(part=SignedReward(), degree=None, shift=False),
    BaselineCase(part=SignedReward(positive=0, negative=-1), degree=None, shift=False),
    BaselineCase(part=SignedReward(positive=1, negative=0), degree=None, shift=False),
]
ASSIGNS: list[Assign] = [
    Uniform(),
    ValueDifferences(),
    StepReturns(),
    StepReturns(discount=1.0),
    ProgressReturns(),
    ProgressReturns(discount=1.0, weight=-0.5),
    Gae(),
    Gae(gamma=0.9, lam=0.7),
    StepPreference(),
    TreeCredit(),
    TreeCredit(power=0.0),
]
SHAPES = [
    ShapeCase(part=EntropyBonus(), low=0, high=0.5, identity=EntropyBonus(alpha=0)),
    ShapeCase(part=EntropyBonus(at="sampling", kappa=3), low=0, high=1 / 3, identity=EntropyBonus(kappa=INFINITY)),
    ShapeCase(part=EntropyBonus(positive_only=True), low=0, high=0.5, identity=EntropyBonus(alpha=0)),
    ShapeCase(part=ShuffledEntropyBonus(), low=0, high=0.5, identity=ShuffledEntropyBonus(alpha=0)),
    ShapeCase(part=ShuffledEntropyBonus(at="sampling"), low=0, high=0.5, identity=ShuffledEntropyBonus(alpha=0)),
    ShapeCase(part=ConstantBonus(), low=0, high=0.5, identity=ConstantBonus(alpha=0)),
    ShapeCase(part=RandomTokenBonus(), low=0, high=0.5, identity=RandomTokenBonus(alpha=0)),
    ShapeCase(part=UnclippedEntropyBonus(), low=0, high=INFINITY, identity=UnclippedEntropyBonus(alpha=0)),
    ShapeCase(part=HighEntropyScale(), low=-0.2, high=0.2, identity=HighEntropyScale(scale=0)),
    ShapeCase(part=GroupReweight(), low=-0.5, high=0.5, identity=GroupReweight(kappa=INFINITY)),
    ShapeCase(part=GroupReweight(at="update"), low=-0.5, high=0.5, identity=GroupReweight(kappa=INFINITY)),
    ShapeCase(part=PlanningCredit(), low=0, high=0.2, identity=PlanningCredit(alpha=0)),
    ShapeCase(part=PlanningCredit(alpha=-0.2), low=-0.2, high=0, identity=PlanningCredit(alpha=0)),
    ShapeCase(part=InvertedPlanningCredit(), low=0, high=0.2, identity=InvertedPlanningCredit(alpha=0)),
    ShapeCase(part=ReportedPlanningCredit(), low=0, high=0.2, identity=ReportedPlanningCredit(alpha=0)),
    ShapeCase(
        part=EntropyPlanningBonus(), low=0, high=0.5, identity=EntropyPlanningBonus(entropy_alpha=0, planning_alpha=0)
    ),
    ShapeCase(part=KeptDenominator(), low=-INFINITY, high=INFINITY, identity=KeptDenominator(share=0)),
    ShapeCase(part=OnlyBalanced(), low=-INFINITY, high=INFINITY, identity=OnlyBalanced(strength=0)),
    ShapeCase(part=SharedOnce(), low=-1, high=1, identity=SharedOnce(power=0)),
    ShapeCase(part=ModeScale(), low=-1, high=INFINITY, identity=ModeScale(strength=0)),
    ShapeCase(part=SetAddition(), low=-INFINITY, high=INFINITY, identity=SetAddition(weight=0)),
    ShapeCase(part=VisitAddition(), low=-INFINITY, high=INFINITY, identity=VisitAddition(weight=0)),
    ShapeCase(part=NoveltyAddition(), low=-INFINITY, high=INFINITY, identity=NoveltyAddition(weight=0)),
    ShapeCase(part=HeldTokens(), low=-1, high=INFINITY, identity=HeldTokens(strength=0)),
    ShapeCase(part=EntropyTokens(), low=-1, high=INFINITY, identity=EntropyTokens(share=1)),
    ShapeCase(
        part=EntropyTokens(choice="bottom", kept=True), low=-INFINITY, high=INFINITY, identity=EntropyTokens(share=1)
    ),
    ShapeCase(part=EntropyTokens(choice="random"), low=-1, high=INFINITY, identity=EntropyTokens(share=1, kept=True)),
    ShapeCase(part=PerplexityScale(alpha=0.3), low=-0.6, high=0.6, identity=PerplexityScale(alpha=0)),
    ShapeCase(part=PositionBonus(), low=-INFINITY, high=INFINITY, identity=PositionBonus(gamma=0)),
    ShapeCase(part=PositionBonus(slope=-10.0), low=-INFINITY, high=INFINITY, identity=PositionBonus(gamma=0)),
    ShapeCase(part=Whiten(), low=-INFINITY, high=INFINITY, identity=None),
]
SURROGATES: list[Surrogate] = [
    Reinforce(),
    PPOClip(),
    PPOClip(low=0.1, high=0.3),
    GSPO(),
    GSPO(low=0.1, high=0.05),
    CISPO(),
    CISPO(low=0.1, high=0.1),
    DPPO(),
    DPPO(bound=0.01, divergence="kl"),
    SAPO(),
    CEGPPO(),
    CEGPPO(low=0.1, high=0.1, keep_low=0.0, keep_high=0.5),
]
REDUCTIONS: list[Reduction] = [TokenMean(), SequenceMean(), FixedLength(length=12)]
PENALTIES: list[Penalty] = [
    KLPenalty(coefficient=0.1, estimator="k1"),
    KLPenalty(coefficient=0.1, estimator="k2"),
    KLPenalty(coefficient=0.1, estimator="k3"),
    EntropyPenalty(coefficient=0.01),
    EntropyPenalty(coefficient=-0.01),
    EntropyTarget(),
    KLCov(),
    AdvantageEntropy(coefficient=0.1),
    AdvantageEntropy(coefficient=0.1, unsigned=True),
    SamplerPull(coefficient=0.1),
    ReferencePull(coefficient=0.1),
    Likelihood(coefficient=0.1),
    BehaviourKL(coefficient=0.1),
    ShapedRatio(coefficient=0.1),
    SurrogateRatio(coefficient=0.1),
]


def members_of(package: ModuleType, seam: type) -> set[type]:
    """The concrete classes of `seam` that are defined anywhere below `package`."""
    names = [package.__name__, *(info.name for info in pkgutil.walk_packages(package.__path__, package.__name__ + "."))]
    modules = [importlib.import_module(name) for name in names]
    found = {item for module in modules for item in vars(module).values() if inspect.isclass(item)}
    return {
        item
        for item in found
        if issubclass(item, seam) and not inspect.isabstract(item) and item.__module__.startswith(package.__name__)
    }


# -------------------------------------------------------------------------------------------------------- the worlds


def make_experience(
    seed: int = 0, *, rows: int = 12, width: int = 10, groups: int = 3, unjudged: int = 2
) -> Experience:
    """A batch of ragged responses after prompts of unequal length, with every signal. Rewards are 0, .5 or 1 or NaN."""
    draw = torch.Generator().manual_seed(seed)
    begin = torch.randint(1, 4, (rows,), generator=draw)
    end = begin + torch.randint(1, width - 3, (rows,), generator=draw)
    place = torch.arange(width)[None]
    loss_mask = (place >= begin[:, None]) & (place < end[:, None])
    reward = torch.randint(0, 3, (rows,), generator=draw) / 2
    reward[torch.randperm(rows, generator=draw)[:unjudged]] = torch.nan

    def uniform(low: float, high: float) -> Tensor:
        return masked(low + (high - low) * torch.rand(rows, width, generator=draw), loss_mask)

    batch = Batch(
        tokens=torch.randint(0, 50, (rows, width), generator=draw),
        loss_mask=loss_mask,
        origin=torch.zeros(rows, dtype=torch.int64),
        behaviour=uniform(-3, 0),
        entropy=uniform(0, 3),
        reward=reward,
        group=torch.arange(rows) % groups,
        step=torch.where(loss_mask, 0, -1),
        step_reward=torch.zeros(rows, width),
        version=torch.zeros(rows, dtype=torch.int64),
        weight=0.5 + torch.rand(rows, generator=draw),
    )
    rate = masked(torch.rand(groups, generator=draw)[batch.group][:, None].expand(rows, width), loss_mask)
    signals = {"entropy": batch.entropy, "noise": uniform(0, 1), "success_rate": rate, "reference": uniform(-3, 0)}
    signals["step_value"] = uniform(0, 1)
    signals["value"] = uniform(0, 1)
    # Three pairs of steps: one token each in the rows of three right and three wrong siblings.
    number = torch.arange(rows, dtype=torch.float32) % 3 + 1
    side = torch.where(torch.arange(rows) < rows // 2, 1.0, -1.0)
    signals["step_pair"] = masked((number * side)[:, None].expand(rows, width), loss_mask)
    signals["pair_smoothing"] = masked((number / 8)[:, None].expand(rows, width), loss_mask)
    signals["entropy_coefficient"] = uniform(0.001, 0.005)
    signals["clip_cov"] = (uniform(0, 1) > 0.8).float()
    signals["kl_cov"] = (uniform(0, 1) > 0.8).float()
    signals["planning"] = (uniform(0, 1) > 0.6).float()
    signals["mode_weight"] = masked((0.5 + torch.rand(rows, generator=draw))[:, None].expand(rows, width), loss_mask)
    signals["set_bonus"] = masked((torch.rand(rows, generator=draw) - 0.5)[:, None].expand(rows, width), loss_mask)
    signals["visit_bonus"] = 2 * signals["set_bonus"]
    signals["novelty_bonus"] = signals["set_bonus"].abs()
    spread = 4 * torch.rand(rows, generator=torch.Generator().manual_seed(seed + 9)) - 2
    balanced = torch.arange(rows) % 4 < 2
    signals["balanced"] = masked(balanced[:, None].float().expand(rows, width), loss_mask)
    signals["answer_progress"] = signals["set_bonus"] / 2
    signals["sharing"] = masked((torch.arange(rows) % 3 + 1)[:, None].float().expand(rows, width), loss_mask)
    signals["perplexity"] = masked(spread[:, None].expand(rows, width), loss_mask)
    long = torch.rand(rows, generator=draw) < 0.4
    signals["long_success"] = masked(long[:, None].float().expand(rows, width), loss_mask)
    return Experience(batch, signals)


def make_train(seed: int = 0, *, zero_rows: int = 2) -> TrainBatch:
    """An experience with advantages of both signs; none where unjudged or in the first `zero_rows` rows."""
    experience = make_experience(seed)
    draw = torch.Generator().manual_seed(seed + 1)
    advantage = masked(torch.randn(experience.batch.tokens.shape, generator=draw), experience.batch.loss_mask)
    advantage[:zero_rows] = 0
    advantage[experience.batch.reward.isnan()] = 0
    return TrainBatch(experience, advantage, advantage.clone())


def make_forward(train: TrainBatch, seed: int = 0, *, distance: float = 0.5) -> Forward:
    """The current policy: log-probabilities up to `distance` from the sampler's, both outputs leaves with gradients."""
    batch, draw = train.batch, torch.Generator().manual_seed(seed + 2)
    moved = (2 * torch.rand(batch.tokens.shape, generator=draw) - 1) * distance
    entropy = 3 * torch.rand(batch.tokens.shape, generator=draw)
    return Forward(
        masked(batch.behaviour + moved, batch.loss_mask).requires_grad_(),
        masked(entropy, batch.loss_mask).requires_grad_(),
    )


# --------------------------------------------------------------------------------------------------- transformations


def map_experience(experience: Experience, change: Callable[[Tensor], Tensor]) -> Experience:
    """Every (B, T) tensor of the experience changed alike."""
    batch = experience.batch
    square = {f.name: getattr(batch, f.name) for f in fields(batch) if getattr(batch, f.name).dim() == 2}
    changed = replace(batch, **{name: change(tensor) for name, tensor in square.items()})
    return Experience(changed, {name: change(signal) for name, signal in experience.signals.items()})


def padded(tensor: Tensor, extra: int = 3) -> Tensor:
    """`extra` columns more, of zeros."""
    return torch.nn.functional.pad(tensor, (0, extra))


def opened(tensor: Tensor, after: int = 4, width: int = 2) -> Tensor:
    """`width` columns of zeros behind the first `after`, as where an environment wrote inside of responses."""
    return torch.cat([tensor[:, :after], torch.zeros_like(tensor[:, :width]), tensor[:, after:]], dim=1)


def open_experience(experience: Experience) -> Experience:
    """The same with tokens in the middle of responses that are not learned from, and NaN there."""
    return plant(map_experience(experience, opened))


def pad_experience(experience: Experience) -> Experience:
    """Wider, and with a wrong number in every new place that is not read."""
    wide = map_experience(experience, padded)
    return plant(wide, 123.0)


def plant(experience: Experience, value: float = torch.nan) -> Experience:
    """`value` in every float tensor wherever nothing is learned."""
    loss_mask = experience.batch.loss_mask
    return map_experience(experience, lambda tensor: planted(tensor, loss_mask, value))


def planted(tensor: Tensor, loss_mask: Tensor, value: float = torch.nan) -> Tensor:
    return tensor.masked_fill(~loss_mask, value) if tensor.is_floating_point() else tensor


def tensors_of(thing: object) -> dict[str, Tensor]:
    """All tensors inside records, mappings and tuples, by their path."""
    if isinstance(thing, Tensor):
        return {"": thing}
    if isinstance(thing, Mapping):
        inner = thing.items()
    elif isinstance(thing, tuple | list):
        inner = enumerate(thing)
    elif is_dataclass(thing):
        inner = ((f.name, getattr(thing, f.name)) for f in fields(thing))
    else:
        return {}
    return {f"{name}.{path}": tensor for name, item in inner for path, tensor in tensors_of(item).items()}


class Untouched:
    """Fails where a tensor inside `things` is another one, bit for bit, when the block ends."""

    def __init__(self, *things: object) -> None:
        self._live = tensors_of(things)
        self._copies = {path: tensor.detach().clone() for path, tensor in self._live.items()}

    def __enter__(self) -> None:
        assert self._live, "nothing to guard"

    def __exit__(self, *_: object) -> None:
        for path, tensor in self._live.items():
            same = (tensor == self._copies[path]) | (tensor.isnan() & self._copies[path].isnan())
            assert bool(same.all()), f"{path} was changed in place"
