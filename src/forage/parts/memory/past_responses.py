"""Like past successes, unlike past failures: a reward from the responses to similar questions (arXiv 2504.02273)."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from forage.core.errors import ForageError
from forage.core.mode_keys import permuted
from forage.core.protocols import Memory, MemoryConfig
from forage.core.records import Group, Problem, Score, Start
from forage.grams.mining.embedding import embedder
from forage.ops.novelty import window_scale
from forage.ops.response_memory import check_memory_reward, likeness_reward, memory_reward, unlikeness_reward
from forage.parts.memory.outcomes import require_verdicts
from forage.parts.memory.shuffled import ShuffledProblems

LIKENESS, NOVELTY, REWARD = "memory_likeness", "memory_novelty", "memory_reward"
"""Parts of a score: bare likeness to successes, bare unlikeness to failures, and what was added to the value."""

LEAST = 1e-6
"""A window whose values differ by no more is constant: that is the rounding of float32 vectors."""

VECTORS = 1 << 16
"""Text vectors that are kept at hand."""


@dataclass(frozen=True, kw_only=True)
class PastResponses(MemoryConfig):
    """Fresh problems only, as `ShuffledProblems` draws them, and the right and wrong responses to every question.

    A response is compared with what is remembered of the `neighbors` most similar questions, its own among them:
    `likeness_reward` to their right responses and, after `warmup` steps, `unlikeness_reward` to their wrong ones. Each
    is put on the scale of the step and of the `window` values before it, and `memory_reward` of both, with the weights
    `exploit` and `explore`, is added to the value. A step is scored before anything of it is remembered, so a response
    never meets itself. The newest `slots` right and wrong responses to a question are kept, of the newest `questions`
    with any (0: of all).

    `encoder` names the text vectors: "" for hashed words and trigrams, "minilm", or another encoder's name or folder.
    With `permuted` what siblings get is dealt anew among the right ones, and among the wrong ones: the control.
    """

    exploit: float = 1.0
    explore: float = 1.0
    neighbors: int = 1
    slots: int = 100
    questions: int = 0
    window: int = 100
    warmup: int = 50
    encoder: str = ""
    permuted: bool = False

    def __post_init__(self) -> None:
        check_memory_reward(self.exploit, self.explore)
        if min(self.neighbors, self.slots) < 1 or min(self.questions, self.window, self.warmup) < 0:
            raise ForageError(
                "A memory of responses compares with 1 or more neighbors, keeps 1 or more slots, and has questions, "
                f"a window and a warm-up of 0 or more, not {self.neighbors}, {self.slots}, {self.questions}, "
                f"{self.window} and {self.warmup}."
            )

    def open(self, problems: Sequence[Problem], *, seed: int) -> Memory:
        return _PastResponses(self, problems, seed=seed)


class _PastResponses(Memory):
    def __init__(self, config: PastResponses, problems: Sequence[Problem], *, seed: int) -> None:
        self._config = config
        self._fresh = ShuffledProblems().open(problems, seed=seed)
        embed = embedder(config.encoder or None)

        @lru_cache(maxsize=VECTORS)
        def vector(text: str) -> Tensor:
            # Each text alone: in a batch an encoder's padding would round it, and a resumed run batches differently.
            return torch.from_numpy(embed([text], corpus=()))[0]

        self._vector = vector
        self._right = _Kept(config, vector)
        self._wrong = _Kept(config, vector)
        self._earlier: dict[str, list[float]] = {LIKENESS: [], NOVELTY: []}

    def draw(self, count: int, *, step: int) -> tuple[Start, ...]:
        return self._fresh.draw(count, step=step)

    def marked(self, groups: Sequence[Group], *, step: int) -> tuple[Group, ...]:
        """Raises ForageError where rewards are graded: nothing then says what succeeded."""
        require_verdicts(groups, what="memory_r")
        bare = {LIKENESS: [self._likeness(group) for group in groups]}
        bare[NOVELTY] = [self._novelty(group, step) for group in groups]
        scaled = {
            name: window_scale(torch.cat(rows), torch.tensor(self._earlier[name], dtype=torch.float64), least=LEAST)
            for name, rows in bare.items()
        }
        added = memory_reward(
            scaled[LIKENESS], scaled[NOVELTY], exploit_weight=self._config.exploit, explore_weight=self._config.explore
        ).split([len(group.scores) for group in groups])
        return tuple(
            self._with_reward(group, {name: rows[number].tolist() for name, rows in bare.items()}, added[number])
            for number, group in enumerate(groups)
        )

    def record(self, groups: Sequence[Group], *, step: int) -> None:
        for name, earlier in self._earlier.items():
            earlier += [score.parts[name] for group in groups for score in group.scores if name in score.parts]
            del earlier[: max(0, len(earlier) - self._config.window)]
        for group in groups:
            for rollout, score in zip(group.rollouts, group.scores, strict=True):
                if score.judged:
                    kept = self._right if score.correct else self._wrong
                    kept.add(group.start.problem.question, rollout.text)
        self._fresh.record(groups, step=step)

    def state(self) -> dict[str, Any]:
        return {
            "fresh": self._fresh.state(),
            "right": self._right.state(),
            "wrong": self._wrong.state(),
            "earlier": {name: list(values) for name, values in self._earlier.items()},
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        self._fresh.restore(state["fresh"])
        self._right.restore(state["right"])
        self._wrong.restore(state["wrong"])
        self._earlier = {name: list(values) for name, values in state["earlier"].items()}

    def _likeness(self, group: Group) -> Tensor:
        return self._compared(group, self._right, likeness_reward)

    def _novelty(self, group: Group, step: int) -> Tensor:
        if step <= self._config.warmup:
            return _unknown(group)
        return self._compared(group, self._wrong, unlikeness_reward)

    def _compared(self, group: Group, kept: "_Kept", rule: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
        """(siblings,) float64, NaN where nothing is remembered or nothing was judged."""
        remembered = kept.near(group.start.problem.question)
        if not remembered:
            return _unknown(group)
        vectors = torch.stack([self._vector(rollout.text) for rollout in group.rollouts])
        judged = torch.tensor([score.judged for score in group.scores])
        return rule(vectors, torch.stack([self._vector(text) for text in remembered])).masked_fill(~judged, torch.nan)

    def _with_reward(self, group: Group, bare: Mapping[str, Sequence[float]], added: Tensor) -> Group:
        amounts: Sequence[float | None] = [
            amount if score.judged else None for amount, score in zip(added.tolist(), group.scores, strict=True)
        ]
        if self._config.permuted:
            amounts = permuted(amounts, group.rollouts, group.scores)
        scores = [
            score if amount is None else _rewarded(score, amount, {name: rows[place] for name, rows in bare.items()})
            for place, (score, amount) in enumerate(zip(group.scores, amounts, strict=True))
        ]
        return replace(group, scores=tuple(scores))


class _Kept:
    """The newest responses to each question, oldest first, and the newest questions."""

    def __init__(self, config: PastResponses, vector: Callable[[str], Tensor]) -> None:
        self._config, self._vector = config, vector
        self._texts: dict[str, list[str]] = {}

    def near(self, question: str) -> list[str]:
        """What is kept of the most similar questions: itself, then, of equally similar ones, the first that was met."""
        if not self._texts:
            return []
        asked = list(self._texts)
        likeness = torch.stack([self._vector(each) for each in asked]) @ self._vector(question)
        likeness[torch.tensor([each == question for each in asked])] = torch.inf  # others may be equal by rounding
        order = likeness.argsort(descending=True, stable=True)[: self._config.neighbors]
        return [text for number in order.tolist() for text in self._texts[asked[number]]]

    def add(self, question: str, text: str) -> None:
        kept = self._texts.setdefault(question, [])
        kept.append(text)
        del kept[: -self._config.slots]
        if 0 < self._config.questions < len(self._texts):
            del self._texts[next(iter(self._texts))]

    def state(self) -> list[list[Any]]:
        return [[question, list(texts)] for question, texts in self._texts.items()]

    def restore(self, state: Iterable[Sequence[Any]]) -> None:
        self._texts = {question: list(texts) for question, texts in state}


def _unknown(group: Group) -> Tensor:
    return torch.full((len(group.scores),), torch.nan, dtype=torch.float64)


def _rewarded(score: Score, amount: float, bare: Mapping[str, float]) -> Score:
    known = {name: value for name, value in bare.items() if value == value}
    rewarded = score.reweighted(score.value + amount, REWARD)
    return replace(rewarded, parts={**rewarded.parts, **known})
