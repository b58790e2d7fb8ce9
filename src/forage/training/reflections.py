"""Responses that go wrong, reflect and go right: what format tuning imitates (Satori, arXiv 2502.02508, section 4.1).

The paper has three models write and choose such trajectories. Here they are made of a run's own responses, which its
verifier has judged: a wrong one, cut back; a text that asks for another look; and a right sibling.
"""

import random
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from forage.core.errors import ForageError
from forage.core.protocols import Task
from forage.core.seeds import derive_seed
from forage.store.dataset_folder import refuse_given


def reflections(
    rollouts: Iterable[Mapping[str, Any]],
    task: Task,
    *,
    reflect: str,
    drop: int = 3,
    alone: float = 0.5,
    seed: int = 0,
) -> list[tuple[Mapping[str, Any], str]]:
    """(row of the right response, text) for every pair of siblings of which one is right and one is wrong.

    The wrong response loses its last 0 to `drop` steps, but never its first. Siblings are paired in their order, each
    used once; responses that were replayed or not judged are left out. The share `alone` of the texts is the right
    response without what went wrong before: who imitates trajectories only forgets how to begin.

    Raises ForageError for a `reflect` without a text, a `drop` below 0, an `alone` outside [0, 1], and for responses
    that an environment answered.
    """
    if not reflect.strip() or drop < 0:
        raise ForageError(f"A reflection has a text, and drops 0 steps or more, not {reflect!r} and {drop}.")
    if not 0 <= alone <= 1:
        raise ForageError(f"The share of right responses without a reflection lies in [0, 1], not at {alone}.")
    groups: dict[tuple[int, int], list[Mapping[str, Any]]] = {}
    for row in rollouts:
        refuse_given(row)
        if not row["prefix"]:
            groups.setdefault((row["step"], row["group"]), []).append(row)
    pairs: dict[tuple[str, str], tuple[Mapping[str, Any], str]] = {}
    for place, members in groups.items():
        right = [row for row in members if row["correct"] >= 0.5]
        wrong = [row for row in members if row["correct"] < 0.5]
        rng = random.Random(derive_seed(seed, "reflections", *place))
        for good, bad in zip(right, wrong, strict=False):
            text = _cut(bad["pieces"], task.step_ends(bad["pieces"]), rng.randint(0, drop)) + reflect + good["text"]
            pairs.setdefault((good["problem"], text), (good, text))
    return [
        (row, row["text"] if int((number + 1) * alone) > int(number * alone) else text)
        for number, (row, text) in enumerate(pairs.values())
    ]


def _cut(pieces: Sequence[str], ends: Sequence[int], drop: int) -> str:
    """The text without its last `drop` steps; the first step stays."""
    kept = max(1, len(ends) - drop)
    return "".join(pieces[: ends[kept - 1]] if ends else pieces)
