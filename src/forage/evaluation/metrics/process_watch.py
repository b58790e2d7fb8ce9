"""What a process reward says beside what the verifier says: the numbers in which reward hacking shows."""

import math
from collections.abc import Sequence

from forage.core.records import Group

PART = "process"
"""The part of a score in which a process reward keeps its aggregated score."""


def process_watch(groups: Sequence[Group]) -> dict[str, float]:
    """A step's metrics about its process reward; {} where nothing was scored by one.

    process: mean aggregated score of a response; process_right and process_wrong: of the responses that the verifier
    accepts and of the others (NaN without any); process_order: the chance that a right response scores above a wrong
    sibling, ties half, as a mean over the groups that have both (1/2: the score knows nothing of what is right); steps:
    reasoning steps per response. Unjudged responses are left out.
    """
    members = [
        (score, len(rollout.step_ends))
        for group in groups
        for rollout, score in zip(group.rollouts, group.scores, strict=True)
        if score.judged and PART in score.parts
    ]
    if not members:
        return {}
    right = [score.parts[PART] for score, _ in members if score.correct]
    wrong = [score.parts[PART] for score, _ in members if not score.correct]
    orders = [order for group in groups if not math.isnan(order := _order(group))]
    return {
        "process": _mean(right + wrong),
        "process_right": _mean(right),
        "process_wrong": _mean(wrong),
        "process_order": _mean(orders),
        "steps": _mean([float(steps) for _, steps in members]),
    }


def _order(group: Group) -> float:
    """NaN where there is no pair of a right and a wrong sibling."""
    known = [score for score in group.scores if score.judged and PART in score.parts]
    right = [score.parts[PART] for score in known if score.correct]
    wrong = [score.parts[PART] for score in known if not score.correct]
    return _mean([float(good > bad) + 0.5 * (good == bad) for good in right for bad in wrong])


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values) if values else math.nan
