"""Plain sampling: independent siblings from every start."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from forage.core.protocols import Explore, Task, Tools
from forage.core.records import Rollout, SampleRequest, SamplingParams, Start
from forage.core.seeds import derive_seed
from forage.parts.explore.rollouts import to_rollout


@dataclass(frozen=True, kw_only=True)
class PlainSampling(Explore):
    """Every sibling is an independent draw from the policy: the usual choice."""

    def __call__(
        self, starts: Sequence[Start], task: Task, tools: Tools, *, group_size: int, params: SamplingParams, seed: int
    ) -> Iterator[tuple[int, tuple[Rollout, ...]]]:
        requests = [
            SampleRequest(
                tokens=tools.codec.prompt(start.problem) + start.prefix,
                group_size=group_size,
                seed=derive_seed(seed, *start.seed_parts),
                limit=params.max_tokens - len(start.prefix),  # a prefix is part of the response
            )
            for start in starts
        ]
        version = tools.sampler.version
        for order, completions in tools.sampler.sample(requests, params):
            start = starts[order]
            yield order, tuple(to_rollout(start, c, task, tools.codec, version) for c in completions)
