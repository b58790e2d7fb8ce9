"""What a step's rollouts look like as rows of a table."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from forage.core.protocols import Codec
from forage.core.records import Group


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
    members = [
        (number, sibling, rollout, score)
        for number, group in enumerate(groups)
        for sibling, (rollout, score) in enumerate(zip(group.rollouts, group.scores, strict=True))
    ]
    return [
        {
            "step": step,
            "problem": rollout.start.problem.id,
            "prompt": codec.decode(codec.prompt(rollout.start.problem)),
            "group": number,
            "sibling": sibling,
            "prefix": list(rollout.start.prefix),
            "text": rollout.text,
            "pieces": list(codec.pieces(rollout.tokens)),
            "tokens": list(rollout.tokens),
            "logprobs": list(rollout.logprobs),
            "entropies": entropy[row][loss_mask[row]].tolist(),
            "advantages": advantage[row][loss_mask[row]].tolist(),
            "values": _known(values, loss_mask, row),
            "reward": score.value,
            "correct": score.parts.get("correct", float("nan")),
            "mode": score.mode,
            "stop": rollout.stop,
        }
        for row, (number, sibling, rollout, score) in enumerate(members)
    ]


def _known(values: Tensor | None, loss_mask: Tensor, row: int) -> list[float]:
    """The values of a row; [] where none of them is known."""
    own = [] if values is None else values[row][loss_mask[row]].tolist()
    return own if any(value == value for value in own) else []
