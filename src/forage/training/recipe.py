"""A recipe: everything that decides a run, as one frozen value.

A method is a function from recipe to recipe. A recipe that cannot be served is refused when it is made, with a sentence
that says what is missing; `recipe.json` of a run directory is this value, complete.
"""

from dataclasses import dataclass, field, replace

from forage.core.errors import ForageError, check_numbers
from forage.core.protocols import Explore, Loss, MemoryConfig, Reward, Signal, Task
from forage.core.records import SamplingParams
from forage.core.turns import refuse_environment
from forage.engines.critic_training import CriticTraining
from forage.engines.local.engine import LocalEngine
from forage.engines.optimization import Optimization
from forage.engines.soft_q_training import SoftQTraining
from forage.engines.vllm.settings import Vllm
from forage.parts.credit.pipeline import Credit
from forage.parts.explore.plain import PlainSampling
from forage.parts.losses.policy_loss import PolicyLoss
from forage.parts.memory.shuffled import ShuffledProblems
from forage.parts.signals import SIGNALS
from forage.verification.judge import Verifying


@dataclass(frozen=True, kw_only=True)
class Grouping:
    """How many groups make a step, and which of them are worth learning from.

    With `require_variance`, groups whose judged siblings are all right or all wrong are dropped and replaced by fresh
    ones for at most `max_rounds` rounds of sampling (dynamic sampling, arXiv 2503.14476, equation 11). What other
    rewards add, such as a penalty for length, makes no group worth keeping; a graded reward in the verdict's place
    does (`Group.divided`). The last round's leftovers are kept so that a step is never empty.
    """

    groups: int = 16
    group_size: int = 16
    require_variance: bool = False
    max_rounds: int = 1

    def __post_init__(self) -> None:
        check_numbers(self)
        if min(self.groups, self.group_size, self.max_rounds) < 1:
            raise ForageError(
                f"A step needs at least one group, one response per group and one round, not {self.groups}, "
                f"{self.group_size} and {self.max_rounds}."
            )


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """How long a run lasts and what it writes down, all in steps. 0 writes never (the last step is always saved).

    With `tokens` the run also ends after the step in which it has sampled as many, responses and the continuations that
    values take together (the metric `tokens`); 0 is no such limit. Whichever comes first ends the run.
    """

    steps: int = 120
    tokens: int = 0
    checkpoint_every: int = 20
    keep_checkpoints: int = 2
    rollouts_every: int = 20

    def __post_init__(self) -> None:
        check_numbers(self)
        if self.steps < 1:
            raise ForageError(f"A run needs at least one step, not {self.steps}.")
        if self.tokens < 0:
            raise ForageError(f"The budget of tokens must be 0 (none) or more, not {self.tokens}.")
        if min(self.checkpoint_every, self.rollouts_every) < 0 or self.keep_checkpoints < 1:
            raise ForageError("checkpoint_every and rollouts_every must be 0 or more, keep_checkpoints 1 or more.")

    def ended(self, step: int, tokens: int) -> bool:
        """Whether a run that has taken `step` steps and sampled `tokens` tokens is over."""
        return step >= self.steps or 0 < self.tokens <= tokens


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What is trained, on what, how, and how it all is seeded. `methods` are the labels that reports show.

    Problems whose prompts have more than `max_prompt_tokens` are left out of training and evaluation. `sampler` draws
    the rollouts of training in the place of the engine's own.
    """

    name: str
    model: str
    task: Task
    methods: tuple[str, ...] = ()
    seed: int = 0
    schedule: Schedule = field(default_factory=Schedule)
    grouping: Grouping = field(default_factory=Grouping)
    memory: MemoryConfig = field(default_factory=ShuffledProblems)
    explore: Explore = field(default_factory=PlainSampling)
    sampling: SamplingParams = field(default_factory=SamplingParams)
    max_prompt_tokens: int | None = None
    verifying: Verifying = field(default_factory=Verifying)
    rewards: tuple[Reward, ...] = ()
    signals: tuple[Signal, ...] = ()
    credit: Credit = field(default_factory=Credit)
    policy_loss: PolicyLoss = field(default_factory=PolicyLoss)
    optimization: Optimization = field(default_factory=Optimization)
    critic: CriticTraining | SoftQTraining | None = None
    engine: LocalEngine = field(default_factory=LocalEngine)
    sampler: Vllm | None = None

    def __post_init__(self) -> None:
        self._check_needs()
        if isinstance(self.critic, SoftQTraining) and self.credit != Credit():
            raise ForageError(
                f"{self.label} credits tokens by advantages, and its loss follows learned values instead: what "
                "acts on advantages would do nothing. Use it with another algorithm."
            )
        if self.optimization.perturbation:
            self._check_perturbed()
        if self.engine.thinking:
            self._check_thinking()
        if self.grouping.group_size < self.credit.min_group_size:
            raise ForageError(
                f"{self.label} compares siblings, so it needs groups of at least {self.credit.min_group_size}; "
                f"this recipe samples {self.grouping.group_size} per problem. Raise `group_size`."
            )
        if self.optimization.mini_batches > self.grouping.groups:
            raise ForageError(
                f"{self.optimization.mini_batches} mini-batches cannot be cut from {self.grouping.groups} groups: "
                "lower `mini_batches` or raise `groups`."
            )
        if self.sampling.temperature == 0 or self.sampling.top_p < 1 or self.sampling.top_k > 0:
            raise ForageError(
                "Training samples from the whole distribution (temperature above 0, top_p 1, top_k 0): truncated "
                "sampling biases the importance ratio. Truncate in `forage eval` instead."
            )

    @property
    def label(self) -> str:
        return " + ".join(self.methods) or self.name

    @property
    def needs(self) -> frozenset[str]:
        """The signals that the parts of this recipe read; the engine computes these and no others."""
        learned = self.critic.needs if self.critic else frozenset()
        return (self.credit.needs | self.policy_loss.needs | learned) - self.policy_loss.provides

    @property
    def available_signals(self) -> dict[str, Signal]:
        return {**SIGNALS, **{signal.name: signal for signal in self.signals}}

    @property
    def needs_reference(self) -> bool:
        return any(self.available_signals[name].needs_reference for name in self.needs)

    @property
    def loss(self) -> Loss:
        """The loss, with the credit's update-time shapes inside: they act on a copy of the advantages."""
        return replace(self.policy_loss, shapes=self.credit.update_shapes)

    def _check_perturbed(self) -> None:
        """Half of each group is sampled with other weights, which only plain sampling by the local engine can do."""
        refuse_environment(self.task, self.label)
        if self.credit != Credit() or self.policy_loss != PolicyLoss() or self.critic:
            raise ForageError(
                f"{self.label} moves the weights by comparing responses, without advantages, a loss or a critic: what "
                "acts on them would do nothing. Use it with another algorithm."
            )
        plain = self.explore == PlainSampling() and self.memory == ShuffledProblems() and not self.sampler
        if not plain:
            raise ForageError(
                f"{self.label} samples half of each group with other weights: it needs plain sampling of whole "
                "problems by the local engine. Use what samples otherwise with another algorithm."
            )
        if self.grouping.group_size % 2:
            raise ForageError(
                f"{self.label} samples half of each group with other weights: give groups of an even size, not "
                f"{self.grouping.group_size}."
            )

    def _check_thinking(self) -> None:
        """What was expected in each place can be found again where a response was sampled as a whole, by the engine."""
        refuse_environment(self.task, self.label)
        if self.explore != PlainSampling() or self.sampler or self.optimization.perturbation:
            raise ForageError(
                f"{self.label} thinks partly in embeddings: it needs plain sampling by the local engine. Use what "
                "samples otherwise with another algorithm."
            )

    def _check_needs(self) -> None:
        missing = sorted(self.needs - set(self.available_signals))
        if missing:
            raise ForageError(
                f"{self.label} needs the signal(s) {', '.join(missing)}, which nothing in this recipe "
                f"provides. Available: {', '.join(sorted(self.available_signals))}. "
                "Add a Signal of that name to the recipe's `signals`."
            )
        valued = isinstance(self.critic, CriticTraining)
        lacking = [name for name in sorted(self.needs) if self.available_signals[name].needs_critic and not valued]
        if lacking:
            raise ForageError(
                f"{self.label} needs the signal(s) {', '.join(lacking)}, which a critic gives, and this recipe trains "
                "none. Begin with a method that has a critic, or give the recipe one: critic=CriticTraining()."
            )
        if self.critic and self.critic.optimization.mini_batches > self.grouping.groups:
            raise ForageError(
                f"The critic's {self.critic.optimization.mini_batches} mini-batches cannot be cut from "
                f"{self.grouping.groups} groups: use fewer, or raise `groups`."
            )
        if self.critic and self.critic.warmup >= self.schedule.steps:
            raise ForageError(
                f"The critic would learn alone for {self.critic.warmup} steps, and the run has {self.schedule.steps}: "
                "the policy would never learn. Shorten the warm-up or raise `steps`."
            )
