"""Texts that become tokens of their own, with embeddings that begin as the mean of the others."""

from collections.abc import Sequence
from typing import Any, cast

import torch
from tokenizers import AddedToken

from forage.core.errors import ForageError
from forage.engines.local.adapters import has_adapter
from forage.engines.local.model import LocalModel, suppress_hf_logs


def add_tokens(model: LocalModel, texts: Sequence[str]) -> int:
    """Lets each text be one token, which is written like any other and not skipped as special ones are.

    The rows of new tokens in the embeddings, and in a head of its own, are the mean of the rows before. A text that is
    one token already stays as it is. Changes `model` in place; returns how many tokens are new.

    Raises ForageError for an empty text, and for a model with an adapter, which would be saved without them.
    """
    if any(not text.strip() for text in texts):
        raise ForageError("A new token is a text that is not empty.")
    tokenizer = cast(Any, model.tokenizer)
    known = set(tokenizer.get_vocab())
    fresh = [text for text in dict.fromkeys(texts) if text not in known]
    if not fresh:
        return 0
    if has_adapter(model.module):
        raise ForageError(
            "Tokens cannot be added to a model with an adapter: merge it first (`forage export --merge`)."
        )
    before = len(tokenizer)
    tokenizer.add_tokens([AddedToken(text, normalized=False, special=False) for text in fresh])
    embedded = cast(Any, model.module.get_input_embeddings()).weight.shape[0]
    if len(tokenizer) > embedded:
        with suppress_hf_logs():
            model.module.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    module = cast(Any, model.module)
    ends = (module.get_input_embeddings(), module.get_output_embeddings())
    with torch.no_grad():
        for layer in {id(end.weight): end for end in ends}.values():
            layer.weight[before : len(tokenizer)] = layer.weight[:before].mean(dim=0)
            if getattr(layer, "bias", None) is not None:
                layer.bias[before : len(tokenizer)] = layer.bias[:before].mean()
    return len(fresh)
