"""The sampler of hybrid thinking against an oracle without caches, and against the ordinary sampler."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
import torch
from torch import Tensor
from transformers import PreTrainedModel

from forage.core.batch import Batch
from forage.core.collate import collate
from forage.core.errors import ForageError
from forage.core.records import Completion, Group, Problem, Rollout, SampleRequest, SamplingParams, Score, Start
from forage.engines.hybrid_thinking import HybridThinking
from forage.engines.local.codec import LocalCodec
from forage.engines.local.hybrid_sampler import HybridSampler, Reader
from forage.engines.local.latent_gates import LatentGates
from forage.engines.local.model import LocalModel
from forage.engines.local.sampler import LocalSampler
from forage.engines.local.stop_strings import EndTexts
from support.hybrid_oracle import relive

Modules = Callable[[str], PreTrainedModel]
WIDE = HybridThinking(lambda_min=0.3, lambda_max=0.9, marker="")
"""Gates that let much through, to the end of a response."""

REQUESTS = [SampleRequest((5, 9, 30, 7), 3, 1), SampleRequest((8,), 2, 2), SampleRequest((5, 9), 3, 3)]


def sampled(
    sampler: HybridSampler | LocalSampler, params: SamplingParams, asked: Sequence[SampleRequest] = REQUESTS
) -> dict[int, tuple[Completion, ...]]:
    return dict(sampler.sample(asked, params))


def batch_of(drawn: dict[int, tuple[Completion, ...]]) -> Batch:
    """The completions as the learner sees them."""
    groups = []
    for number in range(len(REQUESTS)):
        start = Start(Problem(str(number), "", "", "world"))
        rollouts = tuple(
            Rollout(start, c.tokens, c.logprobs, c.entropies, "", (len(c.tokens),), c.stop, 0) for c in drawn[number]
        )
        groups.append(Group(start, rollouts, tuple(Score(0.0) for _ in rollouts)))
    return collate(groups, lambda problem: REQUESTS[int(problem.id)].tokens)


def marking(model: LocalModel, params: SamplingParams) -> tuple[LatentGates, int]:
    """Gates whose marker a response writes in its second place and goes on, and the token that is the marker.

    Up to there the response is what it is without a marker.
    """
    free = sampled(HybridSampler(model, LatentGates(32, WIDE)), params)
    mark = next(each.tokens[1] for group in free.values() for each in group if len(each.tokens) > 3)
    return LatentGates(32, replace(WIDE, marker=LocalCodec(model.tokenizer).decode((mark,)))), mark


def blends_of(tokens: Sequence[int], mark: int) -> int:
    return tokens.index(mark) if mark in tokens else len(tokens)


def test_it_records_what_the_equations_say(family: str, module_of: Modules, tokenizer) -> None:
    module, model = module_of(family), LocalModel(module_of(family), tokenizer)
    params = SamplingParams(temperature=0.7, max_tokens=7)
    gates, mark = marking(model, params)
    marked = False
    with torch.no_grad():
        for number, group in sampled(HybridSampler(model, gates, rows=5), params).items():
            for completion in group:
                tokens, prompt, blends = completion.tokens, REQUESTS[number].tokens, blends_of(completion.tokens, mark)
                marked |= blends < len(tokens) - 1
                logprob, _ = relive(module, gates, prompt, tokens, temperature=0.7, blends=blends)
                torch.testing.assert_close(torch.tensor(completion.logprobs), logprob.float(), atol=2e-5, rtol=0)
                if number == 1 and len(tokens) > 2 and blends:  # the oracle has teeth: what was read matters
                    plain, _ = relive(module, gates, prompt, tokens, temperature=0.7, blends=0)
                    assert not torch.allclose(torch.tensor(completion.logprobs), plain.float(), atol=1e-3)
    assert marked, "some response goes on behind the marker"


PARAMS = {
    "whole": SamplingParams(max_tokens=9),
    "truncated": SamplingParams(temperature=0.7, top_p=0.8, max_tokens=7),
    "greedy": SamplingParams(temperature=0, max_tokens=7),
}


@pytest.mark.parametrize(
    ("family", "name"),
    [
        *((family, "whole") for family in ("llama", "qwen3", "gpt2", "gemma2", "gemma3")),
        ("gpt2", "truncated"),
        ("gemma2", "truncated"),
        ("gemma3", "greedy"),
    ],
)
def test_with_shut_gates_it_is_the_ordinary_sampler(family: str, name: str, module_of: Modules, tokenizer) -> None:
    """What the parameters change lies behind the logits, the same for every family."""
    params = PARAMS[name]
    model = LocalModel(module_of(family), tokenizer)
    shut = LatentGates(32, HybridThinking(lambda_min=1, lambda_max=1))
    found, expected = sampled(HybridSampler(model, shut, rows=5), params), sampled(LocalSampler(model, rows=5), params)
    assert list(found) == [0, 1, 2]
    for number in found:
        for one, other in zip(found[number], expected[number], strict=True):
            assert (one.tokens, one.stop) == (other.tokens, other.stop)
            assert one.logprobs == pytest.approx(other.logprobs, abs=3e-6)
            assert one.entropies == pytest.approx(other.entropies, abs=3e-6)


def test_company_does_not_matter(module_of: Modules, tokenizer) -> None:
    """A sibling is what it is alone, whatever the rows beside it."""
    model, params = LocalModel(module_of("llama"), tokenizer), SamplingParams(max_tokens=9)
    gates = LatentGates(32, WIDE)
    many = sampled(HybridSampler(model, gates, rows=256), params)
    few = sampled(HybridSampler(model, gates, rows=2), params)
    for number in many:
        assert [each.tokens for each in many[number]] == [each.tokens for each in few[number]]
        for one, other in zip(many[number], few[number], strict=True):
            assert one.logprobs == pytest.approx(other.logprobs, abs=1e-5)


def test_limits_and_ends(module_of: Modules, tokenizer) -> None:
    model, gates = LocalModel(module_of("llama"), tokenizer), LatentGates(32, WIDE)
    asked = [replace(REQUESTS[0], limit=2), REQUESTS[2]]
    free = sampled(HybridSampler(model, gates), SamplingParams(max_tokens=9), asked)
    assert {len(each.tokens) for each in free[0]} <= {1, 2}
    codec = LocalCodec(tokenizer)
    word = codec.decode(free[1][0].tokens[1:2])
    ended = sampled(HybridSampler(model, gates, ends=EndTexts(codec, (word,))), SamplingParams(max_tokens=9), asked)
    first = ended[1][0]
    assert len(first.tokens) <= 2
    assert first.stop == "eos"
    assert first.tokens == free[1][0].tokens[: len(first.tokens)]
    with pytest.raises(ForageError, match="outside the model's vocabulary"):
        HybridSampler(model, gates).sample([SampleRequest((99,), 1, 0)], SamplingParams())


def prompt_and_response(batch: Batch, row: int) -> tuple[list[int], list[int]]:
    """The prompt and the response of a row."""
    mask, tokens = batch.loss_mask[row], batch.tokens[row]
    begin = int(mask.int().argmax())
    return tokens[:begin].tolist(), tokens[mask].tolist()


def test_reading_again_finds_what_was_expected(family: str, module_of: Modules, tokenizer) -> None:
    module, model = module_of(family), LocalModel(module_of(family), tokenizer)
    params = SamplingParams(temperature=0.8, max_tokens=8)
    gates, mark = marking(model, params)
    batch = batch_of(sampled(HybridSampler(model, gates), params))
    read = Reader(model, gates, temperature=0.8, rows=4).read(batch)
    for row in range(len(batch)):
        prompt, tokens = prompt_and_response(batch, row)
        blends = blends_of(tokens, mark)
        with torch.no_grad():
            _, means = relive(module, gates, prompt, tokens, temperature=0.8, blends=blends)
        place: Tensor = batch.loss_mask[row].nonzero()[:, 0]
        # What was expected in the place of the last token is read by none.
        torch.testing.assert_close(read.expected[row, place[:-1]], means[:-1].float(), atol=3e-5, rtol=1e-4)
        # Prompts, the marker and what is behind it, and padding are read plainly.
        assert read.thinking[row].nonzero()[:, 0].tolist() == place[:blends].tolist()
    assert bool((read.expected[~batch.loss_mask] == 0).all())


def test_rows_without_learned_tokens_are_read_plainly(module_of: Modules, tokenizer) -> None:
    model, gates = LocalModel(module_of("llama"), tokenizer), LatentGates(32, WIDE)
    batch = batch_of(sampled(HybridSampler(model, gates), SamplingParams(max_tokens=5)))
    silent = replace(batch, loss_mask=torch.zeros_like(batch.loss_mask))
    read = Reader(model, gates, temperature=1.0, rows=4).read(silent)
    assert not bool(read.thinking.any())
    assert not bool(read.expected.any())
    part = read.rows(torch.tensor([2, 0]), 4)
    assert part.expected.shape == (2, 4, 32)
    assert part.thinking.shape == (2, 4)
