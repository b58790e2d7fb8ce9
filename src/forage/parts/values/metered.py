"""A sampler that counts the tokens it hands out, so that what values cost is counted with everything else."""

from collections.abc import Callable, Iterator, Sequence

from forage.core.protocols import Sampler
from forage.core.records import Completion, SampleRequest, SamplingParams


class Metered:
    """A `Sampler` around another one. `take()` gives the tokens sampled since the last `take()`.

    `total` adds up what the processes of a run have counted, where there are several.
    """

    def __init__(self, sampler: Sampler, total: Callable[[int], float] = int) -> None:
        self._sampler = sampler
        self._total = total
        self._tokens = 0

    @property
    def version(self) -> int:
        return self._sampler.version

    def sample(
        self, requests: Sequence[SampleRequest], params: SamplingParams
    ) -> Iterator[tuple[int, tuple[Completion, ...]]]:
        for number, completions in self._sampler.sample(requests, params):
            self._tokens += sum(completion.written for completion in completions)
            yield number, completions

    def take(self) -> int:
        taken, self._tokens = self._tokens, 0
        return int(self._total(taken))
