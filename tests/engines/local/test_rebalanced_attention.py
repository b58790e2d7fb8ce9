"""Edited attention against the released edit in a module's own whole weights, and its neutral setting."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import AttentionInterface

from forage.core.errors import ForageError
from forage.core.records import SampleRequest, SamplingParams
from forage.engines.local.engine import LocalEngine
from forage.engines.local.model import LocalModel
from forage.engines.local.rebalanced_attention import rebalance
from support.worlds import blank_model

TOKENS = torch.tensor([[2, 3, 6, 4, 5, 7, 6], [2, 5, 5, 3, 7, 4, 2]])
ALPHA, FLOOR = 3.0, 0.15


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return blank_model(tmp_path / "model", layers=4)


def loud(folder: Path) -> LocalModel:
    """With attention that is not nearly uniform."""
    model = LocalModel.load(folder)
    with torch.no_grad():
        for name, parameter in model.module.named_parameters():
            if "q_proj" in name or "k_proj" in name:
                parameter *= 6
    return model


def released(model: LocalModel) -> Tensor:
    """Logits with the edit written down as it was released: whole weights, a mask that is carried up the layers."""
    carried: dict[str, Tensor] = {}

    def edited(module: Any, query: Tensor, key: Tensor, value: Tensor, *_: Any, scaling: float, **__: Any) -> Any:
        groups, size = query.shape[1] // key.shape[1], query.shape[2]
        key, value = key.repeat_interleave(groups, 1), value.repeat_interleave(groups, 1)
        scores = query @ key.transpose(2, 3) * scaling + torch.full((size, size), -torch.inf).triu(1)
        weights = scores.softmax(-1)
        if module.layer_idx == 0:
            carried["mask"] = (weights > FLOOR) & ~torch.eye(size, dtype=torch.bool)
        else:
            weights[carried["mask"]] *= 1 + ALPHA * (1 - module.layer_idx / 3)
        return (weights @ value).transpose(1, 2), None

    AttentionInterface.register("released_for_test", edited)
    model.module.set_attn_implementation("released_for_test")
    with torch.no_grad():
        return model.module(TOKENS, use_cache=False).logits


def logits(model: LocalModel) -> Tensor:
    with torch.no_grad():
        return model.head.logits(model.hidden(TOKENS))


def test_it_is_the_released_edit_and_neutral_is_the_model_itself(folder: Path) -> None:
    model = loud(folder)
    plain = logits(model)
    rebalance(model, alpha=ALPHA, floor=FLOOR)
    edited = logits(model)
    assert (edited - plain).abs().max() > 1e-3
    rebalance(model, alpha=0.0)
    assert torch.equal(logits(model), plain), "bit for bit"
    rebalance(model, alpha=ALPHA, floor=2.0)
    torch.testing.assert_close(logits(model), plain, atol=1e-5, rtol=0)
    torch.testing.assert_close(edited, released(model), atol=1e-5, rtol=0)


def test_decoding_behind_a_cache_computes_what_one_pass_does(folder: Path) -> None:
    """Greedy responses of the sampler, whose rows differ in length, against the largest logits of whole passes."""
    model = loud(folder)
    opened = LocalEngine(threads=1, matmul="highest").open(str(folder))
    opened.policy.model.module.load_state_dict(model.module.state_dict())
    rebalance(opened.policy.model, alpha=ALPHA, floor=FLOOR)
    rebalance(model, alpha=ALPHA, floor=FLOOR)
    requests = [
        SampleRequest(tokens=tuple(row[:size]), group_size=1, seed=0)
        for row, size in zip(TOKENS.tolist(), (3, 5), strict=True)
    ]
    for place, (completion,) in opened.sampler.sample(requests, SamplingParams(temperature=0.0, max_tokens=4)):
        tokens = list(requests[place].tokens)
        for token in completion.tokens:
            with torch.no_grad():
                last = model.head.logits(model.hidden(torch.tensor([tokens])))[0, -1]
            assert last[token] >= last.max() - 1e-5
            tokens.append(token)


def test_what_is_refused(folder: Path) -> None:
    model = loud(folder)
    with pytest.raises(ForageError, match="finite number"):
        rebalance(model, alpha=float("nan"))
    rebalance(model)
    with pytest.raises(ForageError, match="share_starts=False"):
        model.decoder(TOKENS, use_cache=False, packing=object())
