"""Examples from tables and from runs."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from forage.core.errors import ForageError
from forage.core.records import Message
from forage.store.dataset_folder import write_dataset
from forage.store.run_directory import RunDirectory
from forage.training import examples as module
from forage.training.examples import Example, digest_of, examples_of_run, read_examples


def written(folder: Path, *rows: dict[str, Any]) -> Path:
    file = folder / "rows.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return file


def test_two_columns_of_a_table(tmp_path: Path) -> None:
    file = written(tmp_path, {"q": "1 + 1", "a": {"text": "2"}}, {"q": "2 + 2"}, {"q": "", "a": {"text": "0"}})
    read = read_examples(file, prompt="q", response="a.text", system="Add.")
    assert [(each.prompt, each.response) for each in read.examples] == [("Add.\n\n1 + 1", "2")]
    assert read.examples[0].source.endswith("line 1")
    assert len(read.rejected) == 2
    assert "it has no 'a.text'" in read.rejected[0]
    assert "its prompt is empty" in read.rejected[1]


def test_chats_as_messages_on_both_sides(tmp_path: Path) -> None:
    turns = [{"role": "user", "content": "1 + 1"}]
    file = written(tmp_path, {"prompt": turns, "completion": [{"role": "assistant", "content": "[2]"}]})
    (example,) = read_examples(file, template="chat").examples
    assert example.prompt == (Message("user", "1 + 1"),)
    assert example.response == "[2]"


@pytest.mark.parametrize("text", ["[{ is no message", '[{"role": "user", "content": "2"}]'])
def test_other_texts_that_begin_like_messages_stay(text: str, tmp_path: Path) -> None:
    (example,) = read_examples(written(tmp_path, {"prompt": "q", "completion": text})).examples
    assert example.response == text


def test_a_table_without_an_example_says_why(tmp_path: Path) -> None:
    with pytest.raises(ForageError, match=r"No row of .* is an example: .*line 1: it has no 'completion'"):
        read_examples(written(tmp_path, {"prompt": "q", "answer": "2"}))
    with pytest.raises(ForageError, match="There is no table"):
        read_examples(tmp_path / "nosuch.jsonl")


def rollout(text: str, correct: float, problem: str = "p", **more: Any) -> dict[str, Any]:
    return {"problem": problem, "prompt": "decoded", "text": text, "correct": correct, "prefix": [], "given": []} | more


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunDirectory:
    monkeypatch.setattr(module, "prompts_of_run", lambda path: {"p": (Message("user", "1 + 1"),)})
    return RunDirectory.create(tmp_path / "run", {"part": "Recipe"})


def kept(run: RunDirectory, *rows: dict[str, Any]) -> RunDirectory:
    blank = {"step": 1, "group": 0, "sibling": 0, "pieces": [], "tokens": [], "logprobs": [], "entropies": []}
    blank |= {"advantages": [], "values": [], "reward": 0.0, "mode": None, "stop": "eos"}
    run.write_rollouts(1, [blank | row for row in rows])
    return run


def test_right_responses_of_a_run_once_and_with_its_prompts(run: RunDirectory) -> None:
    kept(run, rollout("2", 1.0), rollout("3", 0.0), rollout("2", 1.0), rollout("two", 1.0, prefix=[4]))
    kept(run, rollout("2", 1.0), rollout("3", 0.0), rollout("2", 1.0), rollout("two", 1.0, prefix=[4]))
    (example,) = examples_of_run(run.path).examples
    assert (example.prompt, example.response) == ((Message("user", "1 + 1"),), "2")
    assert "step 1, problem p" in example.source


def test_runs_without_a_right_response_and_with_an_environments_text_are_refused(run: RunDirectory) -> None:
    kept(run, rollout("3", 0.0))
    with pytest.raises(ForageError, match="has kept no right response"):
        examples_of_run(run.path)
    kept(run, rollout("2", 1.0, given=[[0, 1]]))
    with pytest.raises(ForageError, match="text that an environment wrote"):
        examples_of_run(run.path)


def test_exported_responses_are_read_back(tmp_path: Path) -> None:
    for name, prompts in (("plain", None), ("chat", {"p": (Message("user", "1 + 1"),)})):
        write_dataset([rollout("2", 1.0)], "sft", tmp_path / name, prompts=prompts)
        template = "chat" if prompts else "none"
        (example,) = read_examples(tmp_path / name, template=template).examples
        assert example.response == "2"
        assert example.prompt == (prompts["p"] if prompts else "decoded")


def test_sources_are_no_part_of_what_is_learned() -> None:
    example = Example(prompt="a", response="b", source="c")
    assert digest_of([example]) == digest_of([replace(example, source="d")])
    assert digest_of([example]) != digest_of([replace(example, response="d")])
