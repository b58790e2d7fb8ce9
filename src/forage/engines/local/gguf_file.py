"""A model in the GGUF format as an ordinary checkpoint, read by transformers and checked against the file.

A reader that skips what it does not know writes a model that runs and is another one. So the architectures, settings,
tensors and tokenizers that are read exactly are named here, and a file with anything else is refused.
"""

import copy
import importlib.util
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import AutoModelForCausalLM, PreTrainedModel, PreTrainedTokenizerBase, PreTrainedTokenizerFast

from forage.core.atomic import new_directory
from forage.core.errors import ForageError
from forage.engines.local.model import LocalModel, first_line, load_tokenizer, suppress_hf_logs

ARCHITECTURES = ("llama", "qwen2", "qwen3")

SETTINGS: Mapping[str, str | None] = {
    "block_count": "num_hidden_layers",
    "context_length": "max_position_embeddings",
    "embedding_length": "hidden_size",
    "feed_forward_length": "intermediate_size",
    "attention.head_count": "num_attention_heads",
    "attention.head_count_kv": "num_key_value_heads",
    "attention.layer_norm_rms_epsilon": "rms_norm_eps",
    "attention.key_length": "head_dim",
    "attention.value_length": "head_dim",
    "rope.dimension_count": "head_dim",
    "rope.freq_base": "rope_theta",
    "vocab_size": "vocab_size",
    "rope.scaling.type": None,
}
"""What may stand in a file about its architecture, and what the configuration must then say."""

WIDE = ("F32", "F16", "BF16")
"""Number formats that float32 holds exactly. The others are quantized: whole numbers of few bits and a scale."""

QWEN2 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)

SPLITTERS = ("gpt-2", "smollm", "qwen2")
"""How byte-level tokenizers cut text before they merge, by the names that GGUF gives them."""

PROBES = ("a  1 12 345\n\n 6", "Don't they're\tnaïve — e\u0301 日本\r\n  x*(y)...  ", " ")
"""Texts that splitters cut differently."""

CONTROL, USER_DEFINED = 3, 4
"""Types of tokens that are found in text before it is cut."""


@dataclass(frozen=True, slots=True)
class Imported:
    """`formats`: how many tensors the file holds in each number format."""

    folder: Path
    formats: Mapping[str, int]

    @property
    def quantized(self) -> Mapping[str, int]:
        return {name: count for name, count in self.formats.items() if name not in WIDE}


def import_gguf(file: Path, *, out: Path) -> Imported:
    """Writes the model in `file` to the folder `out`: configuration, float32 weights, tokenizer.

    Raises ForageError where the package gguf is missing, the file cannot be read exactly, or `out` exists.
    """
    if importlib.util.find_spec("gguf") is None:
        raise ForageError("GGUF files need the package gguf: pip install 'forage-rl[gguf]'.")
    if not file.is_file():
        raise ForageError(f"There is no GGUF file at {file}.")
    if out.exists():
        raise ForageError(f"{out} exists already. Name another folder.")
    reader, fields = _opened(file)
    architecture = str(fields.get("general.architecture"))
    _check_settings(file, architecture, fields)
    try:
        with suppress_hf_logs():
            module, report = cast(Any, AutoModelForCausalLM).from_pretrained(
                file.parent, gguf_file=file.name, dtype=torch.float32, output_loading_info=True
            )
    except (OSError, ValueError, KeyError, RuntimeError, ImportError, NotImplementedError) as error:
        raise ForageError(f"{file} could not be read: {first_line(error)}") from error
    _check_configuration(file, architecture, fields, module.config)
    _check_tensors(file, reader, report, module)
    model = LocalModel(_ordinary(module), _tokenizer(file, fields))
    with new_directory(out) as folder:
        model.save(folder)
        _check_written(file, folder, model.tokenizer)
    return Imported(out, dict(Counter(tensor.tensor_type.name for tensor in reader.tensors)))


def _opened(file: Path) -> tuple[Any, dict[str, Any]]:
    from gguf import GGUFReader  # pyright: ignore[reportMissingImports]

    try:
        reader = GGUFReader(str(file))
        return reader, {name: field.contents() for name, field in reader.fields.items()}
    except (ValueError, KeyError, IndexError, OSError, UnicodeDecodeError) as error:
        raise ForageError(f"{file} is no GGUF file, or it is damaged: {first_line(error)}") from error


def _check_settings(file: Path, architecture: str, fields: Mapping[str, Any]) -> None:
    if architecture not in ARCHITECTURES:
        raise ForageError(
            f"{file} holds a model of the architecture {architecture!r}; those that can be read exactly are "
            f"{', '.join(ARCHITECTURES)}."
        )
    own = {
        name.removeprefix(f"{architecture}."): value for name, value in fields.items() if name.startswith(architecture)
    }
    if unknown := sorted(set(own) - set(SETTINGS)):
        raise ForageError(f"{file} has the setting {architecture}.{unknown[0]}, which would be lost: it is not read.")
    if own.get("rope.scaling.type", "none") != "none":
        raise ForageError(f"{file} stretches its positions ({own['rope.scaling.type']}), which would be lost.")
    if fields.get("tokenizer.ggml.model") != "gpt2" or fields.get("tokenizer.ggml.pre") not in SPLITTERS:
        kind, cut = fields.get("tokenizer.ggml.model"), fields.get("tokenizer.ggml.pre")
        raise ForageError(
            f"The tokenizer in {file} is of the kind {kind!r} that cuts text as {cut!r}; those that can be read "
            f"exactly are byte-level ones ('gpt2') that cut it as {', '.join(SPLITTERS)}."
        )


def _check_configuration(file: Path, architecture: str, fields: Mapping[str, Any], config: Any) -> None:
    for name, attribute in SETTINGS.items():
        value = fields.get(f"{architecture}.{name}")
        if attribute is None or value is None:
            continue
        rope = getattr(config, "rope_parameters", None) or {}
        configured = rope.get("rope_theta") if attribute == "rope_theta" else getattr(config, attribute, None)
        if configured is None and attribute == "head_dim":
            configured = config.hidden_size // config.num_attention_heads
        if configured != value:
            raise ForageError(f"{file} says that {architecture}.{name} is {value}; it was read as {configured}.")


def _check_tensors(file: Path, reader: Any, report: Mapping[str, Any], module: PreTrainedModel) -> None:
    """Every tensor of the file has become one of the model's, and the model has no other."""
    held = len(dict(module.named_parameters()))
    odd = sorted([*report["missing_keys"], *report["unexpected_keys"], *map(str, report["mismatched_keys"])])
    if odd or len(reader.tensors) != held:
        why = f"{odd[0]} does not fit" if odd else f"it holds {len(reader.tensors)} tensors, and the model {held}"
        raise ForageError(f"The tensors in {file} are not those of its architecture: {why}.")


def _tokenizer(file: Path, fields: Mapping[str, Any]) -> PreTrainedTokenizerBase:
    """The byte-level tokenizer of the file. transformers' own reader takes the splitter from the architecture instead,
    and gives tokens that a file does not name."""
    tokens, kinds = fields["tokenizer.ggml.tokens"], fields.get("tokenizer.ggml.token_type") or []
    merges = [tuple(pair.split(" ")) for pair in fields["tokenizer.ggml.merges"]]
    special = [token for token, kind in zip(tokens, kinds, strict=False) if kind == CONTROL]
    added = [token for token, kind in zip(tokens, kinds, strict=False) if kind == USER_DEFINED]
    own = Tokenizer(models.BPE({token: number for number, token in enumerate(tokens)}, merges))
    own.normalizer = normalizers.NFC() if fields["tokenizer.ggml.pre"] == "qwen2" else None
    own.pre_tokenizer = _splitter(fields["tokenizer.ggml.pre"])
    own.decoder = decoders.ByteLevel()
    own.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in special])
    own.add_tokens([AddedToken(token, normalized=False) for token in added])
    named = {
        f"{own_name}_token": tokens[fields[f"tokenizer.ggml.{theirs}_token_id"]]
        for own_name, theirs in {"bos": "bos", "eos": "eos", "unk": "unknown", "pad": "padding"}.items()
        if f"tokenizer.ggml.{theirs}_token_id" in fields
    }
    if fields.get("tokenizer.ggml.add_bos_token"):
        first = named["bos_token"]
        own.post_processor = processors.TemplateProcessing(
            single=f"{first} $A", pair=f"{first} $A {first} $B", special_tokens=[(first, tokens.index(first))]
        )
    made = PreTrainedTokenizerFast(tokenizer_object=own, **named)
    made.chat_template = fields.get("tokenizer.chat_template")
    if made.convert_ids_to_tokens(list(range(len(made)))) != tokens:
        raise ForageError(f"The tokenizer in {file} names tokens that are not in its own list.")
    return made


def _check_written(file: Path, folder: Path, tokenizer: PreTrainedTokenizerBase) -> None:
    """transformers may open a tokenizer by a class of its architecture, with tokens and a splitter of its own."""
    again = load_tokenizer(str(folder), False)
    if len(again) != len(tokenizer) or any(again(text)["input_ids"] != tokenizer(text)["input_ids"] for text in PROBES):
        raise ForageError(f"The tokenizer in {file} is not what transformers takes for that of its architecture.")


def _splitter(name: str) -> pre_tokenizers.PreTokenizer:
    whole = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    if name == "gpt-2":
        return whole
    if name == "smollm":
        return pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), whole])
    cut = pre_tokenizers.Split(Regex(QWEN2), behavior="isolated", invert=False)
    return pre_tokenizers.Sequence([cut, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])


def _ordinary(module: PreTrainedModel) -> PreTrainedModel:
    """The same weights in a module that does not think of itself as quantized, which transformers does not write."""
    config = cast(Any, copy.deepcopy(module.config))
    if hasattr(config, "quantization_config"):
        del config.quantization_config
    with torch.device("meta"):
        plain = AutoModelForCausalLM.from_config(config)
    plain.load_state_dict(module.state_dict(), assign=True, strict=False)
    plain.tie_weights()
    for name, buffer in module.named_buffers():
        owner, _, own = name.rpartition(".")
        plain.get_submodule(owner).register_buffer(own, buffer, persistent=False)
    return plain
