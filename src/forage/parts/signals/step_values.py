"""What every step of a response was begun with: Monte-Carlo values of its state (VinePPO, arXiv 2410.01679)."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from forage.core.batch import Batch
from forage.core.errors import ForageError
from forage.core.protocols import Signal, Task, Tools
from forage.core.records import Group, Rollout, SamplingParams, Score, Start
from forage.core.spans import own_before
from forage.parts.values import MonteCarlo, StartValues


@dataclass(frozen=True, kw_only=True)
class StepValues(Signal):
    """`step_value`: V of the state that a step begins in, equal on all tokens of the step.

    The first `max_steps` steps of a response are valued by fresh continuations (equal states once per batch, the state
    before the first step included); later ones get the response's own return, so nothing is credited to them. A state
    that could not be judged gets the return too, and so does every step of an unjudged response's row: 0. `task` is
    asked for the names of states, where `method` values equal states once, and for the steps of continuations.
    """

    method: MonteCarlo = field(default_factory=MonteCarlo)
    params: SamplingParams = field(default_factory=SamplingParams)
    max_steps: int = 20
    task: Task | None = None

    name = "step_value"

    def __post_init__(self) -> None:
        if self.max_steps < 1:
            raise ForageError(f"max_steps must be at least 1, not {self.max_steps}.")

    def __call__(self, groups: Sequence[Group], batch: Batch, tools: Tools, *, seed: int) -> Tensor:
        members = [pair for group in groups for pair in zip(group.rollouts, group.scores, strict=True)]
        begun = [self._states(rollout) if score.judged else () for rollout, score in members]
        service = (
            self.method.open(self.task, tools, self.params, seed=seed)
            if self.task
            else StartValues(tools, self.params, self.method, seed)
        )
        values = service([start for starts in begun for start in starts])
        means = iter(value.mean for value in values)
        signal = torch.zeros(batch.tokens.shape, dtype=torch.float32)
        loss_mask = batch.loss_mask.cpu()
        for row, ((rollout, score), starts) in enumerate(zip(members, begun, strict=True)):
            signal[row, loss_mask[row]] = torch.tensor(_per_token(rollout, score, [next(means) for _ in starts]))
        return signal.to(batch.tokens.device)

    def _states(self, rollout: Rollout) -> tuple[Start, ...]:
        start = rollout.start
        ends = (0, *rollout.step_ends[:-1])[: self.max_steps]
        return tuple(Start(start.problem, start.prefix + rollout.tokens[:end], start.origin) for end in ends)


def _per_token(rollout: Rollout, score: Score, values: Sequence[float]) -> list[float]:
    """The value of the step of each of the policy's tokens.

    NaN values (nothing judged) and missing ones become the return; NaN return: 0.
    """
    own = score.value if score.judged else 0.0
    begins = (0, *rollout.step_ends)
    numbers: list[float] = []
    for index, end in enumerate(rollout.step_ends):
        value = values[index] if index < len(values) else own
        written = own_before(rollout.given, end) - own_before(rollout.given, begins[index])
        numbers += [own if value != value else value] * written
    return numbers
