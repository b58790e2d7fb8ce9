"""What a step takes is scaled up from a part of it: on a clock that counts tokens it is known exactly."""

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from forage.core.errors import ForageError
from forage.engines.local.engine import LocalEngine
from forage.engines.local.model import LocalModel
from forage.engines.optimization import Optimization
from forage.training import forecast as module
from forage.training.forecast import Forecast, Workload, forecast

WORK = Workload(groups=6, group_size=4, prompt=10, response=12)
ENGINE = LocalEngine(threads=1, matmul="highest", rows=16)
OPTIMIZATION = Optimization(epochs=3, mini_batches=2, micro_tokens=64)


@pytest.fixture
def token_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that goes on by one second for each token that the model reads, and by 100 for an optimizer step."""
    now = 0.0
    decoder, optimizer_step = LocalModel.decoder, torch.optim.AdamW.step

    def read(model: LocalModel, tokens: torch.Tensor, **arguments: Any) -> torch.Tensor:
        nonlocal now
        now += tokens.numel()
        return decoder(model, tokens, **arguments)

    def moved(optimizer: torch.optim.AdamW, *arguments: Any) -> Any:
        nonlocal now
        now += 100
        return optimizer_step(optimizer, *arguments)

    monkeypatch.setattr(LocalModel, "decoder", read)
    monkeypatch.setattr(torch.optim.AdamW, "step", moved)
    monkeypatch.setattr(time, "perf_counter", lambda: now)


@pytest.mark.usefixtures("token_clock")
@pytest.mark.parametrize("rows", [16, 256])
def test_tokens_and_optimizer_steps_are_counted(tiny_base: Path, rows: int) -> None:
    expected = forecast(replace(ENGINE, rows=rows), OPTIMIZATION, str(tiny_base), WORK)
    assert expected.sampling_seconds == pytest.approx(6 * 10 + 24 * 11)  # prompts once, then a pass for each next token
    # Prompts are shared, and the last token of a row scores nothing.
    learned = 6 * (10 + 4 * 12)
    assert expected.update_seconds == pytest.approx(3 * (learned + 2 * 100), rel=0.05)
    assert expected.seconds == expected.sampling_seconds + expected.update_seconds


@pytest.mark.usefixtures("token_clock")
def test_a_group_that_is_too_large_to_try_is_scaled(tiny_base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = forecast(ENGINE, OPTIMIZATION, str(tiny_base), WORK)
    monkeypatch.setattr(module, "LEARNED_TOKENS", 2 * (10 + 12))
    part = forecast(ENGINE, OPTIMIZATION, str(tiny_base), WORK)
    assert part.update_seconds == pytest.approx(whole.update_seconds, rel=0.05)


def test_memory_grows_with_the_rows_and_holds_the_moments(tiny_base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "REPEATED", 1e-9)  # once: nothing is read off the clock
    expected = forecast(ENGINE, OPTIMIZATION, str(tiny_base), WORK)
    weights = (tiny_base / "model.safetensors").stat().st_size
    assert min(expected.sampling_bytes, expected.update_bytes) > 4 * weights
    assert expected.peak_bytes == max(expected.sampling_bytes, expected.update_bytes)


def test_the_peak_is_reset_between_the_two() -> None:
    peak = module._Peak("cpu")  # pyright: ignore[reportPrivateUsage]
    _, high = peak.of(lambda: torch.ones(1 << 26).sum().item())  # 256 MiB
    _, low = peak.of(lambda: None)
    assert high - low > 200 << 20


def test_what_does_not_fit_the_model_is_refused(tiny_base: Path) -> None:
    with pytest.raises(ForageError, match=r"10010\. Lower `max_tokens` or `prompt_tokens`"):
        forecast(ENGINE, OPTIMIZATION, str(tiny_base), replace(WORK, response=10_000))


def test_nothing_to_sample_is_refused() -> None:
    with pytest.raises(ForageError, match="at least 1"):
        replace(WORK, groups=0)


def test_the_larger_half_is_the_peak() -> None:
    assert Forecast(sampling_seconds=1, update_seconds=2, sampling_bytes=3, update_bytes=2).peak_bytes == 3
