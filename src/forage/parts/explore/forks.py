"""Siblings that go on from the middle of others: whole responses that share their beginnings."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple, Protocol

from forage.core.answered import answered
from forage.core.protocols import Task, Tools
from forage.core.records import Rollout, SamplingParams, Start
from forage.core.seeds import derive_seed
from forage.parts.explore.rollouts import joined, to_request, to_rollout


class Fork(NamedTuple):
    """A new sibling keeps the first `kept` tokens of the sibling in row `donor`."""

    donor: int
    kept: int


Chain = tuple[int, int]
"""The row of a sibling that nobody has looked at yet, and the number of tokens that it shares with its donor."""


class ChooseForks(Protocol):
    """Chooses forks, at least one for each start (by its place) in `rooms` and no more than that start has room for."""

    def __call__(
        self, grown: Sequence[Sequence[Rollout]], chains: Mapping[int, Sequence[Chain]], rooms: Mapping[int, int], /
    ) -> Mapping[int, Sequence[Fork]]: ...


def root_counts(starts: Sequence[Start], share: float, *, group_size: int) -> list[int]:
    """How many siblings of each start are sampled from itself: a share of its group, and at least one."""
    return [max(1, round(share * (start.group_size or group_size))) for start in starts]


def grow_forks(
    starts: Sequence[Start],
    roots: Sequence[int],
    choose: ChooseForks,
    task: Task,
    tools: Tools,
    params: SamplingParams,
    *,
    group_size: int,
    seed: int,
) -> Iterator[tuple[int, tuple[Rollout, ...]]]:
    """`roots` siblings of each start, then round by round the forks that are chosen, until all groups are full.

    Each round looks at the siblings that the one before has added, of all starts together. Yields what an `Explore`
    does.
    """
    sizes = [start.group_size or group_size for start in starts]
    grown = sample_roots(starts, roots, task, tools, params, seed=seed)
    chains: list[list[Chain]] = [[(row, 0) for row in range(count)] for count in roots]
    while rooms := {order: room for order, size in enumerate(sizes) if (room := size - len(grown[order]))}:
        forks = choose(grown, {order: chains[order] for order in rooms}, rooms)
        for order, start_forks in forks.items():
            chains[order] = [(len(grown[order]) + place, fork.kept) for place, fork in enumerate(start_forks)]
        sample_forks(starts, grown, forks, task, tools, params, seed=seed)
    yield from ((order, tuple(rollouts)) for order, rollouts in enumerate(grown))


def sample_roots(
    starts: Sequence[Start],
    counts: Sequence[int],
    task: Task,
    tools: Tools,
    params: SamplingParams,
    *,
    seed: int,
) -> list[list[Rollout]]:
    """`counts` siblings from each start, as plain sampling draws them."""
    requests = [
        to_request(start, tools, params, group_size=count, seed=derive_seed(seed, *start.seed_parts))
        for start, count in zip(starts, counts, strict=True)
    ]
    version, grown = tools.sampler.version, [[] for _ in starts]
    for order, completions in tools.sampler.sample(requests, params):
        grown[order] = [to_rollout(starts[order], each, task, tools.codec, version) for each in completions]
    return grown


def sample_forks(
    starts: Sequence[Start],
    grown: Sequence[list[Rollout]],
    forks: Mapping[int, Sequence[Fork]],
    task: Task,
    tools: Tools,
    params: SamplingParams,
    *,
    seed: int,
) -> None:
    """Adds the siblings that `forks` ask for, by the place of a start, to those in `grown`.

    Every one is a whole response with the log-probabilities of all its tokens, the shared ones as they were drawn.
    """
    asked = [(order, fork) for order, start_forks in sorted(forks.items()) for fork in start_forks]
    numbers = [
        len(grown[order]) + place for order, start_forks in sorted(forks.items()) for place in range(len(start_forks))
    ]
    requests = [
        to_request(
            starts[order],
            tools,
            params,
            group_size=1,
            seed=derive_seed(seed, *starts[order].seed_parts, "fork", number),
            after=grown[order][fork.donor].tokens[: fork.kept],
        )
        for (order, fork), number in zip(asked, numbers, strict=True)
    ]
    version = tools.sampler.version
    for place, (completion,) in sorted(tools.sampler.sample(requests, params), key=lambda numbered: numbered[0]):
        order, fork = asked[place]
        whole = joined(grown[order][fork.donor], fork.kept, completion)
        grown[order].append(to_rollout(starts[order], whole, task, tools.codec, version))


def before_answer(rollout: Rollout, place: int, task: Task, tools: Tools) -> bool:
    """Whether the response has not given its final answer before this token."""
    text = tools.codec.decode(rollout.start.prefix + rollout.tokens[:place])
    return not answered(task, rollout.start.problem, text)
