"""What another trainer is given: parts of this package, whichever they are, checked before training begins."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from forage.core.errors import ForageError
from forage.core.protocols import Assign, Baseline, Reward, Shape, Signal
from forage.methods import METHODS
from forage.methods.algorithms.grpo import grpo
from forage.methods.catalogue import Applied, parse
from forage.parts.credit.assign.uniform import Uniform
from forage.parts.credit.pipeline import Credit
from forage.parts.signals import SIGNALS
from forage.tasks.countdown import Countdown
from forage.training.recipe import Recipe


@dataclass(frozen=True, kw_only=True)
class Parts:
    """The parts of a method that another trainer can carry.

    `baselines` None keeps the trainer's own estimator, and what it says is then assigned and shaped; a tuple replaces
    it. `signals` are those that shapes read beside the built-in ones. Raises ForageError for a need that nobody serves.
    """

    shapes: tuple[Shape, ...] = ()
    baselines: tuple[Baseline, ...] | None = None
    rewards: tuple[Reward, ...] = ()
    signals: tuple[Signal, ...] = ()
    assign: Assign = field(default_factory=Uniform)

    def __post_init__(self) -> None:
        available = {**SIGNALS, **{signal.name: signal for signal in self.signals}}
        for name in sorted(self.credit.needs):
            if name not in available:
                raise ForageError(
                    f"Nothing provides the signal {name!r}. Give the part that does, as in signals=[PlanningMask(...)]."
                )
            if available[name].needs_reference or available[name].needs_critic:
                raise ForageError(
                    f"The signal {name!r} needs a model of its own (a reference or a critic), which adapters do not "
                    "run beside another trainer. Use `forage train` for this method."
                )

    @property
    def credit(self) -> Credit:
        return Credit(baselines=self.baselines or (), assign=self.assign, shapes=self.shapes)

    @property
    def shapes_only(self) -> "Parts":
        """What is left where rewards and baselines were settled before."""
        return replace(self, baselines=None, rewards=())

    @property
    def late_needs(self) -> frozenset[str]:
        """The signals, besides the current entropy, that the shapes of the moment "update" read."""
        return frozenset().union(*(shape.needs for shape in self.credit.update_shapes)) - {"entropy"}

    @property
    def settles(self) -> bool:
        """Whether anything happens between the rewards of a batch and its updates."""
        credit = self.credit
        replaced = self.baselines is not None or self.assign != Uniform()
        return replaced or bool(credit.sampling_shapes) or bool(self.late_needs)

    @property
    def sampled_entropy(self) -> bool:
        """Whether a part wants the entropies of the policy that sampled."""
        early = frozenset().union(self.assign.needs, *(shape.needs for shape in self.credit.sampling_shapes))
        return "entropy" in early


def parts_of(*methods: Applied, keep_estimator: bool = False) -> Parts:
    """The parts of methods of the catalogue: `parts_of(methods.hicra(grams="grams.json"), ...)`.

    The methods are applied to GRPO. Where they change its estimator (HICRA drops the division by the deviation), the
    changed one replaces the trainer's, unless `keep_estimator`. What a method changes besides credit, rewards and
    signals (memory, exploration, the loss, a critic) cannot be carried: ForageError. How a loss averages its tokens is
    a setting of every trainer, so there a warning says which average the method has.
    """
    stand_in = Countdown(size="demo")  # a recipe has a task; the problems here are the trainer's
    plain = grpo.function(Recipe(name="external", model="none", task=stand_in))
    recipe = plain
    for apply in methods:
        recipe = apply(recipe)
    if recipe.policy_loss.reduction != plain.policy_loss.reduction:
        average = type(recipe.policy_loss.reduction).__name__
        warnings.warn(f"These methods average tokens by {average}: set the trainer's loss so too.", stacklevel=2)
        recipe = replace(recipe, policy_loss=replace(recipe.policy_loss, reduction=plain.policy_loss.reduction))
    for place in ("memory", "explore", "grouping", "optimization", "policy_loss", "critic", "sampling", "schedule"):
        if getattr(recipe, place) != getattr(plain, place):
            raise ForageError(
                f"These methods change the {place.replace('_', ' ')} of a run, which belongs to the trainer here. Set "
                "it there, and give the other parts by themselves (shapes=, rewards=, ...)."
            )
    if any(getattr(part, "task", None) is not None for part in (*recipe.rewards, *recipe.signals)):
        raise ForageError(
            "These methods read answers as a task of Forage does, and the problems here are the trainer's. Key the "
            "modes by key=text, or by key=mode and say what the mode of a response is."
        )
    same = keep_estimator or recipe.credit.baselines == plain.credit.baselines
    return Parts(
        shapes=recipe.credit.shapes,
        baselines=None if same else recipe.credit.baselines,
        rewards=recipe.rewards,
        signals=recipe.signals,
        assign=recipe.credit.assign,
    )


def named_parts(methods: Sequence[str]) -> Parts:
    """The parts of methods given as texts: `named_parts(["entropy_advantage:alpha=0.4"])`."""
    if not methods:
        raise ForageError('Which methods? As in forage.methods=["entropy_advantage:alpha=0.4"].')
    return parts_of(*(parse(str(text), METHODS) for text in methods))


def as_parts(
    shapes: Sequence[Shape],
    baselines: Sequence[Baseline] | None,
    rewards: Sequence[Reward],
    signals: Sequence[Signal],
    assign: Assign | None,
) -> Parts:
    return Parts(
        shapes=tuple(shapes),
        baselines=None if baselines is None else tuple(baselines),
        rewards=tuple(rewards),
        signals=tuple(signals),
        assign=assign or Uniform(),
    )
