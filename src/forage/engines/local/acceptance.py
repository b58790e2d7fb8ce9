"""Which architectures the local engine runs: those whose own logits it computes, on sequences beyond every window.

A small input goes through the module's own eager path and through ours, in one pass and behind our caches. Where the
module has an attention window, it is made small for a second, longer input: many modules let only their mask know of
it, and a short input would not show that it was lost.

Axes: B sequences, T tokens.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor

from forage.core.errors import ForageError
from forage.engines.local import attention
from forage.engines.local.cache import RowCache, StartCache

if TYPE_CHECKING:
    from forage.engines.local.model import LocalModel

TOLERANCE = {torch.float32: 1e-4, torch.bfloat16: 5e-2, torch.float16: 1e-2}
"""How far our logits may lie from the module's own, relative to the largest: rounding, not another formula."""

NARROW = 4
"""What windows are made for the second input. It has `LONG` tokens, so every later query has lost most keys."""
SHORT, LONG = 6, 18

WINDOWS = ("sliding_window", "window_size", "sliding_window_size", "attention_chunk_size", "local_attention")
"""The names under which configurations and modules keep how far a query sees."""

SUPPORTED = (
    "Llama, Mistral, Mixtral, Qwen2, Qwen3 and their mixtures of experts, Gemma, Phi, Phi-3, GPT-2, GPT-NeoX, Granite, "
    "Cohere, OLMo, SmolLM3, StableLM, StarCoder2, GLM and what is built like one of them"
)


def unsupported(name: str, reason: str) -> ForageError:
    return ForageError(
        f"{name} is an unsupported architecture: {reason}. Supported are {SUPPORTED}; "
        "docs/your-own-model.md lists them."
    )


def probe(model: "LocalModel", width: int = SHORT) -> Tensor:
    """A small input, tokens (2, width), spread over the vocabulary."""
    vocabulary = cast(Any, model.module.get_input_embeddings()).weight.shape[0]
    return (torch.arange(2 * width, device=model.device) * 7919 + 1).remainder(vocabulary).view(2, width)


@torch.no_grad()
def accept(model: "LocalModel") -> None:
    """Gives the module our attention. Raises ForageError where the two then compute different logits."""
    expected = _compare(model, probe(model))
    windows = _windows(model.module)
    if windows and expected:
        with _narrowed(windows):
            _compare(model, probe(model, LONG))


def _compare(model: "LocalModel", tokens: Tensor) -> bool:
    """Our logits against the module's own eager ones; whether those are finite, so that there was something to compare.

    Damaged weights are no matter of the architecture: sampling says so when it meets them.
    """
    name, module = type(model.module).__name__, model.module
    try:
        module.set_attn_implementation("eager")
        expected = module(input_ids=tokens, use_cache=False).logits.float()
        module.set_attn_implementation(attention.register())
        logits = model.head.logits(model.hidden(tokens))
        decoded = model.head.logits(_decoded(model, tokens))
    except ForageError as error:
        raise unsupported(name, str(error).rstrip(".")) from error
    except (AttributeError, TypeError, ValueError, KeyError, IndexError, RuntimeError) as error:
        # What torch says is about the shapes inside of this probe, which tell a user nothing.
        raise unsupported(
            name, "it does not compute its layers as decoders with a cache of keys and values do"
        ) from error
    if model.config._attn_implementation != attention.NAME:
        raise unsupported(name, "it does not let its attention be replaced")
    if not bool(torch.isfinite(expected).all()):
        return False
    error = max(float((logits - expected).abs().max()), float((decoded - expected[:, -1]).abs().max()))
    error /= float(expected.abs().max().clamp_min(1e-3))
    if error > TOLERANCE.get(module.dtype, 5e-2):
        beyond = " beyond its attention window" if tokens.shape[1] == LONG else ""
        raise unsupported(
            name,
            f"the local engine computes other logits than the model itself{beyond} (relative difference {error:.1e}), "
            "so it would train on wrong numbers: there is a head or an attention that it does not know",
        )
    return True


def _decoded(model: "LocalModel", tokens: Tensor) -> Tensor:
    """tokens (B, T) -> (B, d): the last hidden state, of one token decoded behind T - 1 cached ones."""
    rows, width = tokens.shape
    layers = model.config.num_hidden_layers
    starts, cache = StartCache(layers), RowCache(layers, rows, width)
    model.decoder(tokens[:, :-1], past_key_values=starts, use_cache=True)
    cache.enter(starts, torch.arange(rows, device=tokens.device), 0, width - 1)
    cache.place(rows, width - 1, width)
    position = torch.full((rows, 1), width - 1, device=tokens.device)
    return model.decoder(tokens[:, -1:], position_ids=position, past_key_values=cache, use_cache=True)[:, 0]


def _windows(module: Any) -> list[tuple[dict[str, Any], str]]:
    """Where the module keeps a window: (attributes of a configuration or a submodule, name)."""
    owners = {id(owner): owner for part in module.modules() for owner in (part, *_configs(part))}
    return [
        (vars(owner), name)
        for owner in owners.values()
        for name in WINDOWS
        if isinstance(size := vars(owner).get(name), int) and not isinstance(size, bool) and size > NARROW
    ]


def _configs(part: Any) -> Iterator[Any]:
    config = vars(part).get("config")
    if config is not None:
        yield config
        yield config.get_text_config(decoder=True)


@contextmanager
def _narrowed(windows: list[tuple[dict[str, Any], str]]) -> Iterator[None]:
    """The module with small windows, which it reads anew in every pass; afterwards they are as they were."""
    kept = [(owner, name, owner[name]) for owner, name in windows]
    for owner, name in windows:
        owner[name] = NARROW
    try:
        yield
    finally:
        for owner, name, size in kept:
            owner[name] = size
