"""Rotary embeddings whose frequencies depend on the longest row: no row changes another, or the row is refused."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import Gemma3TextConfig, LlamaConfig, Phi3Config

from forage.cli import main
from forage.core.errors import ForageError
from forage.core.records import SampleRequest, SamplingParams
from forage.engines.local.engine import LocalEngine
from forage.engines.local.model import LocalModel
from forage.engines.local.positions import positions_of
from forage.engines.local.reward_model import RewardModel
from forage.engines.local.sampler import LocalSampler
from support.architectures import BODY, build_architecture
from support.word_tokenizer import word_tokenizer

ORIGINAL = 16
LONGROPE = {
    "rope_type": "longrope",
    "rope_theta": 10000.0,
    "short_factor": [1.0] * 4,
    "long_factor": [8.0, 16.0, 32.0, 64.0],
    "original_max_position_embeddings": ORIGINAL,
}
KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    "longrope": (
        "phi3",
        {**BODY, "original_max_position_embeddings": ORIGINAL, "rope_parameters": LONGROPE, "sliding_window": None},
    ),
    "dynamic": (
        "llama",
        {
            **BODY,
            "max_position_embeddings": ORIGINAL,
            "rope_parameters": {"rope_type": "dynamic", "factor": 4.0, "rope_theta": 10000.0},
        },
    ),
}


@pytest.fixture(params=KINDS)
def model(request: pytest.FixtureRequest) -> LocalModel:
    return LocalModel(build_architecture(*KINDS[request.param]), word_tokenizer())


def logprobs(model: LocalModel, *rows: tuple[int, ...]) -> Tensor:
    """Of the first row, in a batch with the others."""
    tokens = torch.zeros(len(rows), max(map(len, rows)), dtype=torch.int64)
    for number, row in enumerate(rows):
        tokens[number, : len(row)] = torch.tensor(row)
    with torch.no_grad():
        found = model.head.logits(model.hidden(tokens)).log_softmax(-1)
    return found[0, : len(rows[0])]


SHORT = (4, 9, 20, 31, 7, 12)


def test_a_long_row_in_the_batch_does_not_change_a_short_one(model: LocalModel) -> None:
    """It is as long as it may be, or it is refused; and the short row is what it was afterwards."""
    alone = logprobs(model, SHORT)
    torch.testing.assert_close(logprobs(model, SHORT, tuple(range(4, 4 + ORIGINAL))), alone, atol=1e-5, rtol=1e-5)
    with pytest.raises(ForageError, match=f"rows of more than {ORIGINAL} tokens, and one here has 30"):
        logprobs(model, SHORT, tuple(range(4, 34)))
    torch.testing.assert_close(logprobs(model, SHORT), alone)


def test_a_response_does_not_grow_beyond_the_original_length(model: LocalModel) -> None:
    sampler = LocalSampler(model)
    fitting = dict(sampler.sample([SampleRequest(SHORT, 2, 0)], SamplingParams(max_tokens=ORIGINAL - len(SHORT))))
    sequence = (*SHORT, *fitting[0][0].tokens)
    forced = logprobs(model, sequence)[len(SHORT) - 1 : -1].gather(1, torch.tensor(fitting[0][0].tokens)[:, None])
    torch.testing.assert_close(torch.tensor(fitting[0][0].logprobs), forced.squeeze(1), atol=1e-4, rtol=1e-4)
    with pytest.raises(ForageError, match=f"{ORIGINAL} positions"):
        list(sampler.sample([SampleRequest(SHORT, 1, 0)], SamplingParams(max_tokens=ORIGINAL)))


def test_a_reward_model_refuses_a_long_row_too(tmp_path: Path) -> None:
    LocalModel(build_architecture(*KINDS["longrope"]), word_tokenizer()).save(tmp_path / "base")
    model = RewardModel.from_causal(tmp_path / "base")
    assert len(model.score([SHORT, tuple(range(4, 4 + ORIGINAL))])) == 2
    with pytest.raises(ForageError, match=f"more than {ORIGINAL} tokens"):
        model.score([SHORT, tuple(range(4, 34))])


def test_positions_of_configurations() -> None:
    assert positions_of(LlamaConfig(max_position_embeddings=64)) == 64
    assert positions_of(Phi3Config(**{**KINDS["longrope"][1], "max_position_embeddings": 128})) == ORIGINAL
    by_type = {
        "full_attention": {**LONGROPE, "rope_type": "dynamic", "factor": 2.0, "original_max_position_embeddings": 24},
        "sliding_attention": {"rope_type": "default", "rope_theta": 10000.0},
    }
    config = Gemma3TextConfig(max_position_embeddings=128)
    config.rope_parameters = by_type
    assert positions_of(config) == 24
    assert positions_of(object()) is None


@pytest.mark.parametrize("device", ["cuda", "cuda:7"])
def test_a_gpu_that_is_not_there_is_a_sentence(
    device: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ForageError, match=f"device {device} is not available"):
        LocalEngine(device=device).settled()
    with pytest.raises(ForageError, match="no device 'gpu'"):
        LocalEngine(device="gpu").settled()
    LocalModel(build_architecture("llama", BODY), word_tokenizer()).save(tmp_path / "model")
    asked = ["--model", str(tmp_path / "model"), "--device", device, "--steps", "1", "--out", str(tmp_path / "run")]
    assert main(["train", "countdown", *asked]) == 2
    said = capsys.readouterr()
    assert "not available on this machine. Use the `device` cpu." in said.err + said.out
    assert "Traceback" not in said.err
