"""Labeling by continuations: counts that can be predicted, shared prefixes, and shards that resume bit for bit."""

import json
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Literal

import pytest

from forage.core.errors import ForageError
from forage.core.protocols import Task, Tools
from forage.core.records import UNJUDGED, Completion, Problem, SampleRequest, SamplingParams, Score
from forage.reward_models.prm.label import Generators, Labeling, label
from forage.tasks.step_texts import step_texts
from forage.verification.judge import InlineJudge

PROBLEMS = tuple(Problem(id=f"p{i}", prompt=f"{i} ?", answer="x", task="letters") for i in range(10))
IDENTITY = {"fingerprint": "aa"}
END = 0


@dataclass(frozen=True, kw_only=True)
class Letters(Task):
    """Tokens are letters; a step ends with a dot. Right is what ends in x., and what holds a u cannot be judged."""

    name: ClassVar[str] = "letters"

    def problems(self, split: Literal["train", "test"]) -> Sequence[Problem]:
        return PROBLEMS

    def verify(self, problem: Problem, text: str) -> Score:
        if "u" in text:
            return UNJUDGED
        right = float(text.endswith("x."))
        return Score(right, {"correct": right, "commit": float(text.endswith("."))})

    def step_ends(self, pieces: Sequence[str]) -> tuple[int, ...]:
        return tuple(i + 1 for i, piece in enumerate(pieces) if piece == "." or i + 1 == len(pieces))


class LetterCodec:
    def prompt(self, problem: Problem) -> tuple[int, ...]:
        return tuple(map(ord, str(problem.prompt)))

    def encode(self, text: str) -> tuple[int, ...]:
        return tuple(map(ord, text))

    def decode(self, tokens: Sequence[int]) -> str:
        return "".join(chr(token) for token in tokens if token != END)

    def pieces(self, tokens: Sequence[int]) -> tuple[str, ...]:
        return tuple(self.decode([token]) for token in tokens)


class Scripted:
    """Answers what the text so far asks for, sibling by sibling; remembers what it was asked."""

    version = 0

    def __init__(self, answers: dict[str, list[str]], *, die_after: int | None = None) -> None:
        self.answers, self.asked, self.die_after = answers, list[str](), die_after

    def sample(
        self, requests: Sequence[SampleRequest], params: SamplingParams
    ) -> Iterator[tuple[int, tuple[Completion, ...]]]:
        for order in reversed(range(len(requests))):
            if self.die_after is not None and len(self.asked) >= self.die_after:
                raise KeyboardInterrupt
            prefix = LetterCodec().decode(requests[order].tokens).partition("?")[2]
            self.asked.append(prefix)
            choices = self.answers[prefix]
            texts = [choices[i % len(choices)] for i in range(requests[order].group_size)]
            yield order, tuple(self._completion(text[: params.max_tokens]) for text in texts)

    def _completion(self, text: str) -> Completion:
        tokens = (*map(ord, text), END)
        return Completion(tokens, (0.0,) * len(tokens), (0.0,) * len(tokens), "eos")


ANSWERS = {"": ["a.b.x.", "a.b.y.", "a.x."], "a.": ["x.", "y.", "no", "u"], "a.b.": ["x."]}


def generators(sampler: Scripted, **settings: Any) -> Generators:
    task = Letters()
    tools = Tools(LetterCodec(), sampler, InlineJudge(task))
    return Generators(solver=tools, completer=tools, task=task, params=SamplingParams(max_tokens=20, **settings))


def run(sampler: Scripted, shards: Path, *, problems: int = 2, **plan: Any) -> list[Any]:
    found = label(
        generators(sampler),
        PROBLEMS[:problems],
        Labeling(**{"solutions": 3, "continuations": 8, **plan}),
        identity=IDENTITY,
        shards=shards,
    )
    return [solution.to_json() for solution in found.solutions]


def test_counts_by_hand(tmp_path: Path) -> None:
    first = run(Scripted(ANSWERS), tmp_path)[0]
    assert (first["problem"], first["steps"], first["outcome"]) == ("p0", ["a.", "b.", "x."], 1)
    assert first["counts"] == [
        {"right": 2, "wrong": 2, "unanswered": 2, "unjudged": 2},
        {"right": 8, "wrong": 0, "unanswered": 0, "unjudged": 0},
    ]
    assert first["soft"] == [pytest.approx(1 / 3), 1, 1]
    assert first["hard"] == [1, 1, 1]
    assert run(Scripted(ANSWERS), tmp_path)[1]["outcome"] == 0


def test_progress_is_heard_within_a_block(tmp_path: Path) -> None:
    heard: list[tuple[int, int, str]] = []
    label(
        generators(Scripted(ANSWERS)),
        PROBLEMS[:1],
        Labeling(solutions=3, continuations=8),
        identity=IDENTITY,
        shards=tmp_path,
        on_progress=lambda done, total, note="": heard.append((done, total, note)),
    )
    told = [(0, 1, f"blocks, {number} of 2 prefixes continued") for number in (1, 2)]
    assert heard == [*told, (1, 1, "blocks")]


def test_a_shared_prefix_is_continued_once(tmp_path: Path) -> None:
    sampler = Scripted(ANSWERS)
    run(sampler, tmp_path, problems=1)
    assert sorted(sampler.asked) == ["", "a.", "a.b."]


def test_a_continuation_ends_where_the_response_would(tmp_path: Path) -> None:
    long = "y" * 30
    sampler = Scripted({"": ["a.x."], "a.": [f"{'y' * 16}x.", f"{'y' * 17}x.", long]})
    (row,) = run(sampler, tmp_path, problems=1, solutions=1, continuations=3)
    # 2 of 20 tokens are used: 18 are left, which the first continuation needs and the second exceeds.
    assert row["counts"] == [{"right": 1, "wrong": 0, "unanswered": 2, "unjudged": 0}]


def test_interrupted_and_resumed_is_uninterrupted(tmp_path: Path) -> None:
    whole = run(Scripted(ANSWERS), tmp_path / "one", problems=10)
    with pytest.raises(KeyboardInterrupt):
        run(Scripted(ANSWERS, die_after=28), tmp_path / "two", problems=10)
    again = Scripted(ANSWERS)
    assert run(again, tmp_path / "two", problems=10) == whole
    assert len(again.asked) == 6, "only the last two problems were sampled again"
    done = Scripted(ANSWERS)
    assert run(done, tmp_path / "two", problems=10) == whole
    assert not done.asked


def test_other_settings_are_other_labels_and_damage_is_sampled_again(tmp_path: Path) -> None:
    run(Scripted(ANSWERS), tmp_path)
    other = Scripted(ANSWERS)
    run(other, tmp_path, continuations=4)
    assert other.asked
    (shard, _) = sorted(tmp_path.rglob("*.jsonl"))
    shard.write_bytes(shard.read_bytes().replace(b'"right": ', b'"right": 1', 1))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for plan in ({}, {"continuations": 4}):
            run(Scripted(ANSWERS), tmp_path, **plan)
    assert [str(shard) in str(warning.message) for warning in caught] == [True]


def test_a_response_without_text_has_no_steps(tmp_path: Path) -> None:
    rows = run(Scripted({"": ["", "x."]}), tmp_path, problems=1, solutions=2)
    assert [row["steps"] for row in rows] == [["x."]]
    assert step_texts(["a", ".", "", ""], [2, 3, 4]) == [(2, "a.")]


def test_models_of_two_tokenizers_are_refused(tmp_path: Path) -> None:
    class Shifted(LetterCodec):
        def decode(self, tokens: Sequence[int]) -> str:
            return "".join(chr(token + 1) for token in tokens)

    mixed = generators(Scripted(ANSWERS))
    mixed = replace(mixed, completer=replace(mixed.completer, codec=Shifted()))
    with pytest.raises(ForageError, match="one tokenizer"):
        label(mixed, PROBLEMS[:1], Labeling(), identity=IDENTITY, shards=tmp_path)


def test_nothing_to_sample_is_refused() -> None:
    with pytest.raises(ForageError, match="at least one"):
        Labeling(continuations=0)


def test_labels_are_json_lines(tmp_path: Path) -> None:
    run(Scripted(ANSWERS), tmp_path)
    (shard,) = tmp_path.rglob("*.jsonl")
    checksum, *rows = shard.read_text().splitlines()
    assert len(checksum) == 32
    assert all(json.loads(row)["prompt"].endswith("?") for row in rows)
