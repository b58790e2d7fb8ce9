"""Demonstrations: responses that are learned from and that nobody sampled in this step.

They are rows like any other (`Batch`, with the origin DEMONSTRATION and the mask on every token of the response), made
beside the sampled ones: they have no reward, no advantage and no part in a group's mean, a signal or a metric of
rollouts, and drawing them takes no random number of sampling. Without any, a step is what it was, bit for bit.
"""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import torch

from forage.core.batch import Batch, Experience, TrainBatch
from forage.core.collate import collate
from forage.core.protocols import Forward, Memory
from forage.core.records import UNJUDGED, Group, Origin, Problem, Rollout, Start
from forage.core.spans import Spans, steps_around

Given = Callable[[Problem, Sequence[int]], Spans]
"""What an environment wrote of a response: `Tools.given`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Demonstration:
    """A whole response to `problem`, learned from together with the step's group number `group`.

    `weight` is its share of what that group learns from demonstrations. `logprobs`, where known, are of the policy that
    wrote the tokens. `prefix` is how the response begins before them: read and not learned.
    """

    problem: Problem
    tokens: tuple[int, ...]
    group: int
    prefix: tuple[int, ...] = ()
    weight: float = 1.0
    logprobs: tuple[float, ...] | None = None


class DemonstratingMemory(Memory):
    """A memory that has responses to show beside what is sampled.

    `asks_policy`: nobody knows how likely their writer found them; the log-probabilities of the rows are those of the
    policy before the step's update.
    """

    asks_policy: ClassVar[bool] = False

    @abstractmethod
    def demonstrate(self, groups: Sequence[Group]) -> tuple[Demonstration, ...]:
        """What is learned from beside these groups, the ones that the step learns from. Changes nothing."""


def with_demonstrations(
    train: TrainBatch,
    groups: Sequence[Group],
    memory: Memory,
    prompt: Callable[[Problem], tuple[int, ...]],
    given: Given = lambda problem, tokens: (),
    measure: Callable[[Batch], Forward] | None = None,
) -> TrainBatch:
    """The rows of a step with what `memory` shows beside them; the same object where it shows nothing.

    `measure` is asked for their log-probabilities where the memory asks for those of the policy.
    """
    shown = memory.demonstrate(groups) if isinstance(memory, DemonstratingMemory) else ()
    if not shown:
        return train
    rows = collate_demonstrations(shown, prompt, given)
    if measure is not None and isinstance(memory, DemonstratingMemory) and memory.asks_policy:
        rows = replace(rows, behaviour=measure(rows).logprob)
    return replace(train, demonstrations=rows)


def collate_demonstrations(
    shown: Sequence[Demonstration],
    prompt: Callable[[Problem], tuple[int, ...]],
    given: Given = lambda problem, tokens: (),
) -> Batch:
    """The demonstrations in order as rows: reward NaN, behaviour NaN where it is not known.

    What an environment wrote of them (`Tools.given`) is not learned from.
    """
    rows = collate([_as_group(each, given(each.problem, each.tokens)) for each in shown], prompt)
    group = torch.tensor([demonstration.group for demonstration in shown])
    weight = torch.tensor([demonstration.weight for demonstration in shown], dtype=torch.float32)
    return replace(rows, group=group, weight=weight)


def shown_to(demonstrations: Batch, groups: int) -> TrainBatch:
    """The demonstrations of an optimizer step over `groups` groups: one of weight w counts w / groups.

    A group without any counts as well, as groups without an advantage do in the surrogate: how strongly a problem's own
    demonstrations pull does not depend on how many others have some.
    """
    rows = replace(demonstrations, weight=demonstrations.weight / groups)
    return TrainBatch(Experience(rows, {}), torch.zeros_like(rows.behaviour))


def _as_group(demonstration: Demonstration, given: Spans) -> Group:
    start = Start(demonstration.problem, demonstration.prefix, origin=Origin.DEMONSTRATION)
    size = len(demonstration.tokens)
    unknown, ends = (float("nan"),) * size, steps_around((size,), given)
    logprobs = demonstration.logprobs or unknown
    rollout = Rollout(start, demonstration.tokens, logprobs, unknown, "", ends, "eos", 0, given)
    return Group(start, (rollout,), (UNJUDGED,))
