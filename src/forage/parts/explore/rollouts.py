"""From a start to what a sampler is asked, and from its tokens to a rollout that the rest of the package can read."""

from forage.core.protocols import Codec, Task, Tools
from forage.core.records import Completion, Rollout, SampleRequest, SamplingParams, Start
from forage.core.spans import behind, cut, steps_around


def to_request(
    start: Start, tools: Tools, params: SamplingParams, *, group_size: int, seed: int, after: tuple[int, ...] = ()
) -> SampleRequest:
    """Asks for `group_size` responses that go on after the start and the tokens `after`, which count as response."""
    begun = start.prefix + after
    return SampleRequest(
        tokens=tools.codec.prompt(start.problem) + begun,
        group_size=group_size,
        seed=seed,
        limit=params.max_tokens - len(begun),  # a prefix is part of the response
        problem=start.problem,
        begun=len(begun),
    )


def to_rollout(start: Start, completion: Completion, task: Task, codec: Codec, version: int) -> Rollout:
    """Adds what a bare completion lacks: its start, its text (prefix included) and its step boundaries."""
    return Rollout(
        start=start,
        tokens=completion.tokens,
        logprobs=completion.logprobs,
        entropies=completion.entropies,
        text=codec.decode(start.prefix + completion.tokens),
        step_ends=steps_around(task.step_ends(codec.pieces(completion.tokens)), completion.given),
        stop=completion.stop,
        version=version,
        given=completion.given,
    )


def joined(donor: Rollout, kept: int, completion: Completion) -> Completion:
    """The first `kept` tokens of a rollout, as it drew them, and what was sampled behind them."""
    return Completion(
        donor.tokens[:kept] + completion.tokens,
        donor.logprobs[:kept] + completion.logprobs,
        donor.entropies[:kept] + completion.entropies,
        completion.stop,
        behind(cut(donor.given, kept), kept, completion.given),
    )
