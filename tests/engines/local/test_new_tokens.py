from pathlib import Path
from typing import Any, cast

import pytest
import torch

from forage.core.errors import ForageError
from forage.engines.local.adapters import Lora
from forage.engines.local.codec import LocalCodec
from forage.engines.local.engine import LocalEngine
from forage.engines.local.model import LocalModel
from forage.engines.local.new_tokens import add_tokens
from support.own_world import write_model


@pytest.fixture
def model(tmp_path: Path) -> LocalModel:
    return LocalModel.load(write_model(tmp_path / "model"))


def test_a_text_becomes_one_token_that_is_written(model: LocalModel, tmp_path: Path) -> None:
    assert add_tokens(model, ("<|reflect|>", "<|explore|>", "<|reflect|>")) == 2
    codec = LocalCodec(model.tokenizer)
    text = "wrong.<|reflect|> The answer is 3.<|explore|>"
    tokens = codec.encode(text)
    assert codec.decode(tokens) == text
    assert len(codec.encode("<|reflect|>")) == 1
    assert "".join(codec.pieces(tokens)) == text
    model.save(tmp_path / "out")
    again = LocalModel.load(tmp_path / "out")
    assert LocalCodec(again.tokenizer).encode(text) == tokens
    assert add_tokens(again, ("<|reflect|>",)) == 0


def test_what_the_model_said_before_keeps_its_odds(model: LocalModel) -> None:
    """Old tokens keep their embeddings; a new one begins as the mean of them, in the tied head too."""
    old = cast(Any, model.module.get_input_embeddings()).weight.detach().clone()
    tokens = torch.tensor([[5, 6, 7]])
    before = model.head.logits(model.hidden(tokens)).detach()
    add_tokens(model, ("<|reflect|>",))
    after = model.head.logits(model.hidden(tokens)).detach()
    assert after.shape[-1] == len(old) + 1
    torch.testing.assert_close(after[..., :-1], before)
    torch.testing.assert_close(after[..., -1], before.mean(-1), rtol=1e-4, atol=1e-5)
    assert model.head.weight is cast(Any, model.module.get_input_embeddings()).weight


def test_what_cannot_take_tokens_is_refused(model: LocalModel, tmp_path: Path) -> None:
    with pytest.raises(ForageError, match="not empty"):
        add_tokens(model, (" ",))
    engine = LocalEngine(threads=1, matmul="highest", adapter=Lora(rank=2))
    model.save(tmp_path / "saved")
    with pytest.raises(ForageError, match="with an adapter"):
        add_tokens(engine.open(str(tmp_path / "saved")).policy.model, ("<|reflect|>",))
