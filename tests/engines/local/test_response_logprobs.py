from pathlib import Path

import pytest
import torch

from forage.core.errors import ForageError
from forage.engines.local import response_logprobs as module
from forage.engines.local.model import LocalModel
from forage.engines.local.response_logprobs import response_logprobs

PROMPTS = [(2, 3, 4), (5, 2), (6, 7, 3)]
RESPONSES = [[(2, 3, 1), (2, 4, 1), (2, 3), (5,)], [(7, 7, 7, 1)], [(2, 3, 1), (3, 3, 1)]]


def expected(model: LocalModel, prompt: tuple[int, ...], response: tuple[int, ...], temperature: float) -> float:
    tokens = torch.tensor([prompt + response])
    logp = (model.head.logits(model.hidden(tokens))[0].double() / temperature).log_softmax(-1)
    return sum(float(logp[len(prompt) - 1 + place, token]) for place, token in enumerate(response))


@pytest.mark.parametrize("temperature", [1.0, 0.6])
@pytest.mark.parametrize("rows", [4096, 1])
def test_each_is_what_a_plain_pass_says(
    rows: int, temperature: float, tiny_base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Prompts of several lengths, responses that share beginnings or lie within one another, one block or many."""
    monkeypatch.setattr(module, "ROWS", rows)
    model = LocalModel.load(tiny_base)
    found = response_logprobs(model, PROMPTS, RESPONSES, temperature=temperature)
    for prompt, responses, logprobs in zip(PROMPTS, RESPONSES, found, strict=True):
        wanted = [expected(model, prompt, response, temperature) for response in responses]
        torch.testing.assert_close(logprobs, torch.tensor(wanted, dtype=torch.float64), atol=1e-4, rtol=1e-5)


def test_greedy_has_no_chances(tiny_base: Path) -> None:
    with pytest.raises(ForageError, match="temperature above 0, not 0"):
        response_logprobs(LocalModel.load(tiny_base), PROMPTS, RESPONSES, temperature=0)
