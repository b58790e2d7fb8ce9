"""ModeBench by name: `modebench:level1_countdown`, by its own verifiers and modes (extra `modebench`)."""

import importlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cache, lru_cache
from typing import Any, ClassVar, Literal

from forage.core.errors import ForageError
from forage.core.protocols import Task
from forage.core.records import UNJUDGED, Message, Problem, Score
from forage.core.spec import parse_call
from forage.tasks.verifiers.extraction import final_answer, marks_answer

SPLITS: Mapping[str, str] = {"train": "train", "test": "eval"}
"""What ModeBench calls our splits."""

JUDGED = {"correct": 1.0, "incorrect": 0.0, "malformed": 0.0}
"""Its verdicts on a response; every other status says that it could not judge."""

ATTEMPTS = 2
"""How often a response is given to its grader, whose limits are of wall time: a busy machine may miss one."""

SECONDS = 60.0
"""How long the grader's process may take to start and to answer. What a response may take, ModeBench limits within."""


@dataclass(frozen=True, kw_only=True)
class ModeBench(Task):
    """Problems of one of ModeBench's data sets, each with several right answers.

    Its frozen splits are fetched and checked by its own loader; `data_root` is a local copy of its folder `data`, and
    `offline` forbids downloads. With `frozen=False` a `data_root` may hold problems of your own in its schema: its
    manifest is then not compared with the package's. `chat` asks by messages, for the tokenizer's chat template, as
    ModeBench registers them; without it the prompt is their texts. `train_problems` and `test_problems` take the first
    so many (0: all). Its grader judges in a process of its own under limits of time and memory; what it cannot judge
    is unjudged, never wrong. A mode is its canonical key.
    """

    name: ClassVar[str] = "modebench"

    dataset: str
    data_root: str = ""
    offline: bool = False
    frozen: bool = True
    chat: bool = True
    train_problems: int = 0
    test_problems: int = 0

    def __post_init__(self) -> None:
        if min(self.train_problems, self.test_problems) < 0:
            raise ForageError("train_problems and test_problems count problems; 0 takes all there are.")
        if not self.frozen and not self.data_root:
            raise ForageError("Problems of your own (frozen=false) need the folder that they lie in: give data_root.")

    def problems(self, split: Literal["train", "test"]) -> Sequence[Problem]:
        if split not in SPLITS:
            raise ForageError(f"ModeBench has the splits 'train' and 'test', not {split!r}.")
        amount = self.train_problems if split == "train" else self.test_problems
        loaded = _loaded(self.dataset, SPLITS[split], self.data_root, self.offline, self.frozen)
        return tuple(self._problem(each) for each in loaded[: amount or None])

    def prepare(self) -> None:
        _api()

    def verify(self, problem: Problem, text: str) -> Score:
        try:
            status, _ = _graded(problem.answer, text)
        except _UndecidedError:
            return UNJUDGED
        return Score(JUDGED[status], {"correct": JUDGED[status], "commit": float(status != "malformed")})

    def mode(self, problem: Problem, text: str) -> str | None:
        try:
            return _graded(problem.answer, text)[1]
        except _UndecidedError:
            return None

    def answer(self, problem: Problem, text: str) -> str | None:
        return final_answer(text) or text.strip() or None

    def marks_answer(self, problem: Problem, text: str) -> bool:
        return marks_answer(text)

    def _problem(self, task: Any) -> Problem:
        try:
            turns = tuple(Message(turn["role"], turn["content"]) for turn in _api().make_prompt(task))
        except ValueError as error:
            raise ForageError(f"ModeBench cannot ask problem {task.id}: {error}.") from None
        return Problem(
            id=f"modebench:{task.id}",
            prompt=turns if self.chat else "\n\n".join(turn.content for turn in turns),
            answer=json.dumps({"level": task.level, "domain": task.domain, "answer": dict(task.answer)}),
            task=self.name,
            tags=(task.domain, f"level {task.level}"),
        )


def parse_modebench(text: str, *, data_root: str = "") -> ModeBench:
    """`level1_countdown:data_root=FOLDER,offline=true` as a task. Raises ForageError for what there is not."""
    defaults = {field.name: field.default for field in fields(ModeBench) if field.name != "dataset"}
    dataset = text.partition(":")[0]
    _, settings = parse_call(text, "ModeBench data set", (dataset,), lambda _: defaults)
    settings |= {"data_root": data_root} if data_root else {}
    task = ModeBench(dataset=dataset, **settings)  # pyright: ignore[reportArgumentType]
    if task.frozen and dataset not in (known := _frozen_names()):
        raise ForageError(f"ModeBench has no data set {dataset!r}. It has: {', '.join(known)}.")
    return task


@lru_cache(maxsize=16)
def _loaded(dataset: str, split: str, data_root: str, offline: bool, frozen: bool) -> tuple[Any, ...]:
    api, data = _api(), importlib.import_module("modebench.data")
    try:
        if frozen:
            return tuple(api.load_tasks(dataset, split, data_root=data_root or None, offline=offline))
        record = data.split_record(data_root, dataset, split)
        rows = data.load_split(data_root, dataset, split)
    except (ValueError, OSError, KeyError) as error:
        raise ForageError(
            f"ModeBench cannot load {dataset}/{split}: {error}. Without a network, give a local copy of its folder "
            "`data` as data_root."
        ) from None
    return tuple(
        api.Task(
            id=data.prompt_id(dataset, split, number),
            level=record["level"],
            domain=record["domain"],
            problem=row["problem"],
            answer=json.loads(row["answer"]),
        )
        for number, row in enumerate(rows)
    )


class _UndecidedError(Exception):
    """The grader could not judge. An exception, so that no cache keeps it: the next time it may."""


@lru_cache(maxsize=1 << 14)
def _graded(known: str, text: str) -> tuple[str, str | None]:
    """Its status and canonical key of a response; `known` is a problem's answer. Raises _UndecidedError."""
    reference = json.loads(known)
    grade = importlib.import_module("modebench.verifier").grade_with_worker
    for _ in range(ATTEMPTS):
        graded = grade(_grader(), reference["level"], reference["domain"], {"answer": reference["answer"]}, text)
        if graded["status"] in JUDGED:
            return graded["status"], graded["canonical_key"]
    raise _UndecidedError


@cache
def _grader() -> Any:
    """Its grader in a process of its own, which it starts with the first response, and again where one ends it."""
    _api()
    return importlib.import_module("modebench.worker_process").BoundedWorker(timeout_seconds=SECONDS)


def _frozen_names() -> list[str]:
    _api()
    return sorted({record["config_name"] for record in importlib.import_module("modebench.dataset_cache").discover()})


@cache
def _api() -> Any:
    try:
        return importlib.import_module("modebench.api")
    except ImportError:
        raise ForageError("Tasks modebench:... need ModeBench: pip install forage-rl[modebench].") from None
