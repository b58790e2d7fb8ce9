"""What is divided over the processes of a run while all of them hold the whole step.

Two ways. `share` gives every process some of the starts to explore and to judge on its own, so that verification
overlaps sampling, and then all of them get all groups. Elsewhere (values of states, memories) parts use the tools as if
there were one process: the sampler and the judge here split each call and give every process the same results, in the
same order.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import replace
from itertools import zip_longest
from typing import Any

from forage.core.protocols import Judge, Sampler, Tools
from forage.core.records import Completion, Group, Problem, SampleRequest, SamplingParams, Score, Start
from forage.engines.distributed.process_group import ProcessGroup
from forage.engines.distributed.wire import (
    completions_from_bytes,
    completions_to_bytes,
    groups_from_bytes,
    groups_to_bytes,
    scores_from_bytes,
    scores_to_bytes,
)


def divided(tools: Tools, ranks: ProcessGroup) -> Tools:
    """The tools of one process as tools that are used by all of them together."""
    if ranks.world == 1:
        return tools
    return replace(
        tools,
        sampler=DividedSampler(tools.sampler, ranks),
        judge=DividedJudge(tools.judge, ranks),
        share=GroupsOfAll(ranks),
    )


class GroupsOfAll:
    """`Tools.share`: each process makes the groups of its starts; all get all of them, in the order of the starts."""

    def __init__(self, ranks: ProcessGroup) -> None:
        self._ranks = ranks

    def __call__(self, work: Callable[..., Sequence[Group]], starts: Sequence[Start], *rest: Any) -> Sequence[Group]:
        own = self._ranks.share(starts)
        contents = self._ranks.together(lambda: groups_to_bytes(work(own, *rest) if own else ()))
        # The n-th groups of all processes, then the next ones: the starts were dealt in turn.
        rounds = zip_longest(*map(groups_from_bytes, contents))
        return [group for groups in rounds for group in groups if group is not None]


class DividedSampler:
    """A `Sampler`: every process samples its share of the requests. Random numbers do not depend on the division."""

    def __init__(self, sampler: Sampler, ranks: ProcessGroup) -> None:
        self._sampler = sampler
        self._ranks = ranks

    @property
    def version(self) -> int:
        return self._sampler.version

    def sample(
        self, requests: Sequence[SampleRequest], params: SamplingParams
    ) -> Iterator[tuple[int, tuple[Completion, ...]]]:
        if self._ranks.alone:
            return self._sampler.sample(requests, params)
        return self._together(requests, params)

    def _together(
        self, requests: Sequence[SampleRequest], params: SamplingParams
    ) -> Iterator[tuple[int, tuple[Completion, ...]]]:
        # Long starts cost more than short ones, and neighbors are often alike: deal them in turn.
        order = sorted(range(len(requests)), key=lambda number: len(requests[number].tokens), reverse=True)
        own = self._ranks.share(order)

        def work() -> bytes:
            sampled = self._sampler.sample([requests[number] for number in own], params)
            return completions_to_bytes([(own[place], completions) for place, completions in sampled])

        contents = self._ranks.together(work)
        gathered = [numbered for content in contents for numbered in completions_from_bytes(content)]
        yield from sorted(gathered, key=lambda numbered: numbered[0])


class DividedJudge:
    """A `Judge`: what was submitted is judged when the first verdict is read, a share of it by every process.

    A verdict that depends on a clock (a deadline) is so the same for all.
    """

    def __init__(self, judge: Judge, ranks: ProcessGroup) -> None:
        self._judge = judge
        self._ranks = ranks
        self._waiting: list[_Verdict] = []

    def submit(self, problem: Problem, texts: Sequence[str]) -> Future[tuple[Score, ...]]:
        if self._ranks.alone:
            return self._judge.submit(problem, texts)
        verdict = _Verdict(self, problem, tuple(texts))
        self._waiting.append(verdict)
        return verdict

    def settle(self) -> None:
        """Judges all that waits."""
        waiting, self._waiting = self._waiting, []
        own = self._ranks.share(waiting)

        def work() -> bytes:
            verdicts = [self._judge.submit(pending.problem, pending.texts) for pending in own]
            return scores_to_bytes([verdict.result() for verdict in verdicts])

        contents = self._ranks.together(work)
        rounds = zip_longest(*map(scores_from_bytes, contents))
        results = [scores for turn in rounds for scores in turn if scores is not None]
        for pending, scores in zip(waiting, results, strict=True):
            pending.set_result(scores)


class _Verdict(Future[tuple[Score, ...]]):
    """Scores that are asked for when somebody wants them."""

    def __init__(self, judge: DividedJudge, problem: Problem, texts: tuple[str, ...]) -> None:
        super().__init__()
        self._judge = judge
        self.problem = problem
        self.texts = texts
        self.set_running_or_notify_cancel()

    def result(self, timeout: float | None = None) -> tuple[Score, ...]:
        if not self.done():
            self._judge.settle()
        return super().result(timeout)
