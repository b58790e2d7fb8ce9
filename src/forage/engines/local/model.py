"""A Hugging Face causal language model as this project uses it: hidden states, a vocabulary head, a tokenizer.

Axes: B sequences, T tokens, V vocabulary, d width.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, cast

import torch
from safetensors import SafetensorError
from torch import Tensor
from torch.nn import functional
from torch.utils.checkpoint import checkpoint
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase
from transformers.modeling_layers import GradientCheckpointingLayer
from transformers.utils import logging

from forage.core.errors import ForageError
from forage.engines.local import acceptance, adapters, sentence_piece
from forage.engines.local.packing import Packing
from forage.engines.local.positions import within_positions

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


@dataclass(frozen=True, slots=True)
class Head:
    """From hidden states to logits: c·tanh(y / c) with y = scale·(h Wᵀ + b) and c = softcap, or y without a softcap.

    weight (V, d), bias (V,) or None: the module's own parameters, not copies.
    """

    weight: Tensor
    bias: Tensor | None
    softcap: float | None
    scale: float

    def float32(self) -> "Head":
        """The same head in float32: the parameters themselves when they already are, else copies."""
        return replace(self, weight=self.weight.float(), bias=None if self.bias is None else self.bias.float())

    def logits(self, hidden: Tensor) -> Tensor:
        """hidden (..., d) -> (..., V) float32, computed in float32 for a `float32` head."""
        logits = functional.linear(hidden.to(self.weight.dtype), self.weight, self.bias).float()
        if self.scale != 1:
            logits = logits * self.scale
        if self.softcap is not None:
            logits = torch.tanh(logits / self.softcap) * self.softcap
        return logits


class LocalModel:
    """A decoder in this process, in evaluation mode (no dropout), with our attention.

    Construction runs small inputs through the module's own eager path and through ours, and refuses an architecture
    where they differ.
    """

    def __init__(self, module: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
        self.module = module
        self.tokenizer = tokenizer
        self._recomputed: tuple[GradientCheckpointingLayer, ...] = ()
        module.eval()
        # Right padding needs no mask under causal attention; transformers would warn of it.
        cast(Any, module.base_model).warn_if_padding_and_no_attention_mask = _nothing
        self._check_vocabulary()
        acceptance.accept(self)

    @classmethod
    def load(
        cls, path: str | Path, *, dtype: str = "float32", device: str = "cpu", trust_remote_code: bool = False
    ) -> "LocalModel":
        """Loads a checkpoint directory (or, where there is a network, a name on the Hugging Face hub).

        dtype: "float32", "bfloat16" or "float16". Raises ForageError when something is missing.
        """
        if dtype not in DTYPES:
            raise ForageError(f"The number format {dtype!r} is not one of {', '.join(DTYPES)}.")
        if adapters.is_adapter(path):
            base = adapters.base_of(Path(path))
            model = cls.load(base, dtype=dtype, device=device, trust_remote_code=trust_remote_code)
            adapters.load_adapter(model.module, Path(path))
            return model
        source = source_of(path)
        tokenizer = load_tokenizer(source, trust_remote_code)
        try:
            with suppress_hf_logs():
                module, report = cast(Any, AutoModelForCausalLM).from_pretrained(
                    source, dtype=DTYPES[dtype], trust_remote_code=trust_remote_code, output_loading_info=True
                )
        except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
            raise ForageError(
                f"The model at {path} could not be loaded: {first_line(error)}{_advice(error)}"
            ) from error
        if report["missing_keys"]:
            names = sorted(report["missing_keys"])
            raise ForageError(f"The checkpoint {path} is incomplete: {len(names)} tensors are missing, as {names[0]}.")
        return cls(put_on(module, device), tokenizer)

    @property
    def device(self) -> torch.device:
        return self.module.device

    @property
    def config(self) -> Any:
        """The configuration of the text decoder."""
        return self.module.config.get_text_config(decoder=True)

    @property
    def head(self) -> Head:
        output = cast(Any, self.module.get_output_embeddings())
        config = self.config
        if output is None or not hasattr(output, "weight"):
            raise ForageError(f"{type(self.module).__name__} has no linear vocabulary head.")
        scale = getattr(config, "logit_scale", None) or 1.0 / (getattr(config, "logits_scaling", None) or 1.0)
        return Head(
            output.weight, getattr(output, "bias", None), getattr(config, "final_logit_softcapping", None), scale
        )

    @property
    def stop_ids(self) -> tuple[int, ...]:
        """The token ids that end a completion: of the generation config, else of the model's, else the tokenizer's."""
        generation = getattr(self.module, "generation_config", None)
        for owner in (generation, self.config, self.tokenizer):
            ids = getattr(owner, "eos_token_id", None)
            if ids is not None:
                return tuple(ids) if isinstance(ids, list | tuple) else (int(ids),)
        return ()

    def decoder(self, tokens: Tensor, *, embeds: Tensor | None = None, **arguments: Any) -> Tensor:
        """The module below the head: tokens (B, T) int64 -> last hidden states (B, T, d).

        It reads `embeds` (B, T, d) in the place of the tokens' embeddings, where they are given. Raises ForageError for
        rows so long that the module would compute other rows differently too.
        """
        within_positions(self.config, tokens.shape[1])
        read = {"input_ids": tokens} if embeds is None else {"inputs_embeds": embeds}
        return cast(Any, self.module.base_model)(**read, **arguments).last_hidden_state

    def hidden(self, tokens: Tensor, packing: Packing | None = None, *, embeds: Tensor | None = None) -> Tensor:
        """tokens (B, T) int64 -> (B, T, d), differentiable. Causal: right padding needs no mask.

        With `packing`, `tokens` are its own. `embeds`: see `decoder`.
        """
        arguments = {} if packing is None else {"position_ids": packing.positions, "packing": packing}
        for layer in self._recomputed:
            layer.training = True  # of the layer alone: what lies in it stays in evaluation mode, without dropout
        try:
            return self.decoder(tokens, embeds=embeds, use_cache=False, **arguments)
        finally:
            for layer in self._recomputed:
                layer.training = False

    @property
    def recomputes(self) -> bool:
        """Whether its layers are computed again in the backward pass."""
        return bool(self._recomputed)

    def recompute(self) -> None:
        """From now on `hidden` keeps the input of each layer alone, and its backward pass computes the layer again.

        Gradient checkpointing: less memory for about a third more time. Raises ForageError where the module's layers
        cannot, or compute something else when they are asked to learn (a dropout of their own).
        """
        layers = tuple(layer for layer in self.module.modules() if isinstance(layer, GradientCheckpointingLayer))
        tokens = acceptance.probe(self)
        expected = self.hidden(tokens) if layers else None
        again = partial(checkpoint, use_reentrant=False, preserve_rng_state=False)
        for layer in layers:
            cast(Any, layer).gradient_checkpointing = True
            cast(Any, layer)._gradient_checkpointing_func = again
        self._recomputed = layers
        if expected is None or not torch.equal(self.hidden(tokens), expected):
            raise ForageError(f"{type(self.module).__name__} cannot be trained with gradient checkpointing.")

    def save(self, directory: str | Path) -> None:
        """Writes an ordinary Hugging Face checkpoint: configuration, safetensors weights, tokenizer.

        A model with an adapter writes the adapter alone, in peft's format, and the tokenizer.
        """
        if adapters.has_adapter(self.module):
            adapters.save_adapter(self.module, directory)
        else:
            with suppress_hf_logs():
                self.module.save_pretrained(directory)
        self.tokenizer.save_pretrained(directory)

    def _check_vocabulary(self) -> None:
        known, embedded = len(self.tokenizer), cast(Any, self.module.get_input_embeddings()).weight.shape[0]
        if known > embedded:
            raise ForageError(
                f"The tokenizer knows {known} tokens and the model has embeddings for {embedded}: they do not belong "
                "together. Put the model's own tokenizer beside it."
            )


def _nothing(*_: object) -> None: ...


@contextmanager
def suppress_hf_logs() -> Iterator[None]:
    """Without transformers' progress bars and loading tables: what is wrong is said in a ForageError."""
    bars, verbosity = logging.is_progress_bar_enabled(), logging.get_verbosity()
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()


def source_of(path: str | Path) -> str:
    """Refuses what cannot be a checkpoint before transformers goes looking for it on the network."""
    folder = Path(path)
    if (folder / "recipe.json").is_file():
        raise ForageError(f"{path} is a run, not a model: name one of its checkpoints, as {path}/checkpoints/step-...")
    if folder.is_dir():
        if not (folder / "config.json").is_file():
            raise ForageError(f"The directory {path} holds no model: there is no config.json in it.")
        if not any(folder.glob("*.safetensors")) and any(folder.glob("pytorch_model*.bin")):
            raise ForageError(
                f"The weights in {path} lie in a format that may run code when it is read (pytorch_model.bin), so they "
                "are not. Where you trust them, load them with transformers and save_pretrained() them as safetensors."
            )
        if not any(folder.glob("*.safetensors")):
            raise ForageError(f"The directory {path} holds no weights: there is no .safetensors file in it.")
        return str(folder)
    text = str(path)
    looks_local = isinstance(path, Path) or text.startswith((".", "/", "~")) or text.count("/") > 1
    if folder.exists() or looks_local:
        raise ForageError(f"There is no model directory at {path}.")
    return text


def put_on(module: Any, device: str) -> Any:
    """The module, moved to `device`. Raises ForageError where there is no such device, or no room on it."""
    try:
        return module.to(device)
    except (RuntimeError, AssertionError) as error:
        raise ForageError(f"The model cannot be put on the device {device!r}: {first_line(error)}") from error


def load_tokenizer(source: str, trust_remote_code: bool) -> PreTrainedTokenizerBase:
    if Path(source).is_dir() and not any(Path(source).glob("*token*")) and not any(Path(source).glob("vocab*")):
        raise ForageError(f"The directory {source} holds no tokenizer: save it beside the model.")
    try:
        with suppress_hf_logs():
            if sentence_piece.reads(Path(source)):
                return sentence_piece.read_tokenizer(Path(source))
            return AutoTokenizer.from_pretrained(source, trust_remote_code=trust_remote_code)
    except (OSError, ValueError, KeyError, ImportError) as error:
        reason = f"{first_line(error)}{_advice(error)}"
        raise ForageError(f"The tokenizer of {source} could not be loaded: {reason}") from error


def has_chat_template(path: str | Path, *, trust_remote_code: bool = False) -> bool:
    """Whether the tokenizer of a model lays out chats. Raises ForageError where there is no tokenizer."""
    source = adapters.base_of(Path(path)) if adapters.is_adapter(path) else path
    return bool(load_tokenizer(source_of(source), trust_remote_code).chat_template)


def _advice(error: BaseException) -> str:
    """What to try when the model brings code of its own, or when it is a name and there is no network."""
    text = str(error)
    if "tiktoken" in text or "sentencepiece" in text.lower():
        return " If it has no tokenizer.json, see whether pip install 'forage-rl[sentencepiece]' helps."
    if "trust_remote_code" in text:
        return " Forage runs such code only with `trust_remote_code`: read it first."
    if isinstance(error, OSError) and ("huggingface.co" in text or "offline" in text.lower()):
        return " If this is meant to be a folder on this machine, write it as ./NAME."
    return ""


def first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
