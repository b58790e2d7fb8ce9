"""Who says which of two responses is better: the verifier, a function of the user's own, or a language model."""

import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from forage.core.errors import ForageError
from forage.core.records import Message, Problem, Rollout, Score
from forage.engines.local.codec import LocalCodec
from forage.engines.local.model import LocalModel
from forage.engines.local.positions import positions_of
from forage.engines.local.response_logprobs import response_logprobs
from forage.tasks.own_function import check_name, load_function

Pair = tuple[int, int]

PLACES = ("{question}", "{first}", "{second}")

PROMPT = """Question:
{question}

Response 1:
{first}

Response 2:
{second}

Which response answers the question better, 1 or 2? The better response is response"""


class PairJudge(ABC):
    """Labels pairs of siblings: a frozen dataclass."""

    @abstractmethod
    def __call__(self, rollouts: Sequence[Rollout], scores: Sequence[Score], pairs: Sequence[Pair]) -> list[float]:
        """For every pair of places how surely the first response is better: 1, 0, or 1/2 for a tie."""


@dataclass(frozen=True, kw_only=True)
class VerdictJudge(PairJudge):
    """The task's verifier: a right response is better than a wrong one, and two of a kind are a tie."""

    def __call__(self, rollouts: Sequence[Rollout], scores: Sequence[Score], pairs: Sequence[Pair]) -> list[float]:
        return [(1 + scores[first].correct - scores[second].correct) / 2 for first, second in pairs]


@dataclass(frozen=True, kw_only=True)
class FunctionJudge(PairJudge):
    """`function` (`module:function`), called with the problem and both texts.

    It returns how surely the first is better, a number from 0 to 1 or a bool, or None for a tie. It is called in the
    process that trains.
    """

    function: str

    def __post_init__(self) -> None:
        check_name(self.function)  # loading it is for the process that trains: reading a recipe must run nothing

    def __call__(self, rollouts: Sequence[Rollout], scores: Sequence[Score], pairs: Sequence[Pair]) -> list[float]:
        function, problem = load_function(self.function), rollouts[0].start.problem
        return [self._label(function(problem, rollouts[a].text, rollouts[b].text)) for a, b in pairs]

    def _label(self, verdict: object) -> float:
        if verdict is None:
            return 0.5
        label = float(verdict) if isinstance(verdict, bool | int | float) else float("nan")
        if not 0 <= label <= 1:
            raise ForageError(
                f"The judge {self.function} must say how surely the first response is better, a number from 0 to 1, or "
                f"None for a tie; it returned {verdict!r}."
            )
        return label


@dataclass(frozen=True, kw_only=True)
class ModelJudge(PairJudge):
    """A language model, asked which is better: the chance of "1" beside "2", its next word.

    Every pair is asked in both orders and the labels are averaged, so that a liking for a place cancels. `prompt` is a
    text with {question}, {first} and {second}; a model with a chat template gets it as a user's message.
    """

    model: str
    prompt: str = PROMPT
    device: str = "cpu"

    def __post_init__(self) -> None:
        check_prompt(self.prompt)

    def __call__(self, rollouts: Sequence[Rollout], scores: Sequence[Score], pairs: Sequence[Pair]) -> list[float]:
        problem, texts = rollouts[0].start.problem, [rollout.text for rollout in rollouts]
        forward = self._chances([self._asked(problem, texts[a], texts[b]) for a, b in pairs])
        reverse = self._chances([self._asked(problem, texts[b], texts[a]) for a, b in pairs])
        return [(chance + 1 - exchanged) / 2 for chance, exchanged in zip(forward, reverse, strict=True)]

    @cached_property
    def _opened(self) -> LocalModel:
        """Loaded when the first pair is judged."""
        return LocalModel.load(self.model, device=self.device)

    @cached_property
    def _codec(self) -> LocalCodec:
        return LocalCodec(self._opened.tokenizer)

    @property
    def _chats(self) -> bool:
        tokenizer: Any = self._opened.tokenizer
        return bool(tokenizer.chat_template)

    @cached_property
    def _words(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """The tokens of "1" and of "2" as the next word."""
        first, second = (self._codec.encode(word if self._chats else f" {word}") for word in ("1", "2"))
        if not first or not second or first == second:
            raise ForageError(f"The judge {self.model} cannot say 1 or 2: its tokenizer reads both as {first}.")
        return first, second

    def _asked(self, problem: Problem, first: str, second: str) -> tuple[int, ...]:
        parts = {"question": problem.question, "first": first, "second": second}
        text = re.sub(r"{(question|first|second)}", lambda place: parts[place[1]], self.prompt)
        return self._codec.encode_prompt((Message("user", text),) if self._chats else text, name="a judge's question")

    def _chances(self, prompts: Sequence[tuple[int, ...]]) -> list[float]:
        if not prompts:
            return []
        room, longest = positions_of(self._opened.config), max(map(len, prompts)) + max(map(len, self._words))
        if room is not None and longest > room:
            raise ForageError(
                f"The judge {self.model} has room for {room} tokens, and a question about two responses has {longest}. "
                "Give a shorter `prompt`, shorter responses or another judge."
            )
        rows = response_logprobs(self._opened, prompts, [self._words] * len(prompts))
        return torch.stack(rows).softmax(1)[:, 0].tolist()


def check_prompt(prompt: str) -> None:
    """Raises ForageError for a text without all places of a judge's question."""
    missing = [place for place in PLACES if place not in prompt]
    if missing:
        raise ForageError(f"A judge's question needs {', '.join(PLACES)}; {' and '.join(missing)} is missing.")


def judge_of(name: str, *, prompt: str = "", device: str = "cpu") -> PairJudge:
    """The judge that a person names: "verifier", `python:module:function`, or the folder or name of a model.

    `prompt` is the file of a model's question. Raises ForageError for a file that cannot be read.
    """
    if not name.startswith("python:") and name != "verifier":
        return ModelJudge(model=name, prompt=_read(prompt) if prompt else PROMPT, device=device)
    if prompt:
        raise ForageError("Only a model is asked with a prompt: leave it out, or name a model as the judge.")
    return VerdictJudge() if name == "verifier" else FunctionJudge(function=name.removeprefix("python:"))


def _read(prompt: str) -> str:
    try:
        return Path(prompt).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ForageError(f"The judge's question {prompt} cannot be read: {error}.") from error
