"""The credit of whole responses, group by group: what the hooks share that are asked before credit reaches tokens."""

from collections.abc import Sequence

import torch

from forage.adapters.parts import Parts
from forage.adapters.rows import ExternalRow, groups_of
from forage.core.errors import ForageError
from forage.core.protocols import Baseline
from forage.parts.credit.baseline.mean_centre import MeanCentre

NO_TOKENS = (0,)
"""Stands for the tokens of a response whose trainer shows its text alone."""


def credit_by_group(
    parts: Parts, rows: Sequence[ExternalRow], sizes: Sequence[int], *, estimator: Sequence[Baseline] = (MeanCentre(),)
) -> list[float]:
    """One credit per row: the parts' rewards see each group, then their baselines, or `estimator` where they keep it.

    `rows` stand group by group, `sizes` to a group, each with its text. A row that was not judged gets 0 and takes no
    part in the statistics of the others. Raises ForageError where every group is too small for a baseline.
    """
    chain = estimator if parts.baselines is None else parts.baselines
    least = max((baseline.min_group_size for baseline in chain), default=1)
    if sizes and max(sizes) < least:
        raise ForageError(
            f"These methods compare siblings and need at least {least} responses to a prompt; here are {max(sizes)}."
        )
    groups = groups_of(rows, sizes, None)
    values: list[float] = []
    for group in groups:
        scores = group.scores
        for reward in parts.rewards:
            scores = reward(group.rollouts, scores)
        values += [score.value for score in scores]
    value = torch.tensor(values, dtype=torch.float64)
    number = torch.repeat_interleave(torch.arange(len(sizes)), torch.tensor(list(sizes), dtype=torch.int64))
    for baseline in chain:
        value = baseline(value, number)
    return value.nan_to_num(0.0).tolist()


def whole_only(parts: Parts) -> Parts:
    """The parts, where all of them work on whole responses. Raises ForageError for shapes and step assignments."""
    if parts.shapes or parts.assign != Parts().assign:
        raise ForageError(
            "These methods move credit among the tokens of a response, and this hook gives one number to each: take "
            "them where the trainer shows its tokens, and baselines and diversity rewards here."
        )
    return parts
