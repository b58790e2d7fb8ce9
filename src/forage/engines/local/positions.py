"""How many positions a model has for prompt and response together.

Two rotary embeddings choose their frequencies by the longest row of a pass: dynamic NTK scaling, and LongRoPE (arXiv
2402.13753), whose factors switch beyond the original length. There a short row is computed differently beside a long
one, and a row that grows beyond the length keeps a cache of other frequencies: log-probabilities would depend on the
batch. Up to that length neither happens, so it is where such a model ends here.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from forage.core.errors import ForageError


def positions_of(config: Any) -> int | None:
    """The positions of a model with this (text) configuration, or None where it has no limit."""
    limits = [getattr(config, "max_position_embeddings", None), _fixed_frequencies(config)]
    return min((limit for limit in limits if limit is not None), default=None)


def within_positions(config: Any, width: int) -> None:
    """Raises ForageError for rows of `width` tokens where they would change the frequencies of other rows."""
    limit = _fixed_frequencies(config)
    if limit is not None and width > limit:
        raise ForageError(
            f"The model's rotary embedding has other frequencies for rows of more than {limit} tokens, and one here "
            f"has {width}: all rows beside it would be computed differently. "
            f"Keep prompt and response within {limit} tokens."
        )


def _fixed_frequencies(config: Any) -> int | None:
    """Up to how many positions the frequencies are always the same; None where they never change."""
    lengths = [
        kind.get("original_max_position_embeddings")
        or getattr(config, "original_max_position_embeddings", None)
        or config.max_position_embeddings
        for kind in _rotary(config)
        if kind.get("rope_type", kind.get("type")) in ("dynamic", "longrope")
    ]
    return min(lengths, default=None)


def _rotary(config: Any) -> Iterator[Mapping[str, Any]]:
    """The settings of the rotary embeddings: one for all layers, or one for each type of layer."""
    settings = getattr(config, "rope_parameters", None) or getattr(config, "rope_scaling", None)
    if isinstance(settings, Mapping):
        yield settings
        yield from (kind for kind in settings.values() if isinstance(kind, Mapping))
