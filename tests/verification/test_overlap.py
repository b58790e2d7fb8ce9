"""Judging goes on in worker processes while the next responses are sampled."""

import time
from collections.abc import Iterator, Sequence
from types import SimpleNamespace
from typing import Any, cast

from forage.core.records import Problem, Rollout, Start
from forage.training.step import explore_and_score
from forage.verification.judge import WorkerJudge
from support.hostile_tasks import Hostile

GROUPS, SECONDS = 6, 0.4


def test_verification_overlaps_sampling() -> None:
    """Six groups that each take 0.4 s to sample and 0.4 s to judge: one after the other, that would be 4.8 s.

    Both are sleeps, so a busy machine changes nothing; with overlap it is 6 samplings and the last verdict, 2.8 s.
    """
    starts = [Start(Problem(id=str(k), prompt="q", answer="a", task="hostile")) for k in range(GROUPS)]

    def explore(given: Sequence[Start], *_: Any, **__: Any) -> Iterator[tuple[int, tuple[Rollout, ...]]]:
        for order, start in enumerate(given):
            time.sleep(SECONDS)
            yield order, (Rollout(start, (1,), (0.0,), (0.0,), f"sleep {SECONDS}", (1,), "eos", 0),)

    with WorkerJudge(Hostile(), workers=1, deadline=30.0) as judge:
        recipe = SimpleNamespace(
            grouping=SimpleNamespace(group_size=1), explore=explore, task=Hostile(), sampling=None, rewards=()
        )
        run = cast(Any, SimpleNamespace(recipe=recipe, tools=SimpleNamespace(judge=judge)))
        began = time.monotonic()
        groups = explore_and_score(starts, run, seed=0)
        seconds = time.monotonic() - began
    assert len(groups) == GROUPS
    assert all(group.scores[0].value == 1 for group in groups)
    assert seconds < 2 * GROUPS * SECONDS - SECONDS
