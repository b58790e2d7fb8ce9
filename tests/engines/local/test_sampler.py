"""The sampler against `generate`, against exact probabilities, and against itself in other company."""

import math
from collections.abc import Callable, Sequence

import pytest
import torch
from torch import Tensor
from transformers import PreTrainedModel

from forage.core.errors import ForageError
from forage.core.records import Completion, SampleRequest, SamplingParams
from forage.engines.local import cache, sampler
from forage.engines.local.model import LocalModel
from forage.engines.local.sampler import LocalSampler

Modules = Callable[[str], PreTrainedModel]
STOP, VOCABULARY = 3, 40
PARAMS = {
    "tempered": SamplingParams(temperature=0.7, max_tokens=12),
    "top_p": SamplingParams(temperature=1.3, top_p=0.8, max_tokens=12),
    "both": SamplingParams(temperature=1.0, top_k=4, top_p=0.9, max_tokens=12),
    "greedy": SamplingParams(temperature=0, max_tokens=12),
}


def requests(group_size: int = 3) -> list[SampleRequest]:
    generator = torch.Generator().manual_seed(11)
    lengths = (5, 9, 1, 3, 9, 14)
    return [
        SampleRequest(tuple(torch.randint(4, VOCABULARY, (length,), generator=generator).tolist()), group_size, seed)
        for seed, length in enumerate(lengths)
    ]


def sampled(
    model: LocalModel, asked: list[SampleRequest], params: SamplingParams, rows: int = 256
) -> dict[int, tuple[Completion, ...]]:
    return dict(LocalSampler(model, rows=rows).sample(asked, params))


@torch.no_grad()
def exact_logits(module: PreTrainedModel, tokens: tuple[int, ...]) -> Tensor:
    """(T, V) by the module's own eager path, in float64 after the head."""
    return module(input_ids=torch.tensor([tokens]), use_cache=False).logits[0].double()


@torch.no_grad()
def exact_scores(module: PreTrainedModel, prompt: tuple[int, ...], group: Sequence[Completion]) -> list[Tensor]:
    """The logits (T, V) behind each completion's tokens, likewise; what pads one on the right changes none of them."""
    width = max(len(completion.tokens) for completion in group)
    rows = [[*prompt, *completion.tokens, *[0] * (width - len(completion.tokens))] for completion in group]
    logits = module(input_ids=torch.tensor(rows), use_cache=False).logits[:, len(prompt) - 1 :].double()
    return [row[: len(completion.tokens)] for row, completion in zip(logits, group, strict=True)]


def test_greedy_is_generate(family: str, module_of: Modules, tokenizer) -> None:
    module, model = module_of(family), LocalModel(module_of(family), tokenizer)
    assert module.config._attn_implementation == "eager"
    found = sampled(model, requests(group_size=2), SamplingParams(temperature=0, max_tokens=16), rows=3)
    stops = set()
    for number in (1, 2, 5):  # starts of 9 tokens, of 1 and of 14
        request = requests()[number]
        prompt = torch.tensor([request.tokens])
        expected = module.generate(  # pyright: ignore[reportCallIssue]
            prompt, attention_mask=torch.ones_like(prompt), max_new_tokens=16, do_sample=False, pad_token_id=0
        )
        for completion in found[number]:
            assert completion.tokens == tuple(expected[0, len(request.tokens) :].tolist())
            assert completion.stop == ("eos" if completion.tokens[-1] == STOP else "length")
            stops.add(completion.stop)
    assert stops


@pytest.mark.parametrize(
    ("family", "name"),
    [
        *((family, "tempered") for family in ("llama", "qwen3", "gpt2", "gemma2", "gemma3")),
        *((family, name) for name in ("top_p", "both", "greedy") for family in ("gpt2", "gemma2")),
    ],
)
def test_records_what_was_sampled(family: str, name: str, module_of: Modules, tokenizer) -> None:
    """What the parameters change lies behind the logits: two families try the rest of them."""
    module, model = module_of(family), LocalModel(module_of(family), tokenizer)
    asked, params = requests(), PARAMS[name]
    for number, group in sampled(model, asked, params, rows=5).items():
        for completion, logits in zip(group, exact_scores(module, asked[number].tokens, group), strict=True):
            logs = torch.log_softmax(logits / (params.temperature or 1.0), dim=1)
            entropy = -(logs.exp() * logs).sum(dim=1)
            kept = truncated(logs, params)
            chosen = kept.gather(1, torch.tensor(completion.tokens)[:, None])[:, 0]
            torch.testing.assert_close(torch.tensor(completion.logprobs).double(), chosen, atol=1e-5, rtol=0)
            torch.testing.assert_close(torch.tensor(completion.entropies).double(), entropy, atol=1e-5, rtol=0)


def truncated(logs: Tensor, params: SamplingParams) -> Tensor:
    """log-probabilities after top_k and top_p, row by row in plain Python."""
    rows = []
    for row in logs.exp().tolist():
        order = sorted(range(len(row)), key=lambda token: -row[token])
        if params.top_k:
            order = order[: params.top_k]
        share, total, kept = 0.0, sum(row[token] for token in order), []
        for token in order:
            kept.append(token)
            share += row[token]
            if share >= params.top_p * total:
                break
        mass = sum(row[token] for token in kept)
        rows.append([row[token] / mass if token in kept else 0.0 for token in range(len(row))])
    return torch.tensor(rows, dtype=torch.float64).log()


def chi_square(counts: Tensor, probabilities: Tensor) -> float:
    """How many standard deviations Pearson's statistic lies above its mean; rare tokens share one cell.

    Infinite when a token was drawn that cannot be.
    """
    total = counts.sum()
    common = probabilities * total >= 5
    observed = torch.cat([counts[common], counts[~common].sum()[None]])
    expected = torch.cat([probabilities[common], probabilities[~common].sum()[None]]) * total
    if expected[-1] < 1e-9:
        if observed[-1]:
            return math.inf
        observed, expected = observed[:-1], expected[:-1]
    freedom = len(expected) - 1
    return float((((observed - expected) ** 2 / expected).sum() - freedom) / math.sqrt(2 * freedom))


@pytest.mark.parametrize(
    "params",
    [SamplingParams(max_tokens=2), SamplingParams(temperature=0.8, top_k=6, top_p=0.9, max_tokens=2)],
    ids=["full", "truncated"],
)
def test_frequencies_are_the_exact_probabilities(params: SamplingParams, module_of: Modules, tokenizer) -> None:
    module, model = module_of("qwen3"), LocalModel(module_of("qwen3"), tokenizer)
    prompt = (5, 17, 9)
    (group,) = sampled(model, [SampleRequest(prompt, 6000, 3)], params, rows=2000).values()
    first = torch.tensor([completion.tokens[0] for completion in group])
    second = torch.tensor([completion.tokens[1] if len(completion.tokens) > 1 else -1 for completion in group])
    # Two starting states: the bare prompt, and the prompt with its most frequent continuation.
    leader = int(torch.bincount(first[first != STOP]).argmax())
    for prefix, tokens in ((prompt, first), ((*prompt, leader), second[first == leader])):
        logs = torch.log_softmax(exact_logits(module, prefix)[-1:] / params.temperature, dim=1)
        counts = torch.bincount(tokens, minlength=VOCABULARY).double()
        assert chi_square(counts, truncated(logs, params)[0].exp()) < 4
        # The test has teeth: a distribution of half the temperature fails it.
        other = torch.log_softmax(logs * 2, dim=1)
        assert chi_square(counts, truncated(other, params)[0].exp()) > 4


def test_company_and_order_do_not_matter(family: str, module_of: Modules, tokenizer) -> None:
    model = LocalModel(module_of(family), tokenizer)
    params = SamplingParams(max_tokens=12)
    asked = requests()
    alone = {i: sampled(model, [request], params)[0] for i, request in enumerate(asked)}
    together = sampled(model, asked, params)
    crowded = sampled(model, asked[::-1], params, rows=3)
    assert len({completion.tokens for group in alone.values() for completion in group}) > 6
    for i, group in alone.items():
        for other in (together[i], crowded[len(asked) - 1 - i]):
            for mine, theirs in zip(group, other, strict=True):
                assert mine.tokens == theirs.tokens
                assert mine.logprobs == pytest.approx(theirs.logprobs, abs=1e-5)
                assert mine.entropies == pytest.approx(theirs.entropies, abs=1e-5)


def test_more_siblings_extend_the_group(module_of: Modules, tokenizer) -> None:
    model, params = LocalModel(module_of("llama"), tokenizer), SamplingParams(max_tokens=10)
    few = sampled(model, [SampleRequest((5, 6), 3, 1)], params)[0]
    many = sampled(model, [SampleRequest((5, 6), 8, 1)], params)[0]
    assert [completion.tokens for completion in many[:3]] == [completion.tokens for completion in few]
    other = sampled(model, [SampleRequest((5, 6), 3, 2)], params)[0]
    assert [completion.tokens for completion in other] != [completion.tokens for completion in few]


def test_same_seed_same_bits(module_of: Modules, tokenizer) -> None:
    model, params = LocalModel(module_of("qwen3"), tokenizer), SamplingParams(max_tokens=12)
    assert sampled(model, requests(), params, rows=4) == sampled(model, requests(), params, rows=4)


def test_growing_the_cache_and_small_chunks_change_nothing(
    module_of: Modules, tokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, params = LocalModel(module_of("llama"), tokenizer), SamplingParams(max_tokens=12)
    expected = sampled(model, requests(), params, rows=6)
    monkeypatch.setattr(cache, "POSITIONS", 4)
    assert sampled(model, requests(), params, rows=6) == expected
    monkeypatch.setattr(sampler, "LOGITS_PER_CHUNK", 2 * VOCABULARY)
    monkeypatch.setattr(sampler, "PREFILL_TOKENS", 1)
    for number, group in sampled(model, requests(), params, rows=6).items():
        assert [one.tokens for one in group] == [one.tokens for one in expected[number]]


def test_each_distinct_start_is_read_once(module_of: Modules, tokenizer) -> None:
    model = LocalModel(module_of("llama"), tokenizer)
    read: list[tuple[int, ...]] = []

    def note(module: object, args: object, kwargs: dict[str, Tensor]) -> None:
        tokens = kwargs["input_ids"]
        if tokens.shape[1] > 1:
            read.extend(tuple(row) for row in tokens.tolist())

    model.module.base_model.register_forward_pre_hook(note, with_kwargs=True)
    prompts = [(5, 6, 7), (8, 9, 10), (5, 6, 7), (8, 9, 11)]
    asked = [SampleRequest(prompt, 5, seed) for seed, prompt in enumerate(prompts)]
    found = sampled(model, asked, SamplingParams(max_tokens=6), rows=4)
    assert sorted(read) == sorted(set(prompts))
    assert {number: len(group) for number, group in found.items()} == dict.fromkeys(range(4), 5)
    assert found[0] != found[2], "equal starts with other seeds draw other tokens"


def test_results_come_as_they_finish_and_can_be_abandoned(module_of: Modules, tokenizer) -> None:
    model = LocalModel(module_of("llama"), tokenizer)
    passes: list[int] = []
    model.module.base_model.register_forward_hook(lambda *_: passes.append(1))
    asked = [SampleRequest((4 + i, 5), 2, i) for i in range(10)]
    results = LocalSampler(model, rows=2).sample(asked, SamplingParams(max_tokens=8))
    next(results)
    few = len(passes)
    results.close()  # pyright: ignore[reportAttributeAccessIssue]
    assert few <= 9
    assert torch.is_grad_enabled()
    assert not torch.is_inference_mode_enabled()
    assert len(sampled(model, asked, SamplingParams(max_tokens=8), rows=2)) == 10
    assert len(passes) > 3 * few


def test_stops(module_of: Modules, tokenizer) -> None:
    model, params = LocalModel(module_of("llama"), tokenizer), SamplingParams(max_tokens=12, temperature=2.0)
    extra = LocalSampler(model, stop_ids=(7, 8))
    (_, group) = next(extra.sample([SampleRequest((5, 6), 60, 1)], params))
    stops = {STOP, 7, 8}
    endings = set()
    for completion in group:
        assert not stops & set(completion.tokens[:-1])
        ended = completion.tokens[-1] in stops
        assert completion.stop == ("eos" if ended else "length")
        assert ended or len(completion.tokens) == 12
        endings.add(completion.tokens[-1] if ended else "length")
    assert endings >= {7, 8, "length"}


def test_version_is_read_from_the_policy(module_of: Modules, tokenizer) -> None:
    steps = [0]
    counting = LocalSampler(LocalModel(module_of("llama"), tokenizer), version=lambda: steps[0])
    steps[0] = 4
    assert counting.version == 4


def test_damaged_weights_are_named(module_of: Modules, tokenizer) -> None:
    model = LocalModel(module_of("llama"), tokenizer)
    with torch.no_grad():
        model.module.get_output_embeddings().weight[6, 0] = torch.nan  # pyright: ignore[reportOptionalMemberAccess]
    with pytest.raises(ForageError, match="NaN or infinite"):
        sampled(model, requests(), SamplingParams(max_tokens=8))


@pytest.mark.parametrize(
    ("request_", "max_tokens", "match"),
    [
        (SampleRequest((), 1, 0), 4, "0 tokens"),
        (SampleRequest((5,), 0, 0), 4, "0 samples"),
        (SampleRequest((5,) * 100, 1, 0), 29, "128 positions"),
        (SampleRequest((5, VOCABULARY), 1, 0), 4, "vocabulary"),
    ],
)
def test_impossible_requests_are_refused_before_sampling(
    request_: SampleRequest, max_tokens: int, match: str, module_of: Modules, tokenizer
) -> None:
    model = LocalModel(module_of("gpt2"), tokenizer)
    with pytest.raises(ForageError, match=match):
        LocalSampler(model).sample([request_], SamplingParams(max_tokens=max_tokens))
    with pytest.raises(ForageError, match="row"):
        LocalSampler(model, rows=0)


def test_nothing_asked_nothing_sampled(module_of: Modules, tokenizer) -> None:
    assert sampled(LocalModel(module_of("llama"), tokenizer), [], SamplingParams()) == {}
