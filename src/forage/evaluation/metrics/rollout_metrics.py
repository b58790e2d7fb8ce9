"""What a step's rollouts and their scores show, as the metrics of the step."""

import math
from collections import Counter
from collections.abc import Sequence

from forage.core.records import Group, Score
from forage.core.spans import own
from forage.evaluation.metrics.process_watch import process_watch
from forage.ops.diversity import pcmd


def rollout_metrics(groups: Sequence[Group], *, modes: bool = False) -> dict[str, float]:
    """Means over rollouts; entropy, in nats, over tokens. `replies`, where there are any, are of an environment.

    `all_right` is the share of groups whose judged siblings are all correct. With `modes` (the task names them):
    distinct_modes, the different modes among a group's siblings, as a mean over groups; and pcmd, the chance that two
    right siblings differ in mode, over the groups that have two; absent where none has.

    Every other part of the scores (a reward model's reward, a penalty, ...) has its mean, over the judged responses
    that have it, under its own name.
    """
    members = [pair for group in groups for pair in zip(group.rollouts, group.scores, strict=True)]
    judged = [score for _, score in members if score.judged]
    tokens = sum(rollout.written for rollout, _ in members)
    replies = sum(len(rollout.given) for rollout, _ in members)

    def share(count: float, total: int) -> float:
        return count / total if total else math.nan

    parts = {name: [score.parts[name] for score in judged if name in score.parts] for name in _part_names(judged)}
    return {
        **{name: math.fsum(values) / len(values) for name, values in parts.items()},
        "reward": share(sum(score.value for score in judged), len(judged)),
        "correct": share(sum(score.parts.get("correct", 0.0) for score in judged), len(judged)),
        "commit": share(sum(score.parts.get("commit", 0.0) for score in judged), len(judged)),
        "unjudged": share(len(members) - len(judged), len(members)),
        "truncated": share(sum(rollout.stop == "length" for rollout, _ in members), len(members)),
        "length": share(tokens, len(members)),
        "entropy": share(math.fsum(h for rollout, _ in members for h in own(rollout.entropies, rollout.given)), tokens),
        "zero_variance": share(sum(not group.varies for group in groups), len(groups)),
        "all_right": share(sum(map(_all_right, groups)), len(groups)),
        **({"replies": share(replies, len(members))} if replies else {}),
        **(_mode_metrics(groups) if modes else {}),
        **process_watch(groups),
    }


def _all_right(group: Group) -> bool:
    judged = [score.correct for score in group.scores if score.judged]
    return bool(judged) and all(judged)


def _mode_metrics(groups: Sequence[Group]) -> dict[str, float]:
    counts = [Counter(score.mode for score in group.scores if score.mode is not None) for group in groups]
    pairs = [chance for modes in counts if not math.isnan(chance := float(pcmd(list(modes.values()))))]
    return {
        **({"distinct_modes": math.fsum(map(len, counts)) / len(counts)} if counts else {}),
        **({"pcmd": math.fsum(pairs) / len(pairs)} if pairs else {}),
    }


def _part_names(scores: Sequence[Score]) -> list[str]:
    return sorted({name for score in scores for name in score.parts})
