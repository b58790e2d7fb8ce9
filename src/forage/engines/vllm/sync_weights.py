"""Weights as another engine can take them again and again: nothing tied, nothing beside them."""

import copy
from pathlib import Path
from typing import Any, cast

from transformers import PreTrainedModel

from forage.core.errors import ForageError
from forage.engines.local import adapters
from forage.engines.local.model import LocalModel, suppress_hf_logs


def sync_weights(model: LocalModel, directory: Path) -> None:
    """Writes a Hugging Face checkpoint that computes what `model` computes, and leaves `model` as it is.

    An adapter is merged into a copy. A vocabulary head that is tied to the embeddings is written as weights of its own,
    with a configuration that says so: vLLM (0.32) loads a tied head once and keeps it when weights are reloaded.
    """
    module = model.module
    if adapters.has_adapter(module):
        module = copy.deepcopy(module)
        adapters.merge_adapter(module)
    config = module.config.get_text_config(decoder=True)
    tied, tensors = bool(config.tie_word_embeddings), module.state_dict()
    if tied:
        head = _head_name(module)
        tensors = {**tensors, head: tensors[head].clone()}
    config.tie_word_embeddings = False
    try:
        with suppress_hf_logs():
            module.save_pretrained(directory, state_dict=tensors)
    finally:
        config.tie_word_embeddings = tied
    model.tokenizer.save_pretrained(directory)


def _head_name(module: PreTrainedModel) -> str:
    head = cast(Any, module.get_output_embeddings())
    for name, part in module.named_modules():
        if part is head:
            return f"{name}.weight"
    raise ForageError(f"{type(module).__name__} has no vocabulary head that could be handed over.")
