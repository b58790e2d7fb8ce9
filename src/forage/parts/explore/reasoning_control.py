"""Chains of reasoning that are deepened, branched or left alone as their uncertainty changes (Entro-duction)."""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, get_args

from forage.core.errors import ForageError
from forage.core.protocols import Explore, Task, Tools
from forage.core.records import Rollout, SamplingParams, Start
from forage.core.seeds import derive_seed
from forage.ops.reasoning_control import (
    ReasoningAction,
    chosen_uncertainty,
    noisy_action,
    reasoning_action,
    step_uncertainty,
)
from forage.parts.explore.forks import Chain, Fork, before_answer, grow_forks, root_counts

UncertaintyOf = Literal["vocabulary", "chosen"]
ControlledBy = Literal["entropy", "random"]


@dataclass(frozen=True, slots=True)
class _Decision:
    """What is done with a chain at the end of a step: the start's place, the chain's row, and the tokens before."""

    order: int
    row: int
    end: int
    action: ReasoningAction


@dataclass(frozen=True, kw_only=True)
class ReasoningControl(Explore):
    """A controller of reasoning without training (Entro-duction, arXiv 2503.15848).

    The share `roots` of the siblings begins at the start. From its second step on, a chain is deepened, branched in two
    or stopped by how the entropy and its variance differ from the step before (`ops.reasoning_control`), with another
    action at `epsilon` of the steps. A stop is soft: the chain is watched for `patience` more steps; then it writes on
    to its end, where its answer stands, and branches no more. Branches are watched in turn; where nothing branches new
    chains begin at the start, until there are exactly `group_size` siblings.

    `uncertainty` is that of the whole vocabulary or, as the paper reads it, of the chosen tokens' scores. `control`
    "random" is the placebo: the actions of all steps of a round, of all starts, are dealt anew among those steps.
    Raises ForageError for settings out of range.
    """

    roots: float = 0.25
    epsilon: float = 0.25
    patience: int = 1
    uncertainty: UncertaintyOf = "vocabulary"
    control: ControlledBy = "entropy"

    def __post_init__(self) -> None:
        noisy_action("deepen", 1.0, epsilon=self.epsilon)
        if not 0 < self.roots <= 1 or self.patience < 0:
            raise ForageError(
                "A control by entropy needs a share of roots in (0, 1] and a patience of 0 steps or more, not "
                f"{self.roots} and {self.patience}."
            )
        if self.uncertainty not in get_args(UncertaintyOf) or self.control not in get_args(ControlledBy):
            raise ForageError(
                "Uncertainty is that of the vocabulary or of the chosen tokens, and control is by entropy or random, "
                f"not {self.uncertainty!r} and {self.control!r}."
            )

    def __call__(
        self, starts: Sequence[Start], task: Task, tools: Tools, *, group_size: int, params: SamplingParams, seed: int
    ) -> Iterator[tuple[int, tuple[Rollout, ...]]]:
        roots = root_counts(starts, self.roots, group_size=group_size)

        def choose(
            grown: Sequence[Sequence[Rollout]], chains: Mapping[int, Sequence[Chain]], rooms: Mapping[int, int]
        ) -> dict[int, list[Fork]]:
            decisions = [
                each
                for order, start_chains in chains.items()
                for chain in start_chains
                for each in self._decisions(order, grown[order], chain, task, tools, seed)
            ]
            if self.control == "random":
                decisions = _dealt_anew(decisions, derive_seed(seed, "dealt", *(len(rollouts) for rollouts in grown)))
            forks = self._branches(decisions, grown)
            return {
                order: forks.get(order, [])[:room] or [Fork(0, 0)] * min(room, roots[order])
                for order, room in rooms.items()
            }

        yield from grow_forks(starts, roots, choose, task, tools, params, group_size=group_size, seed=seed)

    def _decisions(
        self, order: int, rollouts: Sequence[Rollout], chain: Chain, task: Task, tools: Tools, seed: int
    ) -> Iterator[_Decision]:
        """An action at each end of a step that the chain wrote itself, from the second step to the answer."""
        row, kept = chain
        rollout = rollouts[row]
        ends = (0, *rollout.step_ends)
        seen = [self._uncertainty(rollout, begin, end) for begin, end in pairwise(ends)]
        for number, end in enumerate(rollout.step_ends[1:-1], 1):
            if end > kept and before_answer(rollout, end, task, tools):
                (entropy, variance), (entropy_before, variance_before) = seen[number], seen[number - 1]
                chance = random.Random(derive_seed(seed, *rollout.start.seed_parts, "noise", row, end)).random()
                action = reasoning_action(entropy - entropy_before, variance - variance_before)
                yield _Decision(order, row, end, noisy_action(action, chance, epsilon=self.epsilon))

    def _uncertainty(self, rollout: Rollout, begin: int, end: int) -> tuple[float, float]:
        if self.uncertainty == "chosen":
            return chosen_uncertainty(rollout.logprobs[begin:end])
        return step_uncertainty(rollout.entropies[begin:end])

    def _branches(self, decisions: Sequence[_Decision], grown: Sequence[Sequence[Rollout]]) -> dict[int, list[Fork]]:
        """The forks of every start, earlier ones first, up to where its chain is no longer watched."""
        left: dict[tuple[int, int], int] = {}  # steps for which a stopped chain is still watched
        forks: dict[int, list[Fork]] = {}
        for each in decisions:
            chain = (each.order, each.row)
            if chain in left:
                left[chain] -= 1
                if left[chain] < 0:
                    continue
            elif each.action == "stop":
                left[chain] = self.patience
            if each.action == "branch":
                forks.setdefault(each.order, []).append(Fork(each.row, each.end))
        for order, start_forks in forks.items():
            start_forks.sort(key=lambda fork, order=order: grown[order][fork.donor].step_ends.index(fork.kept))
        return forks


def _dealt_anew(decisions: Sequence[_Decision], seed: int) -> list[_Decision]:
    """The same places and the same actions, put together at random."""
    actions: list[ReasoningAction] = [each.action for each in decisions]
    random.Random(seed).shuffle(actions)
    return [_Decision(each.order, each.row, each.end, action) for each, action in zip(decisions, actions, strict=True)]
