"""The gates of hybrid thinking: where they begin, what they compute, the disk, and where a response stops thinking."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import PreTrainedModel

from engines.local.test_codec import CODECS, byte_level
from forage.core.errors import ForageError
from forage.engines.hybrid_thinking import HybridThinking
from forage.engines.local.latent_gates import Expectations, LatentGates, Thinking, embedded, has_gates, open_gates
from forage.engines.local.model import LocalModel
from forage.evaluation.fingerprint import GATES, fingerprint

Modules = Callable[[str], PreTrainedModel]


def test_the_gates_begin_between_the_least_shares(family: str, module_of: Modules, tokenizer) -> None:
    model = LocalModel(module_of(family), tokenizer)
    before = torch.random.get_rng_state()
    gates = open_gates("nowhere", model, HybridThinking(lambda_min=0.9, lambda_max=0.95))
    assert gates is not None
    assert torch.equal(torch.random.get_rng_state(), before)
    embedding = embedded(model, torch.arange(40))
    least = torch.sigmoid(gates.decay) ** 8
    assert 0.9 - 1e-6 <= float(least.min().detach()) < 0.93 < float(least.max().detach()) <= 0.95 + 1e-6
    with torch.no_grad():
        kept, reset = gates.kept(embedding), torch.sigmoid(gates.reset(embedding.float()))
    torch.testing.assert_close(kept, least.detach() ** reset, rtol=1e-6, atol=0)
    assert bool(((kept >= least.detach() - 1e-6) & (kept <= 1)).all())


def test_seeds_decide_where_gates_begin() -> None:
    def weights(seed: int) -> list[torch.Tensor]:
        return list(LatentGates(8, HybridThinking(seed=seed)).state_dict().values())

    assert all(torch.equal(one, other) for one, other in zip(weights(3), weights(3), strict=True))
    assert not any(torch.equal(one, other) for one, other in zip(weights(3), weights(4), strict=True))


@torch.no_grad()
def test_gates_that_are_shut_give_the_embedding_back() -> None:
    gates, draw = LatentGates(8, HybridThinking(lambda_min=1, lambda_max=1)), torch.Generator().manual_seed(0)
    embedding, expected = torch.randn(5, 8, generator=draw), torch.randn(5, 8, generator=draw)
    assert torch.equal(gates(embedding, expected), embedding)
    assert gates(embedding.bfloat16(), expected).dtype == torch.bfloat16
    other = LatentGates(8, HybridThinking(lambda_min=0.5, lambda_max=0.5))
    assert not torch.allclose(other(embedding, expected), embedding, atol=0.1)


@pytest.mark.parametrize("dealt", [False, True])
def test_expectations_are_the_mean_of_embeddings(dealt: bool, family: str, module_of: Modules, tokenizer) -> None:
    model = LocalModel(module_of(family), tokenizer)
    expect = Expectations(model, HybridThinking(dealt=dealt, seed=5))
    logits = torch.randn(3, 40, generator=torch.Generator().manual_seed(1))
    table = embedded(model, torch.arange(40)).double()

    def mean(temperature: float) -> torch.Tensor:
        p = (logits.double() / temperature).softmax(1)
        return (p @ table / p.square().sum(1, keepdim=True).sqrt()).float().detach()

    for asked, temperature in ((1.0, 1.0), (0.5, 0.5), (0.0, 1.0)):
        found = expect(logits, temperature=asked, place=0)
        assert torch.allclose(found, mean(temperature), atol=1e-4) is not dealt
    assert torch.equal(expect(logits, temperature=1.0, place=4), expect(logits, temperature=1.0, place=4))
    same = torch.equal(expect(logits, temperature=1.0, place=4), expect(logits, temperature=1.0, place=5))
    assert same is not dealt  # dealt anew at each place


def test_dealing_anew_keeps_the_sharpness(module_of: Modules, tokenizer) -> None:
    """A certain policy still expects one token, another one."""
    model = LocalModel(module_of("llama"), tokenizer)
    expect = Expectations(model, HybridThinking(dealt=True))
    logits = torch.full((40, 40), -1e9).fill_diagonal_(0.0)
    found, table = expect(logits, temperature=1.0, place=2), embedded(model, torch.arange(40)).detach()
    order = [int((table - row).abs().sum(1).argmin()) for row in found]
    torch.testing.assert_close(found, table[order])
    assert sorted(order) == list(range(40))
    assert order != list(range(40))


def test_gates_survive_the_disk_and_belong_to_their_model(module_of: Modules, tokenizer, tmp_path: Path) -> None:
    model, thinking = LocalModel(module_of("llama"), tokenizer), HybridThinking(lambda_max=1.0, marker="so, ", seed=2)
    gates = LatentGates(32, thinking)
    with torch.no_grad():
        gates.decay[3] = torch.inf
    assert not has_gates(tmp_path)
    assert open_gates(tmp_path, model, None) is None
    model.save(tmp_path)
    plain = fingerprint(tmp_path)
    gates.save(tmp_path)
    other = open_gates(tmp_path, model, HybridThinking(marker="other", gate_lr=0.5, seed=8))
    again = open_gates(tmp_path, model, None)
    assert other is not None
    assert again is not None
    assert other.settings == HybridThinking(marker="other", gate_lr=0.5, seed=8)
    assert torch.equal(other.decay, gates.decay)  # it goes on from where the stored ones are
    assert again.settings == thinking
    assert all(torch.equal(own, gates.state_dict()[name]) for name, own in again.state_dict().items())

    assert fingerprint(tmp_path) != plain  # other responses come of it, so no cached one may be taken for them
    with_gates = fingerprint(tmp_path)
    shutil.rmtree(tmp_path / GATES)
    LatentGates(32, HybridThinking(marker="so, ", seed=3)).save(tmp_path)
    assert fingerprint(tmp_path) not in (plain, with_gates)

    shutil.rmtree(tmp_path / GATES)
    LatentGates(16, thinking).save(tmp_path)
    with pytest.raises(ForageError, match="32 wide"):
        open_gates(tmp_path, model, None)
    (tmp_path / GATES / "gates.json").write_text("{")
    with pytest.raises(ForageError, match="damaged"):
        open_gates(tmp_path, model, None)
    (tmp_path / GATES / "gates.json").write_text(json.dumps({"part": "HybridThinking"}))
    (tmp_path / GATES / "gates.safetensors").write_bytes(b"\0" * 40)
    with pytest.raises(ForageError, match="cannot be read"):
        open_gates(tmp_path, model, None)


def test_a_model_that_reads_tokens_only_is_refused(module_of: Modules, tokenizer) -> None:
    model = LocalModel(module_of("llama"), tokenizer)

    def no_embeddings(module: object, args: object, kwargs: dict[str, object]) -> None:
        if "inputs_embeds" in kwargs:
            raise ValueError("needs input_ids")

    model.module.base_model.register_forward_pre_hook(no_embeddings, with_kwargs=True)
    with pytest.raises(ForageError, match="cannot read embeddings"):
        open_gates("nowhere", model, HybridThinking())


@settings(max_examples=200, deadline=None)
@given(
    before=st.text(alphabet="ab #é日🙂\n", max_size=20),
    marker=st.sampled_from(["####", "\n\n", "日é", "🙂", "# "]),
    after=st.text(alphabet="x #", max_size=4),
)
def test_thinking_ends_with_the_token_that_completes_the_marker(before: str, marker: str, after: str) -> None:
    codec, tokens = CODECS["bytes"], byte_level().encode(before + marker + after)
    ends = [end for end in range(1, len(tokens) + 1) if marker in codec.decode(tokens[:end])]
    thinking = Thinking(codec, marker)
    assert thinking.before_end(tokens) == ends[0] - 1
    assert thinking.before_end(tokens[: ends[0] - 1]) == ends[0] - 1  # without the marker it goes on to the end
    assert Thinking(codec, "").before_end(tokens) == len(tokens)


def test_settings_out_of_range_are_sentences() -> None:
    for least, most in ((0.0, 0.9), (0.9, 0.8), (0.9, 1.1)):
        with pytest.raises(ForageError, match="lambda_min and lambda_max"):
            HybridThinking(lambda_min=least, lambda_max=most)
    with pytest.raises(ForageError, match="gate_lr is a learning rate"):
        HybridThinking(gate_lr=-1.0)
