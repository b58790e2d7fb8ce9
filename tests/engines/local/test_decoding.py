"""Decoding in graphs, with captures that repeat their work: rounded shapes give what the plain pass gives."""

from functools import partial
from pathlib import Path

import pytest
from torch import Tensor

from engines.local.test_sampler import Modules, requests, sampled
from forage.core.records import SampleRequest, SamplingParams
from forage.engines.local import cache, decoding
from forage.engines.local.decoding import Capture, GraphedPass, Work, decoding_pass, graphed_pass
from forage.engines.local.engine import LocalEngine
from forage.engines.local.model import LocalModel
from forage.engines.local.sampler import LocalSampler

PARAMS = SamplingParams(max_tokens=16)


class Recorder:
    """A capture that repeats the work, and counts. It stands for CUDA's, for which a GPU is needed."""

    def __init__(self) -> None:
        self.captured = 0
        self.repeated = 0

    def __call__(self, work: Work) -> Work:
        self.captured += 1

        def repeat() -> Tensor:
            self.repeated += 1
            return work()

        return repeat


def graphed(model: LocalModel, capture: Capture, asked: list[SampleRequest], params: SamplingParams, rows: int = 6):
    decoding = partial(GraphedPass, capture=capture)
    return dict(LocalSampler(model, rows=rows, decoding=decoding).sample(asked, params))


def test_rounded_shapes_change_nothing(
    family: str, module_of: Modules, tokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, recorder = LocalModel(module_of(family), tokenizer), Recorder()
    monkeypatch.setattr(decoding, "POSITIONS", 8)
    found = graphed(model, recorder, requests(), PARAMS)
    for number, group in sampled(model, requests(), PARAMS, rows=6).items():
        for one, other in zip(group, found[number], strict=True):
            assert other.tokens == one.tokens
            assert other.logprobs == pytest.approx(one.logprobs, abs=1e-4)
    assert recorder.repeated > 2 * recorder.captured > 0


def test_a_shape_is_captured_at_its_second_pass_and_again_when_the_cache_has_moved(
    module_of: Modules, tokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, recorder = LocalModel(module_of("llama"), tokenizer), Recorder()
    asked = [SampleRequest((5, 6, 7, 8, 9), 1, seed=0)]
    graphed(model, recorder, asked, SamplingParams(max_tokens=3))  # one token of the start, two passes of one shape
    assert (recorder.captured, recorder.repeated) == (1, 1)
    monkeypatch.setattr(cache, "POSITIONS", 6)
    monkeypatch.setattr(decoding, "POSITIONS", 16)
    recorder = Recorder()
    asked = [SampleRequest((5, 6, 7, 8, 9), 1, seed=2), SampleRequest((5, 6, 7), 1, seed=2)]
    found = graphed(model, recorder, asked, SamplingParams(max_tokens=40), rows=1)
    assert [len(group[0].tokens) for group in found.values()] == [40, 40]
    # The first row reads 16, 32 and 45 positions, for which the cache moves each time; the second reads 16 and 32 anew.
    assert recorder.captured == 5


def test_a_model_that_cannot_be_captured_decodes_without_graphs_and_says_so(module_of: Modules, tokenizer) -> None:
    model, tries = LocalModel(module_of("llama"), tokenizer), []

    def capture(work: Work) -> Work:
        tries.append(work)
        raise RuntimeError("operation not permitted when stream is capturing\nmore lines")

    with pytest.warns(UserWarning, match=r"LlamaForCausalLM decodes without CUDA graphs.*not permitted") as warned:
        found = graphed(model, capture, requests(), PARAMS)
    assert len(tries) == len(warned) == 1
    for number, group in sampled(model, requests(), PARAMS, rows=6).items():
        assert [one.tokens for one in found[number]] == [one.tokens for one in group]


def test_an_engine_decodes_in_graphs_where_it_is_asked_to_on_a_gpu(tiny_base: Path) -> None:
    assert LocalEngine(device="cuda", cuda_graphs=True).decoding is graphed_pass
    assert LocalEngine(device="cuda").decoding is decoding_pass
    for engine in (LocalEngine(threads=1, matmul="highest", cuda_graphs=graphs) for graphs in (False, True)):
        opened = engine.open(str(tiny_base)).sampler
        assert isinstance(opened, LocalSampler)
        assert opened._decoding is decoding_pass, "a CPU has no graphs"
