"""Examples of supervised training: the rows of a table, or the right responses of a run."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from forage.core.errors import ForageError
from forage.store.dataset_folder import refuse_given
from forage.store.run_directory import RunDirectory
from forage.tasks.table.files import data_files, read_rows
from forage.tasks.table.prompts import Template, render
from forage.tasks.table.rows import Columns, Prompt, read_entries
from forage.tasks.table.separated import Separated
from forage.training.loop import open_recipe


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """A prompt and the response that is learned. `source` says where it was read."""

    prompt: Prompt
    response: str
    source: str


@dataclass(frozen=True, slots=True)
class Examples:
    """What was read: examples in their order, and a sentence for every row that could not be used."""

    examples: tuple[Example, ...]
    rejected: tuple[str, ...] = ()


def read_examples(
    path: Path,
    *,
    prompt: str = "prompt",
    response: str = "completion",
    system: str = "",
    template: Template = "none",
    separated: Separated | None = None,
) -> Examples:
    """The rows of a table (JSONL, CSV, Parquet, a folder of `datasets`) by two of its columns.

    A prompt is a text or a list of chat messages, a response a text or a list of one message of the assistant. Raises
    ForageError where there is no table, or no row in it that can be used.
    """
    columns = Columns(prompt=prompt, answer=response)
    read = read_entries(read_rows(data_files(path), separated or Separated()), columns)
    rejected = tuple(map(str, read.rejected))
    if not read.entries:
        raise ForageError(f"No row of {path} is an example: {rejected[0] if rejected else 'it has no rows'}.")
    examples = [
        Example(
            prompt=render(entry.prompt, system=system, template=template),
            response=_said_by_assistant(entry.answer),
            source=entry.where,
        )
        for entry in read.entries
    ]
    return Examples(tuple(examples), rejected)


def examples_of_run(path: Path) -> Examples:
    """The right responses that a run has kept, each once, with the prompts of its problems.

    Raises ForageError where it kept none, and where an environment wrote parts of them.
    """
    run, prompts = RunDirectory.open(path), prompts_of_run(path)
    right: dict[tuple[str, str], Example] = {}
    for step in run.rollout_steps():
        for row in run.rollouts(step):
            refuse_given(row)
            if row["correct"] >= 0.5 and not row["prefix"]:
                place = f"{path}, step {step}, problem {row['problem']}"
                prompt = prompts[row["problem"]] if row["problem"] in prompts else row["prompt"]
                right.setdefault(
                    (row["problem"], row["text"]), Example(prompt=prompt, response=row["text"], source=place)
                )
    if not right:
        raise ForageError(f"{path} has kept no right response to learn from: train it with more `rollouts_every`.")
    return Examples(tuple(right.values()))


def prompts_of_run(path: Path) -> dict[str, Prompt]:
    """What a run's model reads before each of its training problems, chats as messages."""
    return {problem.id: problem.prompt for problem in open_recipe(path).task.problems("train")}


def digest_of(examples: Sequence[Example]) -> str:
    """What tells one set of examples from another."""
    digest = hashlib.blake2b(digest_size=16)
    for each in examples:
        digest.update(repr((each.prompt, each.response)).encode("utf-8", "backslashreplace"))
    return digest.hexdigest()


def _said_by_assistant(answer: str) -> str:
    """The text of a response that is written as messages, as trainers of chats do; any other as it is."""
    if not answer.startswith("[{"):
        return answer
    try:
        turns = json.loads(answer)
    except ValueError:
        return answer
    match turns:
        case [{"role": "assistant", "content": str(text)}]:
            return text
    return answer
