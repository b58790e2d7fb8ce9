"""Which tokens plan: those of strategic grams (HICRA, Wang et al., arXiv 2509.03646)."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from forage.core.batch import Batch
from forage.core.errors import ForageError
from forage.core.protocols import Signal, Tools
from forage.core.records import Group, Rollout
from forage.core.spans import own, own_pieces
from forage.grams.entropy import conditional_entropy, estimate_entropy
from forage.grams.matching import Matcher, tokens_in_spans
from forage.grams.strategies import Strategies, pairs_of


@dataclass(frozen=True, kw_only=True)
class PlanningMask(Signal):
    """`planning`: 1 on the tokens whose characters overlap one of the `grams` in the response's text, else 0.

    The grams are part of the recipe, so a run can be resumed and read without the file they came from; `source` is the
    id of their list. Phrases are looked for in the text, across token borders and across the border of a replayed
    prefix, so any tokenizer gives the same characters; only the learned tokens are marked. Without grams nothing is.
    `bins`, where given, names for each gram the cluster in which the metrics count it; otherwise each counts by itself.
    """

    grams: tuple[str, ...]
    source: str = ""
    bins: tuple[str, ...] = ()

    name = "planning"

    def __post_init__(self) -> None:
        if self.bins and len(self.bins) != len(self.grams):
            raise ForageError(f"A planning mask has {len(self.grams)} grams and {len(self.bins)} bins for them.")

    @cached_property
    def strategies(self) -> Strategies:
        return Strategies(matcher=Matcher(self.grams), bins=self.bins or self.grams)

    def __call__(self, groups: Sequence[Group], batch: Batch, tools: Tools, *, seed: int) -> Tensor:
        marks = torch.zeros(batch.tokens.shape, dtype=torch.float32)
        loss_mask = batch.loss_mask.cpu()
        for row, rollout in enumerate(rollout for group in groups for rollout in group.rollouts):
            inside = self._inside(rollout.text, _own_pieces(rollout, tools))[_written(rollout)]
            marks[row, loss_mask[row]] = torch.from_numpy(inside).float()
        return marks.to(batch.tokens.device)

    def metrics(self, groups: Sequence[Group], tools: Tools) -> Mapping[str, float]:
        """The grams and the planning tokens of a step's rollouts. Entropies are in nats (natural logarithm).

        gram_entropy: semantic entropy of strategic grams, Miller-Madow corrected, and gram_entropy_plug_in without the
        correction; both over the gram_bins bins into which gram_count occurrences fell, of at most gram_bins_listed.
        following_entropy: of the 3 words after a gram, given the gram, over following_pairs pairs. planning_share: of
        the tokens. entropy_planning, entropy_execution: mean token entropy; nll_planning, nll_execution: mean negative
        log-likelihood, whose exponential is the perplexity; all as the sampler recorded them. What a replayed prefix
        holds was written by an earlier policy, and an environment's text by no policy: neither is counted. NaN where
        there is nothing to count.
        """
        rollouts = [rollout for group in groups for rollout in group.rollouts]
        pieces = [_own_pieces(rollout, tools) for rollout in rollouts]
        written = [_written(rollout) for rollout in rollouts]
        inside = [
            self._inside(rollout.text, all_)[mine]
            for rollout, all_, mine in zip(rollouts, pieces, written, strict=True)
        ]
        texts = ["".join(own_pieces(each, rollout.given)) for rollout, each in zip(rollouts, pieces, strict=True)]
        occurrences = [self.strategies.occurrences(text) for text in texts]
        counts = list(Counter(name for grams in occurrences for name, _ in grams).values())
        pairs = [pair for _, pair in pairs_of(texts, occurrences)]
        corrected = estimate_entropy(counts, correction="miller-madow")
        planning = np.concatenate(inside) if inside else np.zeros(0, dtype=np.bool_)
        return {
            "gram_entropy": corrected.value if counts else math.nan,
            "gram_entropy_plug_in": estimate_entropy(counts).value if counts else math.nan,
            "gram_bins": corrected.bins,
            "gram_bins_listed": len(set(self.strategies.bins)),
            "gram_count": corrected.total,
            "following_entropy": conditional_entropy(pairs)[0] if pairs else math.nan,
            "following_pairs": len(pairs),
            "planning_share": float(planning.mean()) if planning.size else math.nan,
            **_by_class("entropy", [own(each.entropies, each.given) for each in rollouts], planning, sign=1),
            **_by_class("nll", [own(each.logprobs, each.given) for each in rollouts], planning, sign=-1),
        }

    def _inside(self, text: str, pieces: Sequence[str]) -> np.ndarray:
        """(tokens,) bool: which of the last tokens of the text, given by their texts, overlap a gram."""
        return tokens_in_spans(text, pieces, self.strategies.matcher.spans(text))


def _own_pieces(rollout: Rollout, tools: Tools) -> tuple[str, ...]:
    prefix = rollout.start.prefix
    return tools.codec.pieces(prefix + rollout.tokens)[len(prefix) :]


def _written(rollout: Rollout) -> np.ndarray:
    """(tokens,) bool: the policy's own."""
    mine = np.ones(len(rollout.tokens), dtype=np.bool_)
    for first, last in rollout.given:
        mine[first:last] = False
    return mine


def _by_class(name: str, columns: Sequence[Sequence[float]], planning: np.ndarray, *, sign: int) -> dict[str, float]:
    """Means of sign * value over planning and over execution tokens; values that are not finite are excluded."""
    values = sign * np.array([value for column in columns for value in column], dtype=np.float64)
    known = np.isfinite(values)
    sides = {"planning": values[known & planning], "execution": values[known & ~planning]}
    return {f"{name}_{side}": float(chosen.mean()) if chosen.size else math.nan for side, chosen in sides.items()}
