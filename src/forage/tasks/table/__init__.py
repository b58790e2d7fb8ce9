"""Problems from a table of somebody's own: questions and answers on disk, and a verifier for the responses."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Literal, get_args

from forage.core.errors import ForageError
from forage.core.records import Problem
from forage.core.seeds import derive_seed
from forage.core.spec import parse_call
from forage.tasks.own_modes import OwnModes
from forage.tasks.steps import ends_at, rule_of
from forage.tasks.table.files import content_digest, data_files, has_split, read_rows
from forage.tasks.table.prompts import Template, find_overlap, normalized, render
from forage.tasks.table.rows import Columns, Entry, Read, RejectedRow, read_entries
from forage.tasks.table.separated import Separated
from forage.tasks.verifiers import Verifier, parse_verifier

__all__ = ["Columns", "Separated", "Table", "TableFile", "open_table", "overlap_note", "parse_table"]

Split = Literal["train", "test"]

SHOWN = 5
"""Rejected rows that a message names; the others are counted."""


@dataclass(frozen=True, kw_only=True)
class TableFile:
    """A file or folder of rows; `digest` names the content that was meant, "" where any is."""

    path: str
    digest: str = ""


@dataclass(frozen=True, kw_only=True)
class Table(OwnModes):
    """Problems of a table: `train`, and either a `test` table or a share of the training questions that is held out.

    `test_share` takes whole questions, so that no question is on both sides; `seed` selects which. Where the verifier
    can hang, responses are judged in worker processes. A row that cannot be used ends the reading, or is left out and
    counted with `skip_bad_rows`. `modes` says what distinguishes right answers (`OwnModes`). Raises ForageError where
    the content of a file is not the one that `digest` names.
    """

    name: ClassVar[str] = "table"

    train: TableFile | None = None
    test: TableFile | None = None
    test_share: float = 0.0
    seed: int = 0
    columns: Columns = field(default_factory=Columns)
    separated: Separated = field(default_factory=Separated)
    verifier: Verifier  # pyright: ignore[reportIncompatibleMethodOverride]  (a field serves as well)
    system: str = ""
    template: Template = "none"
    steps: str = "newline"
    skip_bad_rows: bool = False
    modes: str = ""

    def __post_init__(self) -> None:
        rule_of(self.steps)
        self.check_modes()
        if not 0 <= self.test_share < 1:
            raise ForageError(f"The share of test problems lies in [0, 1), and {self.test_share} does not.")
        if self.test is not None and self.test_share:
            raise ForageError("Give a table of test problems or a share to hold out, not both.")
        if self.train is None and self.test is None:
            raise ForageError("A table task needs a table: name its file.")

    def settled(self) -> "Table":
        """This task with absolute paths and with the content of its files named, so that a change is noticed."""
        return replace(self, train=_settled(self.train, "train"), test=_settled(self.test, "test"))

    def problems(self, split: Split) -> Sequence[Problem]:
        if split not in ("train", "test"):
            raise ForageError(f"A table has the splits train and test, not {split!r}.")
        entries = self._entries[split]
        if not entries:
            raise ForageError(
                f"This table has no {split} problems: "
                + ("name a table of them, or hold out a share of the others." if split == "test" else "it has none.")
            )
        names = _names(entries)
        return tuple(
            Problem(
                id=name,
                prompt=render(entry.prompt, system=self.system, template=self.template),
                answer=entry.answer,
                task=self.name,
                tags=entry.tags,
            )
            for name, entry in zip(names, entries, strict=True)
        )

    def step_ends(self, pieces: Sequence[str]) -> tuple[int, ...]:
        return ends_at(pieces, rule_of(self.steps))

    def reference(self, problem: Problem) -> str | None:
        return self._solutions.get(problem.id)

    def notes(self) -> tuple[str, ...]:
        """How many problems there are, which rows were left out, and whether test problems are training problems."""
        sizes = [f"{len(entries)} {split} problems" for split, entries in self._entries.items() if entries]
        notes = [f"{' and '.join(sizes)}{' (held out by question)' if self.test_share else ''}."]
        if self._rejected:
            notes.append(f"{len(self._rejected)} rows were left out: {_shown(self._rejected)}")
        for split, entries in self._entries.items():
            if repeated := len(entries) - len({(normalized(entry.prompt), entry.answer) for entry in entries}):
                notes.append(f"{repeated} {split} problems repeat an earlier one, question and answer.")
            notes += _contradictions(entries, split)
        return (*notes, *overlap_note(self, self))

    def entries(self, split: Split) -> tuple[Entry, ...]:
        """What the rows of a split say, as they stand in the table."""
        return self._entries[split]

    @cached_property
    def _read(self) -> dict[Split, Read]:
        """What the files held. Kept, as several stages ask for it."""
        read: dict[Split, Read] = {
            "train": self._read_table(self.train, "train") if self.train else Read((), ()),
            "test": self._read_table(self.test, "test") if self.test else Read((), ()),
        }
        rejected = [row for content in read.values() for row in content.rejected]
        if rejected and not self.skip_bad_rows:
            raise ForageError(
                f"{len(rejected)} rows of the table cannot be used: {_shown(rejected)} "
                "Correct them, or leave them out with `skip_bad_rows`."
            )
        return read

    @cached_property
    def _entries(self) -> dict[Split, tuple[Entry, ...]]:
        train, test = self._read["train"].entries, self._read["test"].entries
        if self.test_share:
            train, test = _hold_out(train, self.test_share, self.seed)
        return {"train": train, "test": test}

    @cached_property
    def _solutions(self) -> dict[str, str]:
        """Right responses by the names of problems, where a column holds them."""
        rows = (
            (name, entry)
            for entries in self._entries.values()
            for name, entry in zip(_names(entries), entries, strict=True)
        )
        return {name: entry.solution for name, entry in rows if entry.solution}

    @property
    def _rejected(self) -> list[RejectedRow]:
        return [row for content in self._read.values() for row in content.rejected]

    def _read_table(self, table: TableFile, split: Split) -> Read:
        files = data_files(Path(table.path), split)
        if table.digest and content_digest(files) != table.digest:
            raise ForageError(
                f"The table {table.path} has changed since this run began, so it would continue with other problems. "
                "Put the old content back, or begin a new run."
            )
        read = read_entries(read_rows(files, self.separated), self.columns, self.verifier.check)
        if not read.entries and not read.rejected:
            raise ForageError(f"The table {table.path} has no rows.")
        return read


def open_table(
    path: Path,
    *,
    verifier: Verifier,
    test: Path | None = None,
    test_share: float | None = None,
    columns: Columns | None = None,
    separated: Separated | None = None,
    system: str = "",
    template: Template = "none",
    steps: str = "newline",
    skip_bad_rows: bool = False,
    modes: str = "",
) -> Table:
    """The task of a table on disk, settled. The test problems are those of `test`; else the test split of a folder that
    has one; else `test_share` (a tenth unless given) of the questions, held out. A share of 0 leaves none.

    Raises ForageError where a file is missing.
    """
    if test is None and test_share is None and has_split(path, "train") and has_split(path, "test"):
        test = path
    share = (0.0 if test else 0.1) if test_share is None else test_share
    return Table(
        train=TableFile(path=str(path)),
        test=TableFile(path=str(test)) if test else None,
        test_share=share,
        columns=columns or Columns(),
        separated=separated or Separated(),
        verifier=verifier,
        system=system,
        template=template,
        steps=steps,
        skip_bad_rows=skip_bad_rows,
        modes=modes,
    ).settled()


def overlap_note(trained: Table, tested: Table) -> tuple[str, ...]:
    """A sentence about the test problems of one table that are training problems of another; () where none is."""
    test = tested.entries("test")
    both = find_overlap(trained.entries("train"), test)
    if both is None:
        return ()
    return (
        f"{both.count} of {len(test)} test problems are training problems too, so the test measures memory there. "
        f"The first: {both.test} and {both.train}.",
    )


def parse_table(text: str) -> Table:
    """`table:data=FILE,verifier=math` as the task of a table, read as plain text; the verifier takes all that follows.

    Settings: data, test, test_share, prompt, answer, solution, system, template (chat or none), steps, skip_bad_rows,
    modes, delimiter, encoding. Raises ForageError for anything else.
    """
    before, _, verifier = text.partition("verifier=")
    defaults: dict[str, Any] = {
        "data": "",
        "test": "",
        "test_share": None,
        "prompt": Columns.prompt,
        "answer": Columns.answer,
        "solution": Columns.solution,
        "system": "",
        "template": "none",
        "steps": "newline",
        "skip_bad_rows": False,
        "modes": "",
        "delimiter": "",
        "encoding": Separated().encoding,
    }
    _, given = parse_call(before, "task", ("table",), lambda name: {**defaults, "verifier": "math"})
    settings: dict[str, Any] = {**defaults, **given}
    if not settings["data"]:
        raise ForageError("The task table needs a file: table:data=problems.jsonl,verifier=math.")
    if settings["template"] not in get_args(Template):
        raise ForageError(f"In task {text}: template is chat or none.")
    return open_table(
        Path(settings["data"]),
        verifier=parse_verifier(verifier or "math"),
        test=Path(settings["test"]) if settings["test"] else None,
        test_share=settings["test_share"],
        columns=Columns(prompt=settings["prompt"], answer=settings["answer"], solution=settings["solution"]),
        separated=Separated(delimiter=settings["delimiter"], encoding=settings["encoding"]),
        system=settings["system"],
        template=settings["template"],
        steps=settings["steps"],
        skip_bad_rows=settings["skip_bad_rows"],
        modes=settings["modes"],
    )


def _settled(table: TableFile | None, split: Split) -> TableFile | None:
    if table is None:
        return None
    path = Path(table.path).expanduser().resolve()
    return TableFile(path=str(path), digest=content_digest(data_files(path, split)))


def _hold_out(entries: Sequence[Entry], share: float, seed: int) -> tuple[tuple[Entry, ...], tuple[Entry, ...]]:
    """Entries to train on and a share of the questions, at least one, with all entries that ask them."""
    questions = sorted(
        {normalized(entry.prompt) for entry in entries}, key=lambda text: derive_seed(seed, "held out", text)
    )
    if len(questions) < 2:
        raise ForageError("A table with one question cannot hold any out: give a table of test problems.")
    held = set(questions[: min(len(questions) - 1, max(1, round(share * len(questions))))])
    train = tuple(entry for entry in entries if normalized(entry.prompt) not in held)
    return train, tuple(entry for entry in entries if normalized(entry.prompt) in held)


def _names(entries: Iterable[Entry]) -> list[str]:
    """Names that stay when rows move: the row's own, else of its content, numbered where it repeats."""
    seen: Counter[str] = Counter()
    names = []
    for entry in entries:
        digest = hashlib.blake2b(f"{entry.prompt!r}\0{entry.answer}".encode(), digest_size=8).hexdigest()
        name = entry.id or f"table:{digest}"
        seen[name] += 1
        names.append(name if seen[name] == 1 else f"{name}#{seen[name]}")
    return names


def _contradictions(entries: Sequence[Entry], split: Split) -> list[str]:
    """A sentence about questions that are asked twice with different answers; [] where there are none."""
    first: dict[str, Entry] = {}
    pairs: dict[str, tuple[Entry, Entry]] = {}
    for entry in entries:
        known = first.setdefault(asked := normalized(entry.prompt), entry)
        if " ".join(known.answer.split()).casefold() != " ".join(entry.answer.split()).casefold():
            pairs.setdefault(asked, (known, entry))
    if not pairs:
        return []
    earlier, other = next(iter(pairs.values()))
    return [
        f"{len(pairs)} {split} questions have two different answers, so one of them is wrong or the question is not "
        f"complete. The first: {earlier.where} and {other.where}."
    ]


def _shown(rejected: Sequence[RejectedRow]) -> str:
    more = f"; and {len(rejected) - SHOWN} more" if len(rejected) > SHOWN else ""
    return f"{'; '.join(map(str, rejected[:SHOWN]))}{more}."
