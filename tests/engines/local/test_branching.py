"""Many requests on shared paths: the same completions as naive restarts, for one reading of each path."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from unittest.mock import patch

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import PreTrainedModel

from forage.core.errors import ForageError
from forage.core.records import Completion, SampleRequest, SamplingParams
from forage.engines.local import sampler
from forage.engines.local.model import LocalModel
from forage.engines.local.sampler import LocalSampler, shared_paths

Modules = Callable[[str], PreTrainedModel]
TRUNK = tuple(range(4, 34))
ENDS = (8, 11, 17, 23, 30)


def step_end_requests(group_size: int = 3) -> list[SampleRequest]:
    """All step ends of one rollout, and another branch that shares its first tokens."""
    starts = [TRUNK[:end] for end in ENDS] + [(*TRUNK[:11], 39, 38)]
    return [SampleRequest(start, group_size, seed) for seed, start in enumerate(starts)]


def naively(model: LocalModel, asked: list[SampleRequest], params: SamplingParams) -> list[tuple[Completion, ...]]:
    return [next(LocalSampler(model).sample([request], params))[1] for request in asked]


def test_branches_are_naive_restarts(
    family: str, module_of: Modules, tokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, params = LocalModel(module_of(family), tokenizer), SamplingParams(max_tokens=12)
    expected = naively(model, step_end_requests(), params)
    for rows, prefill in ((256, 4096), (256, 1), (4, 4096), (4, 1)):
        monkeypatch.setattr(sampler, "PREFILL_TOKENS", prefill)
        found = dict(LocalSampler(model, rows=rows).sample(step_end_requests(), params))
        for number, group in enumerate(expected):
            for mine, theirs in zip(found[number], group, strict=True):
                assert mine.tokens == theirs.tokens, (rows, prefill)
                assert mine.logprobs == pytest.approx(theirs.logprobs, abs=1e-5), (rows, prefill)
                assert mine.entropies == pytest.approx(theirs.entropies, abs=1e-5), (rows, prefill)


@contextmanager
def float64_everywhere(module: PreTrainedModel) -> Iterator[PreTrainedModel]:
    """A copy of the module that computes in float64 throughout: what modelling code raises to float32 too."""
    exact = deepcopy(module).double()
    with (
        patch.object(torch, "float32", torch.float64),
        patch.object(torch, "float", torch.float64),
        patch.object(torch.Tensor, "float", torch.Tensor.double),
    ):
        yield exact


@torch.inference_mode()
def test_what_branches_and_restarts_differ_by_is_rounding(family: str, module_of: Modules, tokenizer) -> None:
    """Both lie as near to the exact numbers; of a prefix read at wrong positions the first token alone is far off."""
    module, params, asked = module_of(family), SamplingParams(max_tokens=12), step_end_requests()
    found = dict(LocalSampler(LocalModel(module, tokenizer)).sample(asked, params))
    restarted = naively(LocalModel(module, tokenizer), asked, params)
    errors: dict[str, list[float]] = {"branching": [], "restarts": [], "shifted": []}
    with float64_everywhere(module) as exact:
        for number, request in enumerate(asked):
            size = max(len(each.tokens) for each in found[number])
            # One pass for all siblings: what pads them on the right reaches no score that is read.
            padded = [[*request.tokens, *each.tokens, *[0] * (size - len(each.tokens))] for each in found[number]]
            for name, begin in (("exact", 0), ("shifted", 1)):
                logits = exact(torch.tensor(padded)[:, begin:], use_cache=False).logits
                assert logits.dtype == torch.float64
                scores = logits[:, len(request.tokens) - begin - 1 :].log_softmax(-1)
                for row, mine, theirs in zip(scores, found[number], restarted[number], strict=True):
                    assert mine.tokens == theirs.tokens
                    true = row[: len(mine.tokens)].gather(1, torch.tensor(mine.tokens)[:, None])[:, 0]
                    for path, logprobs in (("branching", mine.logprobs), ("restarts", theirs.logprobs)):
                        error = float((torch.tensor(logprobs, dtype=torch.float64) - true).abs().max())
                        errors[path if name == "exact" else name].append(error)
    assert max(errors["restarts"]) < 1e-5
    assert max(errors["branching"]) < 2 * max(errors["restarts"]) + 1e-6
    assert min(errors["shifted"]) > 1e-4


def test_a_path_is_read_once_and_every_pass_is_counted(module_of: Modules, tokenizer) -> None:
    model, params = LocalModel(module_of("llama"), tokenizer), SamplingParams(max_tokens=16)
    branching = LocalSampler(model)
    found = dict(branching.sample(step_end_requests(), params))
    assert branching.tokens_read == len(TRUNK) + 13  # the longest start, and the branch that leaves it
    new = sum(len(completion.tokens) for group in found.values() for completion in group)
    assert branching.tokens_decoded == new - 3 * len(found)  # the first token comes from reading
    next(branching.sample([SampleRequest((5, 6), 1, 0)], params))
    assert branching.tokens_read > len(TRUNK) + 13


def test_a_request_may_have_a_limit_of_its_own(module_of: Modules, tokenizer) -> None:
    model, params = LocalModel(module_of("llama"), tokenizer), SamplingParams(max_tokens=16)
    asked = [SampleRequest((5, 6), 20, 1, limit=limit) for limit in (4, 16, 99)]
    short, whole, more = dict(sorted(LocalSampler(model, rows=7).sample(asked, params))).values()
    assert [one.tokens for one in more] == [one.tokens for one in whole]
    assert max(len(completion.tokens) for completion in whole) == 16
    for mine, theirs in zip(short, whole, strict=True):
        assert mine.tokens == theirs.tokens[:4]
        assert mine.stop == ("length" if len(theirs.tokens) > 4 else theirs.stop)
    with pytest.raises(ForageError, match="at least 1"):
        LocalSampler(model).sample([SampleRequest((5,), 1, 0, limit=0)], params)


def test_a_limit_makes_room_in_the_context(module_of: Modules, tokenizer) -> None:
    model, params = LocalModel(module_of("llama"), tokenizer), SamplingParams(max_tokens=100)
    (_, (completion,)) = next(LocalSampler(model).sample([SampleRequest((5,) * 120, 1, 0, limit=8)], params))
    assert 1 <= len(completion.tokens) <= 8
    assert math.isfinite(sum(completion.logprobs))


@given(st.sets(st.lists(st.integers(0, 2), min_size=1, max_size=5).map(tuple), min_size=1, max_size=30))
def test_paths_cover_every_start_once_and_none_is_inside_another(starts: set[tuple[int, ...]]) -> None:
    paths = shared_paths(starts)
    assert sorted(start for covered in paths.values() for start in covered) == sorted(starts)
    for path, covered in paths.items():
        assert all(path[: len(start)] == start for start in covered)
        assert not any(other[: len(path)] == path for other in paths if other != path)
