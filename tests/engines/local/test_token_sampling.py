"""The draw itself: tables worked by hand, and the random numbers against published ones."""

import math

import numpy as np
import pytest
import torch

from forage.core.errors import ForageError
from forage.core.records import SamplingParams
from forage.engines.local.token_sampling import draw, stream_keys, uniforms

LOGITS = torch.tensor([0.5, 0.25, 0.25]).log() + 3.0
"""Probabilities 1/2, 1/4, 1/4: their entropy is 1/2·ln 2 + 2·1/4·ln 4 = 3/2·ln 2."""


def drawn(uniform: list[float], params: SamplingParams, logits: torch.Tensor = LOGITS):
    rows = logits.expand(len(uniform), -1).contiguous()
    return draw(rows, torch.tensor(uniform, dtype=torch.float64), params)


def test_inverts_the_cumulative_distribution() -> None:
    found = drawn([0.0, 0.1, 0.499, 0.501, 0.749, 0.751, 1 - 2**-53], SamplingParams())
    assert found.tokens.tolist() == [0, 0, 0, 1, 1, 2, 2]
    expected = [math.log(0.5)] * 3 + [math.log(0.25)] * 4
    assert found.logprob.tolist() == pytest.approx(expected, abs=1e-6)
    assert found.entropy.tolist() == pytest.approx([1.5 * math.log(2)] * 7, abs=1e-6)


def test_temperature() -> None:
    # At temperature 1/2 probabilities are squared: 4/6, 1/6, 1/6.
    found = drawn([0.66, 0.67, 0.84], SamplingParams(temperature=0.5))
    assert found.tokens.tolist() == [0, 1, 2]
    assert found.logprob.tolist() == pytest.approx([math.log(4 / 6), math.log(1 / 6), math.log(1 / 6)], abs=1e-6)
    assert found.entropy[0].item() == pytest.approx(4 / 6 * math.log(6 / 4) + 2 / 6 * math.log(6), abs=1e-6)


def test_greedy_records_the_untempered_distribution() -> None:
    found = drawn([0.9], SamplingParams(temperature=0))
    assert (found.tokens.item(), found.logprob.item()) == (0, pytest.approx(math.log(0.5)))
    assert found.entropy.item() == pytest.approx(1.5 * math.log(2))


@pytest.mark.parametrize(
    ("params", "shares"),
    [
        (SamplingParams(top_p=0.5), [1.0, 0.0, 0.0]),
        (SamplingParams(top_p=0.51), [2 / 3, 1 / 3, 0.0]),
        (SamplingParams(top_p=0.75), [2 / 3, 1 / 3, 0.0]),
        (SamplingParams(top_p=0.76), [0.5, 0.25, 0.25]),
        (SamplingParams(top_k=1), [1.0, 0.0, 0.0]),
        # The third token ties with the second, so k = 2 keeps both.
        (SamplingParams(top_k=2), [0.5, 0.25, 0.25]),
        (SamplingParams(top_k=9), [0.5, 0.25, 0.25]),
        (SamplingParams(top_k=1, top_p=0.1), [1.0, 0.0, 0.0]),
    ],
)
def test_truncation(params: SamplingParams, shares: list[float]) -> None:
    grid = ((np.arange(600) + 0.5) / 600).tolist()
    found = drawn(grid, params)
    counts = torch.bincount(found.tokens, minlength=3) / 600
    assert counts.tolist() == pytest.approx(shares, abs=1e-3)
    for token, share in enumerate(shares):
        for logprob in found.logprob[found.tokens == token].tolist():
            assert logprob == pytest.approx(math.log(share), abs=1e-6)
    # The entropy is that of the whole distribution whatever is cut.
    assert found.entropy.tolist() == pytest.approx([1.5 * math.log(2)] * 600, abs=1e-6)


def test_impossible_tokens_are_never_drawn() -> None:
    logits = torch.tensor([-2000.0, 0.0, -2000.0])
    found = drawn([0.0, 0.5, 1 - 2**-53], SamplingParams(), logits)
    assert found.tokens.tolist() == [1, 1, 1]
    assert found.entropy.tolist() == [0, 0, 0]


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_non_finite_logits_are_an_error(bad: float) -> None:
    with pytest.raises(ForageError, match="NaN or infinite"):
        drawn([0.5], SamplingParams(), torch.tensor([0.0, bad, 1.0]))


def test_random_numbers_are_splitmix64() -> None:
    # The published first outputs for the seed 1234567.
    published = [6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431]
    found = uniforms(np.full(4, 1234567, dtype=np.uint64), np.arange(4))
    assert found.tolist() == [(word >> 11) / 2**53 for word in published]


def test_streams_are_uniform_and_unrelated() -> None:
    keys = np.concatenate([stream_keys(seed, 50) for seed in (0, 1, 2, -1, 2**63, 2**64 + 1)])
    assert len(set(keys.tolist())) == 300
    table = np.stack([uniforms(keys, np.full(300, position)) for position in range(200)])
    assert 0 <= table.min() < table.max() < 1
    # 60,000 numbers: ten cells of 6,000 ± 73; neighboring siblings and positions correlate by at most noise.
    cells = np.histogram(table, bins=10, range=(0, 1))[0]
    assert np.abs(cells - 6000).max() < 5 * 73.5
    centered = table - 0.5
    assert abs((centered[:, 1:] * centered[:, :-1]).mean()) * 12 < 5 / math.sqrt(60_000)
    assert abs((centered[1:] * centered[:-1]).mean()) * 12 < 5 / math.sqrt(60_000)
    assert stream_keys(7, 3).tolist() == stream_keys(7, 9)[:3].tolist()
