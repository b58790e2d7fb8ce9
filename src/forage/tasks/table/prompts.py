"""Prompts of a table: put into the form that the model reads, and compared with one another."""

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from forage.core.records import Message
from forage.tasks.table.rows import Entry, Prompt

Template = Literal["chat", "none"]
"""`chat`: messages, laid out by the tokenizer's chat template. `none`: plain text, read as it is."""


def render(prompt: Prompt, *, system: str, template: Template) -> Prompt:
    """A prompt with the system prompt before it. `none` joins messages by blank lines; their roles are not written.

    A system message of the row itself is kept and comes after `system`, joined to it as one message.
    """
    turns = (Message("user", prompt),) if isinstance(prompt, str) else prompt
    if system:
        own = [turn.content for turn in turns[:1] if turn.role == "system"]
        turns = (Message("system", "\n\n".join([system, *own])), *turns[len(own) :])
    if template == "chat":
        return turns
    return "\n\n".join(turn.content for turn in turns)


def normalized(prompt: Prompt) -> str:
    """What two prompts share when they ask the same: no case, no width of characters, one kind of space.

    Of messages only those that are not the system's count.
    """
    turns = (Message("user", prompt),) if isinstance(prompt, str) else prompt
    text = "\n".join(turn.content for turn in turns if turn.role != "system")
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


@dataclass(frozen=True, slots=True)
class Overlap:
    """Test entries that are training entries too: how many, and where the first one stands in both."""

    count: int
    test: str
    train: str


def find_overlap(train: Iterable[Entry], test: Sequence[Entry]) -> Overlap | None:
    """The entries of `test` whose normalized prompt is one of `train`; None where there is none."""
    known: dict[str, str] = {}
    for entry in train:
        known.setdefault(normalized(entry.prompt), entry.where)
    both = [entry for entry in test if normalized(entry.prompt) in known]
    return Overlap(len(both), both[0].where, known[normalized(both[0].prompt)]) if both else None
