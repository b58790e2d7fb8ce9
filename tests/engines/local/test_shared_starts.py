"""Siblings that share their start's activations: the gradients of rows that each carry a copy, for less work."""

import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import AutoModelForCausalLM, MambaConfig, OPTConfig, PreTrainedModel

from forage.core.batch import Batch, Experience, TrainBatch
from forage.engines.local import acceptance, attention, packing
from forage.engines.local.adapters import Lora, add_adapter
from forage.engines.local.model import LocalModel
from forage.engines.local.packing import Starts, pack, packed_batches
from forage.engines.local.policy import LocalPolicy
from forage.engines.local.sharing import Sharing
from forage.engines.optimization import Optimization
from forage.parts.losses.penalty import EntropyPenalty
from forage.parts.losses.policy_loss import PolicyLoss
from forage.parts.losses.reduction import TokenMean
from forage.parts.losses.surrogate import PPOClip
from support.word_tokenizer import word_tokenizer

Modules = Callable[[str], PreTrainedModel]

LOSS = PolicyLoss(
    surrogate=PPOClip(low=0.2, high=0.2), reduction=TokenMean(), penalties=(EntropyPenalty(coefficient=0.1),)
)
CONTEXTS = (7, 3, 12, 5)
"""The starts' lengths; the second one is the first one's beginning, as a replayed prefix may be."""
RESPONSES = ((4, 9, 1, 6), (5, 5, 5), (2,), (20, 1))
EQUAL = (6, 6, 4, 6)
FAMILIES = ("llama", "qwen3", "gpt2", "gemma2", "gemma3")


def siblings(seed: int = 0, contexts: Sequence[int] = CONTEXTS) -> TrainBatch:
    """Four starts with 4, 3, 1 and 2 responses of different lengths, in mixed order, with advantages everywhere."""
    generator = torch.Generator().manual_seed(seed)
    width = 34
    lines: list[tuple[Tensor, int, int]] = []
    for number, (context, counts) in enumerate(zip(contexts, RESPONSES, strict=True)):
        start = torch.randint(4, 39, (context,), generator=generator)
        if number == 1 and context < contexts[0]:
            start = lines[0][0][:context]
        for count in counts:
            response = torch.randint(4, 39, (count,), generator=generator)
            filler = torch.randint(4, 39, (width - context - count,), generator=generator)
            lines.append((torch.cat([start, response, filler]), context, count))
    lines = [lines[i] for i in torch.randperm(len(lines), generator=generator).tolist()]
    rows = len(lines)
    position = torch.arange(width)
    first = torch.tensor([line[1] for line in lines])[:, None]
    last = first + torch.tensor([line[2] for line in lines])[:, None]
    loss_mask = (position >= first) & (position < last)
    batch = Batch(
        tokens=torch.stack([line[0] for line in lines]),
        loss_mask=loss_mask,
        origin=torch.zeros(rows, dtype=torch.int64),
        behaviour=-torch.rand(rows, width, generator=generator) * 3 * loss_mask,
        entropy=torch.rand(rows, width, generator=generator) * loss_mask,
        reward=torch.rand(rows, generator=generator),
        group=first.squeeze(1),
        step=torch.where(loss_mask, 0, -1),
        step_reward=torch.zeros(rows, width),
        version=torch.zeros(rows, dtype=torch.int64),
        weight=torch.ones(rows),
    )
    return TrainBatch(Experience(batch, {}), torch.randn(rows, width, generator=generator) * loss_mask)


def as_it_is(model: LocalModel) -> None:
    """Prepares nothing."""


def learned(
    module: PreTrainedModel,
    tokenizer,
    *,
    share: bool,
    tokens: int = 10**6,
    prepare: Callable[[LocalModel], None] = as_it_is,
    train: TrainBatch | None = None,
) -> dict[str, Tensor]:
    """The gradients of one update."""
    model = LocalModel(module, tokenizer)
    prepare(model)
    settings = Optimization(mini_batches=1, micro_tokens=tokens, grad_clip=math.inf)
    policy = LocalPolicy(model, settings, temperature=0.8, share_starts=share)
    policy.improve(train or siblings(), LOSS, seed=0)
    return {name: p.grad for name, p in module.named_parameters() if p.grad is not None}


@cache
def of_copies(
    module_of: Modules,
    family: str,
    *,
    prepare: Callable[[LocalModel], None] = as_it_is,
    contexts: Sequence[int] = CONTEXTS,
) -> dict[str, Tensor]:
    """The gradients of rows that each carry a copy of their start, all in one pass and with nothing recomputed."""
    train = siblings(contexts=contexts)
    return learned(module_of(family), word_tokenizer(), share=False, prepare=prepare, train=train)


def assert_close(found: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    assert found.keys() == expected.keys()
    scale = max(float(gradient.norm()) for gradient in expected.values())
    assert scale > 1e-2
    for name, gradient in expected.items():
        assert float((found[name] - gradient).norm()) < 3e-6 * scale, name


def adapt(model: LocalModel) -> None:
    add_adapter(model.module, Lora(rank=2), base="somewhere")
    with torch.no_grad():
        for parameter in (p for p in model.module.parameters() if p.requires_grad):
            parameter.add_(torch.sin(torch.arange(parameter.numel()) * 0.7).view_as(parameter) * 0.1)


def adapt_and_recompute(model: LocalModel) -> None:
    adapt(model)
    model.recompute()


# Which rows a pass holds does not depend on the architecture: every family learns from whole and from cut batches.
@pytest.mark.parametrize(
    ("family", "tokens"),
    [*((family, tokens) for family in FAMILIES for tokens in (10**6, 25)), ("llama", 70), ("llama", 1), ("gemma2", 1)],
)
def test_gradients_are_those_of_copies(family: str, tokens: int, module_of: Modules, tokenizer) -> None:
    shared = learned(module_of(family), tokenizer, share=True, tokens=tokens)
    assert_close(shared, of_copies(module_of, family))


@pytest.mark.parametrize("prepare", [adapt, LocalModel.recompute, adapt_and_recompute])
def test_adapters_and_recomputed_layers_share_too(family: str, prepare, module_of: Modules, tokenizer) -> None:
    expected = of_copies(module_of, family, prepare=as_it_is if prepare is LocalModel.recompute else adapt)
    assert_close(learned(module_of(family), tokenizer, share=True, prepare=prepare), expected)


@pytest.mark.parametrize(
    ("family", "recompute"), [*((family, False) for family in FAMILIES), ("llama", True), ("gemma3", True)]
)
def test_long_responses_attend_in_blocks(
    family: str, recompute: bool, module_of: Modules, tokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare = LocalModel.recompute if recompute else as_it_is
    expected = of_copies(module_of, family)
    monkeypatch.setattr(attention, "QUERY_BLOCK", 4)
    assert_close(learned(module_of(family), tokenizer, share=True, prepare=prepare), expected)


@pytest.mark.parametrize(
    ("family", "places", "sections"),
    [
        *((family, 2048, [3, 1]) for family in FAMILIES),
        *((family, 63, [2, 1, 1]) for family in ("gpt2", "gemma3")),
        ("llama", 35, [1, 1, 1, 1]),
    ],
)
def test_equally_long_starts_attend_together(
    family: str, places: int, sections: list[int], module_of: Modules, tokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows by their longest response but one token: 4 of 8 places, 3 of 4, and 2 of 19, where they are together."""
    train = siblings(contexts=EQUAL)
    expected = of_copies(module_of, family, contexts=EQUAL)
    monkeypatch.setattr(packing, "SECTION", places)
    packed = pack(train.batch, Starts.of(train.batch))
    assert sorted((section.starts for section in packed.sections), reverse=True) == sections
    assert_close(learned(module_of(family), tokenizer, share=True, train=train), expected)


def test_a_start_is_computed_once(module_of: Modules, tokenizer, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    plain = LocalModel.decoder

    def counting(self: LocalModel, tokens: Tensor, **arguments: Any) -> Tensor:
        seen.append(tokens.numel())
        return plain(self, tokens, **arguments)

    model = LocalModel(module_of("llama"), tokenizer)
    policy = LocalPolicy(model, Optimization(mini_batches=1, micro_tokens=10**6), temperature=1.0)
    monkeypatch.setattr(LocalModel, "decoder", counting)
    policy.improve(siblings(), LOSS, seed=0)
    assert seen == [sum(CONTEXTS) + sum(count - 1 for counts in RESPONSES for count in counts)]


def test_what_is_measured_is_what_is_learned_from(family: str, module_of: Modules, tokenizer) -> None:
    batch = siblings().batch
    model = LocalModel(module_of(family), tokenizer)
    found = []
    for share, tokens in ((False, 10**6), (True, 10**6), (True, 40)):
        settings = Optimization(micro_tokens=tokens)
        found.append(LocalPolicy(model, settings, temperature=0.8, share_starts=share).measure(batch))
    for other in found[1:]:
        torch.testing.assert_close(other.logprob, found[0].logprob, atol=3e-6, rtol=3e-6)
        torch.testing.assert_close(other.entropy, found[0].entropy, atol=3e-6, rtol=3e-6)


def test_groups_of_one_are_learned_as_before_bit_for_bit(module_of: Modules, tokenizer) -> None:
    train = siblings()
    numbers = Starts.of(train.batch).number.tolist()
    alone = train.rows(torch.tensor([numbers.index(number) for number in sorted(set(numbers))]))
    expected = learned(module_of("llama"), tokenizer, share=False, train=alone)
    found = learned(module_of("llama"), tokenizer, share=True, train=alone)
    assert all(torch.equal(found[name], gradient) for name, gradient in expected.items())


def test_a_row_without_learned_tokens_is_left_out(module_of: Modules, tokenizer) -> None:
    train = siblings()
    loss_mask = train.batch.loss_mask.clone()
    loss_mask[2] = False
    train = replace(train, experience=Experience(replace(train.batch, loss_mask=loss_mask), {}))
    expected = learned(module_of("llama"), tokenizer, share=False, train=train)
    assert_close(learned(module_of("llama"), tokenizer, share=True, train=train), expected)


@pytest.mark.parametrize("tokens", [1, 9, 20, 33, 60, 10**6])
def test_passes_hold_every_row_once_and_no_more_than_they_may(tokens: int) -> None:
    batch = siblings().batch
    starts = Starts.of(batch)
    assert starts.number.unique().numel() == 4
    seen: list[int] = []
    passes = list(packed_batches(batch.lengths, starts, tokens))
    for rows, width in passes:
        seen += rows.tolist()
        assert width == int(batch.lengths[rows].max())
        packed = pack(batch.rows(rows, width), starts.rows(rows)).tokens.numel()
        assert packed <= tokens or len(rows) == 1
    assert sorted(seen) == list(range(len(batch)))
    if tokens >= 200:
        assert len(passes) == 1


def test_an_architecture_that_cannot_share_says_so_once_and_learns_the_same(
    tokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Mamba carries one response into the next. It is let in here, as one with some recurrent layers might be."""
    monkeypatch.setattr(acceptance, "accept", lambda model: None)
    torch.manual_seed(3)
    config = MambaConfig(vocab_size=40, hidden_size=16, state_size=4, num_hidden_layers=2, eos_token_id=3)
    module = AutoModelForCausalLM.from_config(config).eval()

    policy = LocalPolicy(LocalModel(module, tokenizer), Optimization(mini_batches=1), temperature=1.0)
    with pytest.warns(UserWarning, match="its own copy of the prompt"):
        policy.improve(siblings(), LOSS, seed=0)
    with warnings.catch_warnings(action="error"):
        policy.improve(siblings(), LOSS, seed=1)


def test_learned_positions_with_an_offset_can_share(tokenizer) -> None:
    config = OPTConfig(
        vocab_size=40, hidden_size=32, ffn_dim=48, num_hidden_layers=2, num_attention_heads=4, word_embed_proj_dim=32
    )
    torch.manual_seed(3)
    module = AutoModelForCausalLM.from_config(config).eval()
    with warnings.catch_warnings(action="error"):
        assert Sharing(LocalModel(module, tokenizer)).possible
