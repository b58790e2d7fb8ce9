"""Low-rank adapters: what they compute is peft's, what lies below them stays, and they survive the disk."""

import json
from collections.abc import Callable
from pathlib import Path

import peft
import pytest
import torch
from torch import Tensor
from transformers import AutoModelForCausalLM, PreTrainedModel

from forage.core.errors import ForageError
from forage.engines.local import adapters
from forage.engines.local.adapters import Lora, add_adapter, load_adapter, merge_adapter, save_adapter, without_adapter
from forage.engines.local.model import LocalModel
from forage.engines.local.process_model import ProcessModel

Modules = Callable[[str], PreTrainedModel]

TOKENS = torch.tensor([[4, 9, 20, 7, 31], [5, 5, 2, 38, 11]])
FAMILIES = ("llama", "gpt2", "gemma2")


def logits(module: PreTrainedModel) -> Tensor:
    return module(input_ids=TOKENS).logits.detach()


def learned(module: PreTrainedModel) -> PreTrainedModel:
    """An adapter that has moved away from where it began."""
    add_adapter(module, Lora(rank=4, alpha=8), base="./somewhere")
    torch.manual_seed(3)
    with torch.no_grad():
        for parameter in module.parameters():
            if parameter.requires_grad:
                parameter.add_(torch.randn_like(parameter) * 0.1)
    return module


@pytest.mark.parametrize("family", FAMILIES)
def test_a_fresh_adapter_changes_nothing_and_alone_can_learn(family: str, module_of: Modules) -> None:
    module = module_of(family)
    before = logits(module)
    add_adapter(module, Lora(rank=4), base="somewhere")
    assert torch.equal(logits(module), before)
    learning = {name for name, parameter in module.named_parameters() if parameter.requires_grad}
    assert learning
    assert all(".lora_" in name for name in learning)
    again = module_of(family)
    add_adapter(again, Lora(rank=4), base="somewhere")
    other = module_of(family)
    add_adapter(other, Lora(rank=4, seed=1), base="somewhere")
    states = [module.state_dict(), again.state_dict(), other.state_dict()]
    assert all(torch.equal(states[0][name], states[1][name]) for name in learning)
    assert not all(torch.equal(states[0][name], states[2][name]) for name in learning)


@pytest.mark.parametrize("family", FAMILIES)
def test_what_is_saved_is_what_peft_reads(family: str, module_of: Modules, tmp_path: Path) -> None:
    module = learned(module_of(family))
    expected = logits(module)
    save_adapter(module, tmp_path)
    theirs = peft.PeftModel.from_pretrained(module_of(family), str(tmp_path))
    assert torch.equal(theirs(input_ids=TOKENS).logits, expected)
    ours = module_of(family)
    load_adapter(ours, tmp_path)
    assert torch.equal(logits(ours), expected)
    # Equal adapters are equal files: peft's own order of the targets changes from process to process.
    targets = json.loads((tmp_path / "adapter_config.json").read_text())["target_modules"]
    assert targets == sorted(targets)
    assert json.loads((tmp_path / "adapter_config.json").read_text())["base_model_name_or_path"] == "./somewhere"


@pytest.mark.parametrize("family", FAMILIES)
def test_the_model_below_is_the_one_that_training_began_with(family: str, module_of: Modules) -> None:
    before = logits(module_of(family))
    module = learned(module_of(family))
    after = logits(module)
    assert not torch.allclose(after, before, atol=0.1)
    with without_adapter(module):
        assert torch.equal(logits(module), before)
    assert torch.equal(logits(module), after)
    assert any(parameter.requires_grad for parameter in module.parameters())


@pytest.mark.parametrize("family", FAMILIES)
def test_a_merged_model_is_an_ordinary_one(family: str, module_of: Modules, tmp_path: Path, tokenizer) -> None:
    model = LocalModel(learned(module_of(family)), tokenizer)
    expected = logits(model.module)
    merge_adapter(model.module)
    torch.testing.assert_close(logits(model.module), expected, atol=1e-4, rtol=1e-4)
    model.save(tmp_path)
    assert not any("lora" in name or "base_layer" in name for name in model.module.state_dict())
    plain = AutoModelForCausalLM.from_pretrained(tmp_path)
    torch.testing.assert_close(plain(input_ids=TOKENS).logits, expected, atol=1e-4, rtol=1e-4)


def test_a_checkpoint_with_an_adapter_finds_its_model(module_of: Modules, tmp_path: Path, tokenizer) -> None:
    LocalModel(module_of("llama"), tokenizer).save(tmp_path / "base")
    model = LocalModel.load(tmp_path / "base")
    add_adapter(model.module, Lora(rank=2, targets=("q_proj", "v_proj")), base=str(tmp_path / "base"))
    with torch.no_grad():
        for parameter in model.module.parameters():
            if parameter.requires_grad:
                parameter.add_(0.05)
    model.save(tmp_path / "adapter")
    assert not (tmp_path / "adapter" / "model.safetensors").exists()
    again = LocalModel.load(tmp_path / "adapter")
    assert torch.equal(again.hidden(TOKENS), model.hidden(TOKENS))
    # In half precision the adapter keeps its own numbers, so that small steps are not lost.
    half = LocalModel.load(tmp_path / "adapter", dtype="bfloat16")
    assert {p.dtype for p in half.module.parameters() if p.requires_grad} == {torch.float32}
    assert half.hidden(TOKENS).dtype == torch.bfloat16


def test_a_process_model_does_not_begin_as_an_adapter(module_of: Modules, tokenizer) -> None:
    with pytest.raises(ForageError, match="export --merge"):
        ProcessModel.from_causal(LocalModel(learned(module_of("llama")), tokenizer))


def test_adapters_that_cannot_be_used_are_sentences(
    module_of: Modules, tmp_path: Path, tokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ForageError, match="rank of 1"):
        Lora(rank=0)
    with pytest.raises(ForageError, match="cannot be put into LlamaForCausalLM"):
        add_adapter(module_of("llama"), Lora(targets=("no_such_layer",)), base="x")
    with pytest.raises(ForageError, match="vocabulary head"):
        add_adapter(module_of("llama"), Lora(targets=("lm_head",)), base="x")
    save_adapter(learned(module_of("llama")), tmp_path)
    with pytest.raises(ForageError, match=r"(cannot be put into|does not belong to this model)"):
        load_adapter(module_of("gpt2"), tmp_path)
    with pytest.raises(ForageError, match=r"no model directory at \./somewhere"):
        LocalModel.load(tmp_path)
    (tmp_path / "adapter_model.safetensors").write_bytes(b"\0" * 100)
    with pytest.raises(ForageError, match="could not be loaded"):
        load_adapter(module_of("llama"), tmp_path)
    (tmp_path / "adapter_config.json").write_text("{}")
    with pytest.raises(ForageError, match="names no base model"):
        LocalModel.load(tmp_path)
    monkeypatch.setattr(adapters.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ForageError, match=r"pip install 'forage-rl\[peft\]'"):
        add_adapter(module_of("llama"), Lora(), base="x")
