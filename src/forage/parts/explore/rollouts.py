"""From a sampler's tokens to a rollout that the rest of the house can read."""

from forage.core.protocols import Codec, Task
from forage.core.records import Completion, Rollout, Start


def to_rollout(start: Start, completion: Completion, task: Task, codec: Codec, version: int) -> Rollout:
    """Adds what a bare completion lacks: its start, its text (prefix included) and its step boundaries."""
    return Rollout(
        start=start,
        tokens=completion.tokens,
        logprobs=completion.logprobs,
        entropies=completion.entropies,
        text=codec.decode(start.prefix + completion.tokens),
        step_ends=task.step_ends(codec.pieces(completion.tokens)),
        stop=completion.stop,
        version=version,
    )
