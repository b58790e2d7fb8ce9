"""A GGUF file becomes the model it was made from: the same logits, the same tokens. Anything doubtful is refused."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import AutoModelForCausalLM, LlamaConfig, PreTrainedModel, Qwen2Config, Qwen3Config

from forage.cli import main
from forage.core.errors import ForageError
from forage.engines.local.gguf_file import QWEN2, import_gguf
from forage.engines.local.model import LocalModel

gguf = pytest.importorskip("gguf")

TEXT = "She bakes 1234 rolls.\n\n  def f(x):\n\treturn x*10  7 apples, don't they're naïve — 日本"
CONTROL = ("<|end|>", "<|endoftext|>")
BODY: dict[str, Any] = {
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 128,
    "rms_norm_eps": 2.0**-17,
    "bos_token_id": 1,
    "eos_token_id": 0,
}
CONFIGS = {
    "llama": lambda size: LlamaConfig(vocab_size=size, tie_word_embeddings=True, **BODY),
    "qwen2": lambda size: Qwen2Config(vocab_size=size, **BODY),
    "qwen3": lambda size: Qwen3Config(vocab_size=size, head_dim=128, **BODY),
}
NAMES = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "self_attn.q_norm": "attn_q_norm",
    "self_attn.k_norm": "attn_k_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
    "model.embed_tokens": "token_embd",
    "model.norm": "output_norm",
    "lm_head": "output",
    "model.layers": "blk",
}


def tokenizer_of(splitter: str) -> Tokenizer:
    """A byte-level tokenizer that cuts text as the models with this splitter do, trained on TEXT."""
    whole = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bare = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = {
        "gpt-2": whole,
        "smollm": pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), whole]),
        "qwen2": pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(QWEN2), "isolated"), bare]),
    }[splitter]
    if splitter == "qwen2":
        made.normalizer = normalizers.NFC()
    made.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=320, special_tokens=list(CONTROL), initial_alphabet=alphabet, show_progress=False
    )
    made.train_from_iterator([TEXT, "a  1 a  1 a  1 12 12 12"], trainer)
    return made


def module_of(architecture: str, size: int) -> PreTrainedModel:
    torch.manual_seed(1)
    module = AutoModelForCausalLM.from_config(CONFIGS[architecture](size)).eval()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    return module


def write(path: Path, architecture: str, splitter: str, *, kind: str = "F32", **more: Any) -> PreTrainedModel:
    """Writes a file as llama.cpp's own converter does; returns the module that it holds."""
    tokenizer = tokenizer_of(splitter)
    module = module_of(architecture, tokenizer.get_vocab_size())
    config, writer = module.config, gguf.GGUFWriter(str(path), architecture)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    if architecture == "qwen3":
        writer.add_key_length(config.head_dim)
        writer.add_value_length(config.head_dim)
    for name, value in more.items():
        writer.add_string(f"{architecture}.{name.replace('__', '.')}", value)
    parts = json.loads(tokenizer.to_str())["model"]
    tokens = sorted(parts["vocab"], key=parts["vocab"].get)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(splitter)
    writer.add_token_list(tokens)
    writer.add_token_types([3 if token in CONTROL else 1 for token in tokens])
    writer.add_token_merges([" ".join(pair) for pair in parts["merges"]])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(0)
    writer.add_add_bos_token(False)
    for name, parameter in module.named_parameters():
        _add(writer, name, parameter.detach(), architecture, config, kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return module


def _add(writer: Any, name: str, weight: torch.Tensor, architecture: str, config: Any, kind: str) -> None:
    if architecture == "llama" and ("q_proj" in name or "k_proj" in name):
        heads = config.num_attention_heads if "q_proj" in name else config.num_key_value_heads
        weight = weight.view(heads, 2, -1, weight.shape[1]).transpose(1, 2).reshape(weight.shape)
    for theirs, own in NAMES.items():
        name = name.replace(theirs, own)
    values = np.ascontiguousarray(weight.numpy())
    if kind == "F32" or weight.dim() == 1:
        writer.add_tensor(name, values)
    else:
        raw = getattr(gguf.GGMLQuantizationType, kind)
        writer.add_tensor(name, gguf.quantize(values, raw), raw_dtype=raw)


@pytest.mark.parametrize(
    ("architecture", "splitter"), [("llama", "smollm"), ("llama", "gpt-2"), ("qwen2", "qwen2"), ("qwen3", "qwen2")]
)
def test_the_checkpoint_is_the_model_in_the_file(architecture: str, splitter: str, tmp_path: Path) -> None:
    module = write(tmp_path / "x.gguf", architecture, splitter)
    made = import_gguf(tmp_path / "x.gguf", out=tmp_path / "made")
    assert not made.quantized
    model = LocalModel.load(tmp_path / "made")
    for name, parameter in module.named_parameters():
        assert torch.equal(model.module.get_parameter(name), parameter), name
    tokenizer = tokenizer_of(splitter)
    for text in (TEXT, "a  1", "x12\n\n 3", f"{CONTROL[1]}hi{CONTROL[0]}", "don't  "):
        assert model.tokenizer(text)["input_ids"] == tokenizer.encode(text).ids, text
        assert model.tokenizer.decode(tokenizer.encode(TEXT).ids) == TEXT
    assert model.stop_ids == (0,)
    tokens = torch.arange(24).view(2, 12)
    torch.testing.assert_close(model.module(tokens).logits, module(tokens).logits, atol=1e-5, rtol=1e-5)


def test_quantised_weights_are_widened_and_that_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    module = write(tmp_path / "x.gguf", "llama", "smollm", kind="Q8_0")
    assert main(["import", str(tmp_path / "x.gguf"), "--out", str(tmp_path / "made")]) == 0
    said = " ".join(capsys.readouterr().err.split())
    assert "15 tensors in Q8_0" in said
    assert "float32" in said
    found = LocalModel.load(tmp_path / "made").module.get_parameter("model.layers.0.mlp.up_proj.weight")
    exact = module.get_parameter("model.layers.0.mlp.up_proj.weight")
    kind = gguf.GGMLQuantizationType.Q8_0
    wide = gguf.dequantize(gguf.quantize(exact.detach().numpy(), kind), kind)
    assert found.dtype == torch.float32
    assert torch.equal(found, torch.from_numpy(wide))
    assert not torch.equal(found, exact)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"rope__scaling__type": "yarn"}, "stretches its positions"),
        ({"attention__window": "8"}, "would be lost: it is not read"),
    ],
)
def test_what_would_be_lost_is_refused(settings: dict[str, str], said: str, tmp_path: Path) -> None:
    write(tmp_path / "x.gguf", "llama", "smollm", **settings)
    with pytest.raises(ForageError, match=said):
        import_gguf(tmp_path / "x.gguf", out=tmp_path / "made")
    assert not (tmp_path / "made").exists()


def test_a_tensor_that_no_part_of_the_model_takes_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    close = gguf.GGUFWriter.write_header_to_file

    def with_one_more(self: Any) -> None:
        self.add_tensor("rope_freqs.weight", np.ones(8, dtype=np.float32))
        close(self)

    monkeypatch.setattr(gguf.GGUFWriter, "write_header_to_file", with_one_more)
    write(tmp_path / "x.gguf", "llama", "smollm")
    with pytest.raises(ForageError, match="are not those of its architecture"):
        import_gguf(tmp_path / "x.gguf", out=tmp_path / "made")


def test_a_tokenizer_that_cuts_text_in_an_unknown_way_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        gguf.GGUFWriter, "add_tokenizer_pre", lambda self, name: self.add_string("tokenizer.ggml.pre", "odd")
    )
    write(tmp_path / "x.gguf", "llama", "smollm")
    with pytest.raises(ForageError, match="cuts text as 'odd'"):
        import_gguf(tmp_path / "x.gguf", out=tmp_path / "made")


def test_an_unreadable_file_is_refused_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(ForageError, match="There is no GGUF file"):
        import_gguf(tmp_path / "none.gguf", out=tmp_path / "made")
    (tmp_path / "x.gguf").write_bytes(b"GGUF, or is it?")
    with pytest.raises(ForageError, match="no GGUF file, or it is damaged"):
        import_gguf(tmp_path / "x.gguf", out=tmp_path / "made")
