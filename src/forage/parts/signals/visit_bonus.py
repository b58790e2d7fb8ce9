"""How rarely the answer of a response was given in earlier steps."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from forage.core.batch import Batch
from forage.core.mode_keys import ModeKey, check_mode_key, mode_keys
from forage.core.protocols import Signal, Task, Tools
from forage.core.records import Group
from forage.ops.masked import masked
from forage.ops.visits import VisitRule, check_visit_rule, visit_bonus


@dataclass(frozen=True, kw_only=True)
class VisitBonus(Signal):
    """`visit_bonus`, equal on all tokens of a response: `ops.visits.visit_bonus` of what `Tools.visits` has counted.

    0 for a response without an answer or a judgment, and with `gate` in a group in which all judged siblings are right.
    With `permuted` the bonuses of the step are dealt anew among its responses, which is the control.
    """

    rule: VisitRule = "con"
    constant: float = 0.5
    gate: bool = True
    key: ModeKey = "answer"
    task: Task | None = None
    permuted: bool = False

    name = "visit_bonus"

    def __post_init__(self) -> None:
        check_mode_key(self.key, self.task)
        check_visit_rule(self.rule, self.constant)

    def __call__(self, groups: Sequence[Group], batch: Batch, tools: Tools, *, seed: int) -> Tensor:
        visits = torch.tensor([n for group in groups for n in self._visits(group, tools)], dtype=torch.float64)
        bonus = visit_bonus(visits, batch.group.cpu(), rule=self.rule, constant=self.constant)
        if self.permuted:
            bonus = bonus[torch.randperm(len(bonus), generator=torch.Generator().manual_seed(seed))]
        column = bonus.to(batch.tokens.device, torch.float32)[:, None]
        return masked(column.expand(batch.tokens.shape), batch.loss_mask)

    def _visits(self, group: Group, tools: Tools) -> list[float]:
        """N of every sibling; NaN for those that get nothing."""
        judged = [score.correct for score in group.scores if score.judged]
        if self.gate and all(judged):
            return [torch.nan] * len(group.scores)
        keys = mode_keys(group.rollouts, group.scores, key=self.key, task=self.task, wrong=True)
        name = group.start.problem.id
        return [torch.nan if key is None else float(tools.visits(name, key)) for key in keys]
