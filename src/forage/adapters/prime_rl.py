"""prime-rl: an advantage function for its configuration, and a class for its algorithms.

    [orchestrator.advantage]
    type = "custom"
    import_path = "forage.adapters.prime_rl.advantage"
    kwargs = { methods = ["passk:k=4"] }

The orchestrator knows no entropy, so what can be carried works on whole responses: baselines, and rewards that compare
siblings.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from forage.adapters.group_credit import NO_TOKENS, credit_by_group, whole_only
from forage.adapters.parts import Parts, named_parts
from forage.adapters.rows import ExternalRow
from forage.core.errors import ForageError
from forage.core.records import Score
from forage.parts.credit.baseline.mean_centre import MeanCentre
from forage.parts.rewards.overlong import Overlong
from forage.tasks.own_function import load_function

Mode = Callable[[Any], str | None]
"""A rollout whose reward is 1/2 or more -> which right answer, or which way to it, that is."""


def advantage(inputs: Any, *, methods: Sequence[str], mode: str | None = None) -> list[list[float]]:
    """One list per rollout of the group `inputs.rollouts`, as long as `inputs.completion_lengths` say.

    `mode` names a function of a rollout, "module:function"; it is asked for right ones. Where the methods keep the
    estimator, that is prime-rl's: the reward minus the mean of the group.
    """
    named = load_function(mode) if mode else None
    return inputs.broadcast(group_credit(_parts(methods), inputs.rollouts, mode=named))


def algorithm(base: type, *, methods: Sequence[str], mode: Mode | None = None) -> type:
    """A subclass of prime-rl's `Algorithm` (its newer interface), whose `score_group` assigns the methods' credit."""
    if not callable(getattr(base, "score_group", None)):
        raise ForageError(
            f"{base.__name__} has no score_group: it is not the Algorithm that this adapter is for. Versions "
            "of prime-rl with [orchestrator.advantage] take forage.adapters.prime_rl.advantage instead."
        )
    parts = _parts(methods)

    async def score_group(self: Any, group: Sequence[Any]) -> None:
        for rollout, credit in zip(group, group_credit(parts, group, mode=mode), strict=True):
            rollout.assign_advantages(credit)

    return type(f"Forage{base.__name__}", (base,), {"score_group": score_group})


def group_credit(parts: Parts, rollouts: Sequence[Any], *, mode: Mode | None = None) -> list[float]:
    """One credit for each rollout of a group: mappings with "reward" and "completion", or objects with such members."""
    rows = [_row(rollout, mode) for rollout in rollouts]
    return credit_by_group(parts, rows, [len(rows)], estimator=(MeanCentre(),)) if rows else []


def _parts(methods: Sequence[str]) -> Parts:
    parts = whole_only(named_parts(methods))
    if any(isinstance(reward, Overlong) for reward in parts.rewards):
        raise ForageError("The length of a response is not counted here: use prime-rl's own length_penalty.")
    return parts


def _row(rollout: Any, mode: Mode | None) -> ExternalRow:
    reward, completion = _member(rollout, "reward"), _member(rollout, "completion")
    value = float("nan") if reward is None else float(reward)
    right = value >= 0.5
    score = Score(value, {"correct": float(right)}, mode=mode(rollout) if mode and right else None)
    return ExternalRow(prompt=(), completion=NO_TOKENS, score=score, text=_text(completion))


def _member(rollout: Any, name: str) -> Any:
    return rollout.get(name) if isinstance(rollout, Mapping) else getattr(rollout, name, None)


def _text(completion: Any) -> str:
    """A completion is a text, or the messages of a conversation, of which the assistant's count."""
    if completion is None or isinstance(completion, str):
        return completion or ""
    return "\n".join(str(turn["content"]) for turn in completion if turn["role"] == "assistant")
