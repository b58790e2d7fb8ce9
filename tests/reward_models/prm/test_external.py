"""Labeling solutions of others, sharing the work out, and re-prompting."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from forage.cli import main
from forage.core.errors import ForageError
from forage.core.records import SampleRequest, SamplingParams
from forage.core.seeds import derive_seed
from forage.engines.local.engine import LocalEngine
from forage.reward_models.prm.formats import read_labels
from forage.reward_models.prm.label import REPROMPT, Labeling
from forage.reward_models.prm.shards import Share
from forage.reward_models.prm.solutions import read_solutions
from forage.tasks.countdown import Countdown

CONTINUATIONS = 2
SETTINGS = ["--continuations", str(CONTINUATIONS), "--max-tokens", "24", "--threads", "1", "--seed", "5"]


def label(of: Path, out: Path, *more: str) -> list[dict[str, Any]]:
    assert main(["prm", "label", str(of), "--out", str(out), *SETTINGS, *more]) == 0
    file = out / "labels.jsonl"
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


@pytest.fixture(scope="module")
def own(tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("own")
    label(tiny_base, out, "--problems", "20", "--solutions", "2")
    return out / "labels.jsonl"


def rewrite(own: Path, to: Path, change: Callable[[dict[str, Any]], dict[str, Any]]) -> Path:
    rows = [json.loads(line) for line in own.read_text().splitlines()]
    to.write_text("".join(json.dumps(change(row)) + "\n" for row in rows))
    return to


def as_steps(row: dict[str, Any]) -> dict[str, Any]:
    return {"prompt": row["prompt"], "steps": row["steps"]}


def as_one_text(row: dict[str, Any]) -> dict[str, Any]:
    return {"prompt": row["prompt"], "solution": "".join(row["steps"])}


def as_trl(row: dict[str, Any]) -> dict[str, Any]:
    return {"prompt": row["prompt"], "completions": row["steps"], "labels": [True] * len(row["steps"])}


def texts_that_are_all_of_their_tokens(base: Path) -> set[str]:
    """This base sometimes writes a token without text; such a response cannot be read back from its text."""
    opened = LocalEngine(threads=1).open(str(base))
    requests = [
        SampleRequest(opened.codec.prompt(problem), 2, derive_seed(5, "solution", problem.id))
        for problem in Countdown().problems("train")[:20]
    ]
    drawn = [each for _, some in opened.sampler.sample(requests, SamplingParams(max_tokens=24)) for each in some]
    spoken = [each.tokens[:-1] if each.stop == "eos" else each.tokens for each in drawn]
    decode, encode = opened.codec.decode, opened.codec.encode
    return {decode(tokens) for tokens in spoken if encode(decode(tokens)) == tokens}


@pytest.mark.parametrize("change", [as_steps, as_one_text, as_trl])
def test_our_own_solutions_as_external_ones_get_the_same_labels(
    change: Callable[[dict[str, Any]], dict[str, Any]], own: Path, tiny_base: Path, tmp_path: Path
) -> None:
    every = [json.loads(line) for line in own.read_text().splitlines()]
    external = rewrite(own, tmp_path / "theirs.jsonl", change)
    back = label(external, tmp_path / "out", "--policy", str(tiny_base))
    whole = texts_that_are_all_of_their_tokens(tiny_base)
    kept = [number for number, row in enumerate(every) if "".join(row["steps"]).strip() in whole]
    wanted, found = [every[number] for number in kept], [back[number] for number in kept]
    assert sum(len(row["counts"]) for row in wanted) > 60
    for key in ("problem", "prompt", "counts", "outcome", "soft"):
        assert [row[key] for row in found] == [row[key] for row in wanted]
    assert ["".join(row["steps"]).split() for row in found] == ["".join(row["steps"]).split() for row in wanted]


def test_shards_together_are_the_whole(
    own: Path, tiny_base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert not label(tiny_base, out, "--problems", "20", "--solutions", "2", "--shard", "2/2")
    assert "2 blocks of other shards are missing" in " ".join(capsys.readouterr().err.split())
    label(tiny_base, out, "--problems", "20", "--solutions", "2", "--shard", "1/2")
    assert (out / "labels.jsonl").read_bytes() == own.read_bytes()
    external = rewrite(own, tmp_path / "theirs.jsonl", as_steps)
    whole = label(external, tmp_path / "whole", "--policy", str(tiny_base))
    label(external, tmp_path / "parts", "--policy", str(tiny_base), "--shard", "1/2")
    assert label(external, tmp_path / "parts", "--policy", str(tiny_base), "--shard", "2/2") == whole


def test_what_cannot_be_labelled_is_named_by_line(
    own: Path, tiny_base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = as_steps(json.loads(own.read_text().splitlines()[0]))
    rows = [
        good,
        {"prompt": "use 9 9 9 to make 9", "steps": ["so"]},
        {**good, "steps": ["try 1 + 2 = 3 3 ", "bonjour ", "so"]},
        {**good, "steps": ["try 1 + 2 = 3 3 " * 9, "so"]},
        {"prompt": "use 9 9 9 to make 9"},
        {**good, "steps": "so"},
        {"text": "a ки b", "value": [1]},
        {**good, "steps": [" "]},
    ]
    file = tmp_path / "theirs.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows) + "{\n")
    assert len(label(file, tmp_path / "out", "--policy", str(tiny_base))) == 1
    said = " ".join(capsys.readouterr().err.split())
    assert "8 rows were rejected in all" in said
    assert f"{file}, line 5: it has the keys prompt; needed are" in said
    assert f"{file}, line 7: there is text after the last tag" in said
    _, unreadable = read_solutions(file)
    assert [each.source for each in unreadable] == [f"{file}, line {number}" for number in (5, 6, 7, 8, 9)]
    file.write_text(json.dumps(rows[1]) + "\n")
    assert main(["prm", "label", str(file), "--out", str(tmp_path / "none"), "--policy", str(tiny_base)]) == 2
    assert "no answer to compare with" in " ".join(capsys.readouterr().err.split())
    assert main(["prm", "label", str(file), "--out", str(tmp_path / "none")]) == 2
    assert "Name a model with --policy" in " ".join(capsys.readouterr().err.split())


def test_a_question_of_its_own_is_verified_with_its_answer(tiny_base: Path, tmp_path: Path) -> None:
    file = tmp_path / "theirs.jsonl"
    steps = ["try 5 + 3 = 8 6 ", "try 8 + 6 = 14 ", "so"]
    row = {"prompt": "use 3 5 and 6 to make 14", "steps": steps, "answer": "14"}
    file.write_text(json.dumps(row) + "\n" + json.dumps({**row, "steps": [*steps[:1], "so"]}) + "\n")
    first, second = label(file, tmp_path / "out", "--policy", str(tiny_base))
    assert (first["outcome"], second["outcome"]) == (1, 0)


def test_a_reprompt_asks_anew(own: Path, tiny_base: Path, tmp_path: Path) -> None:
    """Question and steps in a new prompt read the same words here, so only the room for the answer differs."""
    external = rewrite(own, tmp_path / "theirs.jsonl", as_steps)
    again = label(external, tmp_path / "again", "--policy", str(tiny_base), "--reprompt", "{prompt} {steps}")
    plain = [json.loads(line) for line in own.read_text().splitlines()]
    counts = [count for row in again for count in row["counts"]]
    assert len(counts) == sum(len(row["counts"]) for row in plain)
    assert all(sum(count.values()) == CONTINUATIONS for count in counts)
    short = sum(count["unanswered"] for row in plain for count in row["counts"])
    assert sum(count["unanswered"] for count in counts) <= short, "a new prompt leaves room for a whole answer"


def test_a_reprompt_in_unknown_words_is_a_sentence(
    own: Path, tiny_base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    external = rewrite(own, tmp_path / "theirs.jsonl", as_steps)
    command = ["prm", "label", str(external), "--out", str(tmp_path / "out"), "--policy", str(tiny_base)]
    assert main([*command, "--continuations", "1", "--reprompt", "default", "--threads", "1"]) == 2
    assert "cannot read the re-prompt" in capsys.readouterr().err


def test_wrong_wishes_are_sentences() -> None:
    with pytest.raises(ForageError, match="where the question and the steps"):
        Labeling(reprompt="go on")
    assert Labeling(reprompt=REPROMPT).reprompt
    for text in ("3", "0/2", "3/2", "a/b", "1/0"):
        with pytest.raises(ForageError, match="A shard is i/n"):
            Share.parse(text)


def test_fewer_continuations_are_drawn_from_the_counts(own: Path, tmp_path: Path) -> None:
    """One right continuation of three: of two drawn ones none or one is right, which the seed decides."""

    def mixed(row: dict[str, Any]) -> dict[str, Any]:
        counts = [{**count, "right": 1, "wrong": 2, "unanswered": 0, "unjudged": 0} for count in row["counts"]]
        return {**row, "counts": counts, "outcome": 1}

    file = rewrite(own, tmp_path / "mixed.jsonl", mixed)
    whole, few = (read_labels(file, eta=0, m=m).solutions for m in (None, 2))
    assert [row.steps for row in few] == [row.steps for row in whole]
    assert {value for row in few for value in row.values[:-1]} == {0.0, 0.5}
    assert read_labels(file, eta=0, m=3).solutions == whole
    assert read_labels(file, eta=0, m=2, seed=1).solutions != few
