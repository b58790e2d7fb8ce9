"""What a step's rollouts look like as rows of a table."""

import math
from collections.abc import Sequence
from typing import Any

from torch import Tensor

from forage.core.protocols import Codec
from forage.core.records import Group, Rollout
from forage.core.spans import inside


def rollout_rows(
    groups: Sequence[Group],
    advantage: Tensor,
    entropy: Tensor,
    loss_mask: Tensor,
    step: int,
    codec: Codec,
    *,
    values: Tensor | None = None,
) -> list[dict[str, Any]]:
    """One row per rollout, in the order of the batch, with its settled advantages.

    advantage and entropy (B, T) float32 and loss_mask (B, T) bool are those of the batch that was collated from
    `groups`; values (B, T) float32, where the run knows them, are of the state before each token; NaN where it was not
    asked for.
    """
    prompts = [codec.decode(codec.prompt(group.start.problem)) for group in groups]
    members = [
        (number, sibling, rollout, score)
        for number, group in enumerate(groups)
        for sibling, (rollout, score) in enumerate(zip(group.rollouts, group.scores, strict=True))
    ]
    return [
        {
            "step": step,
            "problem": rollout.start.problem.id,
            "prompt": prompts[number],
            "group": number,
            "sibling": sibling,
            "prefix": list(rollout.start.prefix),
            "text": rollout.text,
            "pieces": list(codec.pieces(rollout.tokens)),
            "tokens": list(rollout.tokens),
            "given": [list(span) for span in rollout.given],
            "logprobs": list(rollout.logprobs),
            "entropies": _by_token(entropy[row], loss_mask[row], rollout),
            "advantages": _by_token(advantage[row], loss_mask[row], rollout),
            "values": [] if values is None else _known(_by_token(values[row], loss_mask[row], rollout)),
            "reward": score.value,
            "correct": score.parts.get("correct", float("nan")),
            "mode": score.mode,
            "stop": rollout.stop,
        }
        for row, (number, sibling, rollout, score) in enumerate(members)
    ]


def _by_token(values: Tensor, learned: Tensor, rollout: Rollout) -> list[float]:
    """(T,) values at the learned places of a sequence as those of the response's tokens, NaN at an environment's."""
    mine = iter(values[learned].tolist())
    return [math.nan if inside(rollout.given, place) else next(mine) for place in range(len(rollout.tokens))]


def _known(values: list[float]) -> list[float]:
    """The values of a row; [] where none of them is known."""
    return values if any(value == value for value in values) else []
