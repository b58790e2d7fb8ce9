"""The costs that are measured are those of the model, and what is chosen by them fits."""

from collections.abc import Callable

import pytest
from transformers import PreTrainedModel

from forage.engines.local.memory import Costs, free_memory, measure_costs, pass_tokens, sampled_rows
from forage.engines.local.model import LocalModel

Modules = Callable[[str], PreTrainedModel]

GIB = 1 << 30
COSTS = Costs(held=2 * GIB, token=1 << 20, position=90 * 1024)


def test_the_costs_are_those_of_the_model(family: str, module_of: Modules, tokenizer) -> None:
    module = module_of(family)
    costs = measure_costs(LocalModel(module, tokenizer))
    amount = sum(parameter.numel() for parameter in module.parameters())
    config = module.config
    assert costs.held == 4 * 4 * amount
    if family == "llama":  # 2 layers, keys and values of 2 heads of 8 numbers, 4 bytes each
        assert costs.position == 2 * 2 * 2 * 8 * 4
        # Every layer keeps at least its input and what its two norms, four projections and three products read.
        assert costs.token > config.num_hidden_layers * 4 * (6 * config.hidden_size + 3 * config.intermediate_size)
    assert all(parameter.grad is None for parameter in module.parameters())


def test_recomputed_layers_cost_less(module_of: Modules, tokenizer) -> None:
    plain, recomputing = (LocalModel(module_of("llama"), tokenizer) for _ in range(2))
    recomputing.recompute()
    assert measure_costs(recomputing).token < 0.5 * measure_costs(plain).token


def test_half_of_the_weights_in_bfloat16(module_of: Modules, tokenizer) -> None:
    full = measure_costs(LocalModel(module_of("qwen3"), tokenizer))
    half = measure_costs(LocalModel(module_of("qwen3").bfloat16(), tokenizer))
    assert half.held == full.held // 2
    assert half.position == full.position // 2


@pytest.mark.parametrize(
    ("free", "device", "tokens", "rows"),
    [
        (1 * GIB, "cpu", 256, 8),  # not even the weights fit: the least
        (3 * GIB, "cpu", 512, 8),  # half of 1 GiB; a quarter of it holds 14 rows of 200 positions
        (4 * GIB, "cpu", 1024, 16),
        (64 * GIB, "cpu", 1024, 256),  # more is no faster on a CPU
        (64 * GIB, "cuda", 16_384, 512),
    ],
)
def test_choices_by_hand(free: int, device: str, tokens: int, rows: int) -> None:
    assert pass_tokens(COSTS, free, device=device) == tokens
    assert sampled_rows(COSTS, free, device=device, positions=200) == rows


def test_free_memory_is_a_sensible_number() -> None:
    assert 1 << 20 < free_memory("cpu") <= 1 << 40
