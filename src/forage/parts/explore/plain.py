"""Plain sampling: independent siblings from every start."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from forage.core.protocols import Explore, Task, Tools
from forage.core.records import Rollout, SamplingParams, Start
from forage.core.seeds import derive_seed
from forage.parts.explore.rollouts import to_request, to_rollout


@dataclass(frozen=True, kw_only=True)
class PlainSampling(Explore):
    """Every sibling is an independent draw from the policy: the usual choice.

    A start gets as many as it asks for (`Start.group_size`), else `group_size`.
    """

    def __call__(
        self, starts: Sequence[Start], task: Task, tools: Tools, *, group_size: int, params: SamplingParams, seed: int
    ) -> Iterator[tuple[int, tuple[Rollout, ...]]]:
        requests = [
            to_request(
                start,
                tools,
                params,
                group_size=start.group_size or group_size,
                seed=derive_seed(seed, *start.seed_parts),
            )
            for start in starts
        ]
        version = tools.sampler.version
        for order, completions in tools.sampler.sample(requests, params):
            start = starts[order]
            yield order, tuple(to_rollout(start, c, task, tools.codec, version) for c in completions)
