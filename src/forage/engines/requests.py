"""What every sampler checks before it begins, so that a bad request is a sentence whoever draws."""

from collections.abc import Sequence
from typing import Any

from forage.core.errors import ForageError
from forage.core.records import SampleRequest, SamplingParams
from forage.engines.local.positions import positions_of


def limit_of(request: SampleRequest, params: SamplingParams) -> int:
    """How many new tokens a completion of `request` may have."""
    return params.max_tokens if request.limit is None else min(request.limit, params.max_tokens)


def check_requests(requests: Sequence[SampleRequest], params: SamplingParams, config: Any) -> None:
    """Raises ForageError for the first request that a model with this configuration cannot serve."""
    limit, vocabulary = positions_of(config), config.vocab_size
    for number, request in enumerate(requests):
        if not request.tokens or request.group_size < 1:
            raise ForageError(
                f"Request {number} asks for {request.group_size} samples after {len(request.tokens)} tokens."
            )
        if not 0 <= min(request.tokens) <= max(request.tokens) < vocabulary:
            raise ForageError(f"Request {number} holds token ids outside the model's vocabulary of {vocabulary}.")
        new = limit_of(request, params)
        if new < 1:
            raise ForageError(f"Request {number} asks for {new} new tokens; it needs at least 1.")
        if limit is not None and len(request.tokens) + new > limit:
            raise ForageError(
                f"A prompt of {len(request.tokens)} tokens and {new} new ones do not fit into the "
                f"model's {limit} positions. Lower max_tokens or leave long prompts out."
            )
