"""Branching at step boundaries: some siblings from the start, the others from promising prefixes of theirs."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from forage.core.errors import ForageError
from forage.core.protocols import Explore, Task, Tools
from forage.core.records import Rollout, SamplingParams, Start
from forage.core.seeds import derive_seed
from forage.parts.explore.forks import root_counts, sample_roots
from forage.parts.explore.rollouts import joined, to_request, to_rollout
from forage.parts.values.step_tree import Prefix, grow, promising


@dataclass(frozen=True, kw_only=True)
class StepTree(Explore):
    """A search tree over steps (after MCTS-DPO, arXiv 2405.00451), grown by whole responses.

    The share `roots` of the siblings is sampled from the start. Then, one at a time for every start, a node is chosen
    by PUCT (`values.step_tree.promising`, with `actions` and `exploration`), by what the verifier said of the responses
    through it, and a response is sampled from there. Every sibling is a whole response with the log-probability of
    all of its tokens, the shared ones too; siblings are no independent samples, so their mean reward is not the
    policy's. Raises ForageError for settings that leave nothing to sample.
    """

    roots: float = 0.5
    actions: int = 2
    exploration: float = 1.0

    def __post_init__(self) -> None:
        if not 0 < self.roots <= 1 or self.actions < 2 or self.exploration < 0:
            raise ForageError(
                "A step tree needs a share of roots in (0, 1], at least 2 actions and an exploration of 0 or more, not "
                f"{self.roots}, {self.actions} and {self.exploration}."
            )

    def __call__(
        self, starts: Sequence[Start], task: Task, tools: Tools, *, group_size: int, params: SamplingParams, seed: int
    ) -> Iterator[tuple[int, tuple[Rollout, ...]]]:
        version = tools.sampler.version
        sizes = [start.group_size or group_size for start in starts]
        roots = root_counts(starts, self.roots, group_size=group_size)
        grown = sample_roots(starts, roots, task, tools, params, seed=seed)
        values = [_worth(rollouts, tools) for rollouts in grown]
        for number in range(min(roots), max(sizes)):
            growing = [order for order, size in enumerate(sizes) if roots[order] <= number < size]
            sources = [
                self._source(grown[order], values[order], params.max_tokens - len(starts[order].prefix))
                for order in growing
            ]
            requests = [
                to_request(
                    starts[order],
                    tools,
                    params,
                    group_size=1,
                    seed=derive_seed(seed, *starts[order].seed_parts, number),
                    after=prefix,
                )
                for order, (prefix, _) in zip(growing, sources, strict=True)
            ]
            for place, (completion,) in tools.sampler.sample(requests, params):
                order, (prefix, donor) = growing[place], sources[place]
                whole = joined(donor, len(prefix), completion)
                rollout = to_rollout(starts[order], whole, task, tools.codec, version)
                grown[order].append(rollout)
                values[order] += _worth([rollout], tools)
        yield from ((order, tuple(rollouts)) for order, rollouts in enumerate(grown))

    def _source(self, rollouts: Sequence[Rollout], values: Sequence[float], room: int) -> tuple[Prefix, Rollout]:
        """The prefix to go on from, and a rollout that begins with it."""
        node = promising(grow(rollouts, values), actions=self.actions, exploration=self.exploration)
        prefix = node.prefix if len(node.prefix) < room else ()
        return prefix, rollouts[max(node.row, 0)]


def _worth(rollouts: Sequence[Rollout], tools: Tools) -> list[float]:
    problem = rollouts[0].start.problem
    return [score.value for score in tools.judge.submit(problem, [each.text for each in rollouts]).result()]
