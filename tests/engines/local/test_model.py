"""Loading, saving, and the promise that our logits are the module's own."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from transformers import (
    AutoModelForCausalLM,
    BloomConfig,
    MambaConfig,
    PreTrainedConfig,
    PreTrainedModel,
    modeling_utils,
)

from forage.core.errors import ForageError
from forage.engines.local.model import LocalModel

Modules = Callable[[str], PreTrainedModel]


@pytest.mark.parametrize("name", ["llama", "qwen3", "gpt2", "gemma2", "gemma3", "granite", "cohere"])
def test_hidden_states_and_head_give_the_modules_logits(name: str, module_of: Modules, tokenizer) -> None:
    module, model = module_of(name), LocalModel(module_of(name), tokenizer)
    tokens = torch.randint(0, 40, (3, 17), generator=torch.Generator().manual_seed(1))
    hidden = model.hidden(tokens)
    torch.testing.assert_close(model.head.logits(hidden), module(input_ids=tokens).logits, atol=1e-4, rtol=1e-4)
    # Causal: what follows cannot matter, so right padding needs no mask.
    changed = tokens.clone()
    changed[:, 9:] = 0
    torch.testing.assert_close(model.hidden(changed)[:, :9], hidden[:, :9], atol=1e-6, rtol=1e-5)


def test_gradients_reach_every_weight_and_agree_with_the_module(module_of: Modules, tokenizer) -> None:
    module, model = module_of("gemma2"), LocalModel(module_of("gemma2"), tokenizer)
    tokens = torch.randint(0, 40, (2, 13), generator=torch.Generator().manual_seed(1))
    module(input_ids=tokens).logits.square().mean().backward()
    model.head.logits(model.hidden(tokens)).square().mean().backward()
    for (name, mine), theirs in zip(model.module.named_parameters(), module.parameters(), strict=True):
        assert mine.grad is not None, name
        torch.testing.assert_close(mine.grad, theirs.grad, atol=1e-5, rtol=1e-3, msg=name)


def test_save_and_load(tmp_path: Path, module_of: Modules, tokenizer) -> None:
    model = LocalModel(module_of("gemma2"), tokenizer)
    model.save(tmp_path)
    again = LocalModel.load(tmp_path)
    tokens = torch.tensor([[4, 9, 20]])
    assert torch.equal(again.hidden(tokens), model.hidden(tokens))
    assert again.tokenizer("w3 w4")["input_ids"] == tokenizer("w3 w4")["input_ids"]
    assert again.stop_ids == model.stop_ids == (3,)
    assert again.module.dtype == torch.float32
    assert LocalModel.load(tmp_path, dtype="bfloat16").module.dtype == torch.bfloat16
    # An ordinary checkpoint: nothing in it mentions our attention.
    assert "forage" not in (tmp_path / "config.json").read_text()


def test_dropout_is_off(module_of: Modules, tokenizer) -> None:
    module = module_of("gpt2").train()
    model = LocalModel(module, tokenizer)
    tokens = torch.tensor([[4, 9, 20]])
    assert torch.equal(model.hidden(tokens), model.hidden(tokens))


def test_a_head_it_does_not_know_is_refused(module_of: Modules, tokenizer) -> None:
    module = module_of("llama")
    # Llama ignores the field, so a head that honours it computes something else than the module.
    module.config.final_logit_softcapping = 0.1
    with pytest.raises(ForageError, match="LlamaForCausalLM"):
        LocalModel(module, tokenizer)


@pytest.mark.parametrize(
    "config",
    [
        MambaConfig(vocab_size=40, hidden_size=16, num_hidden_layers=2, state_size=4),
        BloomConfig(vocab_size=40, hidden_size=16, n_layer=2, n_head=2),
    ],
    ids=["no keys and values", "own attention"],
)
def test_an_architecture_it_cannot_run_is_refused(config: PreTrainedConfig, tokenizer) -> None:
    with pytest.raises(ForageError, match=r"(Mamba|Bloom)ForCausalLM is an unsupported architecture"):
        LocalModel(AutoModelForCausalLM.from_config(config), tokenizer)


def test_missing_parts_are_named(tmp_path: Path, module_of: Modules, tokenizer) -> None:
    with pytest.raises(ForageError, match="no model directory"):
        LocalModel.load(tmp_path / "nowhere")
    with pytest.raises(ForageError, match="no model directory"):
        LocalModel.load("./nowhere")
    with pytest.raises(ForageError, match=r"config\.json"):
        LocalModel.load(tmp_path)
    with pytest.raises(ForageError, match="number format"):
        LocalModel.load(tmp_path, dtype="float8")
    module_of("llama").save_pretrained(tmp_path)
    with pytest.raises(ForageError, match="tokenizer"):
        LocalModel.load(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    with pytest.raises(ForageError, match="device"):
        LocalModel.load(tmp_path, device="cuda:99")
    weights = tmp_path / "model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ForageError, match="could not be loaded"):
        LocalModel.load(tmp_path)
    weights.rename(tmp_path / "pytorch_model.bin")
    with pytest.raises(ForageError, match=r"pytorch_model\.bin.*as safetensors"):
        LocalModel.load(tmp_path)
    (tmp_path / "pytorch_model.bin").unlink()
    with pytest.raises(ForageError, match="weights"):
        LocalModel.load(tmp_path)


def test_weights_that_do_not_fit_are_refused(tmp_path: Path, module_of: Modules, tokenizer) -> None:
    LocalModel(module_of("llama"), tokenizer).save(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, "num_hidden_layers": 3}))
    with pytest.raises(ForageError, match="missing"):
        LocalModel.load(tmp_path)


def test_padding_on_the_right_is_no_reason_for_a_warning(
    module_of: Modules, tokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    warned: list[str] = []
    monkeypatch.setattr(modeling_utils.logger, "warning_once", lambda text, *_: warned.append(text))
    module = module_of("gpt2")
    module.config.pad_token_id = 0
    tokens = torch.tensor([[5, 6, 0]])
    module(input_ids=tokens)
    assert len(warned) == 1, "transformers warns of its own module"
    LocalModel(module, tokenizer).hidden(tokens)
    assert len(warned) == 1
