"""A stand-in for the package vllm: the few calls that are used, over our own model, so that its numbers are real.

It answers one completion at each `step`, the last one asked first, and keeps what it was asked and told.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from forage.core.records import SampleRequest, SamplingParams
from forage.engines.local.model import LocalModel
from forage.engines.local.sampler import LocalSampler


@dataclass
class Logprob:
    logprob: float


@dataclass
class CompletionOutput:
    token_ids: list[int]
    logprobs: list[dict[int, Logprob]] | None
    finish_reason: str


@dataclass
class RequestOutput:
    request_id: str
    outputs: list[CompletionOutput]
    finished: bool = True


class Wish:
    """vLLM's SamplingParams: whatever it was made with, by name."""

    def __init__(self, **wish: Any) -> None:
        self.__dict__.update(wish)


@dataclass
class Core:
    closed: bool = False

    def shutdown(self) -> None:
        self.closed = True


@dataclass
class Engine:
    model: LocalModel
    engine_core: Core = field(default_factory=Core)
    asked: list[tuple[str, list[int], Any]] = field(default_factory=list)
    waiting: list[tuple[str, list[int], Any]] = field(default_factory=list)
    aborted: list[str] = field(default_factory=list)
    spoil: Callable[[CompletionOutput], None] = lambda output: None

    def add_request(self, name: str, prompt: dict[str, list[int]], wish: Any) -> str:
        self.asked.append((name, prompt["prompt_token_ids"], wish))
        self.waiting.append(self.asked[-1])
        return name

    def step(self) -> list[RequestOutput]:
        name, tokens, wish = self.waiting.pop()
        output = draw(self.model, tokens, wish)
        self.spoil(output)
        return [RequestOutput(name, [output]), RequestOutput("of somebody else", [output])]

    def abort_request(self, names: list[str]) -> None:
        self.aborted += names


def draw(model: LocalModel, tokens: list[int], wish: Any) -> CompletionOutput:
    params = SamplingParams(temperature=wish.temperature, max_tokens=wish.max_tokens)
    sampler = LocalSampler(model, stop_ids=wish.stop_token_ids)
    ((_, (made,)),) = sampler.sample([SampleRequest(tuple(tokens), 1, wish.seed)], params)
    logprobs = [{token: Logprob(p)} for token, p in zip(made.tokens, made.logprobs, strict=True)]
    return CompletionOutput(list(made.tokens), logprobs, "stop" if made.stop == "eos" else "length")


class LLM:
    made: "list[LLM]" = []  # noqa: RUF012  (one list per installed double)

    def __init__(self, *, model: str, **settings: Any) -> None:
        self.settings, self.loaded = settings, [model]
        self.llm_engine = Engine(LocalModel.load(Path(model)))
        self.forgotten = 0
        self.made.append(self)

    def collective_rpc(self, method: str, kwargs: dict[str, str]) -> list[None]:
        assert method == "reload_weights"
        self.loaded.append(kwargs["weights_path"])
        self.llm_engine.model = LocalModel.load(Path(kwargs["weights_path"]))
        return [None]

    def reset_prefix_cache(self) -> bool:
        self.forgotten += 1
        return True


def install(monkeypatch: pytest.MonkeyPatch) -> list[LLM]:
    """Makes `import vllm` find the stand-in; returns the list of the engines that are started from now on."""
    module = ModuleType("vllm")
    module.__spec__ = ModuleSpec("vllm", loader=None)
    monkeypatch.setattr(LLM, "made", [])
    module.LLM, module.SamplingParams = LLM, Wish  # pyright: ignore[reportAttributeAccessIssue]
    monkeypatch.setitem(sys.modules, "vllm", module)
    return LLM.made
