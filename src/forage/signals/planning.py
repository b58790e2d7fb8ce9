"""Which tokens plan: those of strategic grams (HICRA, Wang et al., arXiv 2509.03646)."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from forage.batch import Batch
from forage.grams.matching import Matcher, tokens_in_spans
from forage.protocols import Signal, Tools
from forage.records import Group


@dataclass(frozen=True, kw_only=True)
class PlanningMask(Signal):
    """`planning`: 1 on the tokens whose characters overlap one of the `grams` in the response's text, else 0.

    The grams are part of the recipe, so a run can be resumed and read without the file they came from; `source` is the
    id of their list. Phrases are looked for in the text, across token borders and across the border of a replayed
    prefix, so any tokenizer gives the same characters; only the learned tokens are marked. Without grams nothing is.
    """

    grams: tuple[str, ...]
    source: str = ""

    name = "planning"

    def __call__(self, groups: Sequence[Group], batch: Batch, tools: Tools, *, seed: int) -> Tensor:
        matcher = Matcher(self.grams)
        marks = torch.zeros(batch.tokens.shape, dtype=torch.float32)
        learn = batch.learn.cpu()
        rollouts = (rollout for group in groups for rollout in group.rollouts)
        for row, rollout in enumerate(rollouts):
            prefix = rollout.start.prefix
            pieces = tools.codec.pieces(prefix + rollout.tokens)[len(prefix) :]
            inside = tokens_in_spans(rollout.text, pieces, matcher.spans(rollout.text))
            marks[row, learn[row]] = torch.from_numpy(inside).float()
        return marks.to(batch.tokens.device)
