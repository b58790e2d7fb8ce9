"""The tasks of reasoning-gym by name: `gym:countdown`, `gym:chain_sum:min_terms=3,max_terms=4` (extra `gym`)."""

import importlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, lru_cache
from typing import Any, ClassVar, Literal

from forage.core.errors import ForageError
from forage.core.records import Message, Problem, Score
from forage.core.seeds import derive_seed
from forage.core.spec import Value, parse_call
from forage.tasks.own_modes import OwnModes
from forage.tasks.steps import ends_at, rule_of
from forage.tasks.verifiers import Verifier
from forage.tasks.verifiers.base import installed
from forage.tasks.verifiers.extraction import final_answer, marked_answer

Setting = bool | int | float | str

OWN_SETTINGS = {
    "chat": False,
    "seed": 0,
    "train_problems": 256,
    "test_problems": 64,
    "steps": "newline",
    "system": "",
    "answer_format": "any",
    "modes": "",
}
"""What forage decides itself; everything else is a parameter of the data set."""

AnswerFormat = Literal["any", "boxed", "tags"]

ASKS: Mapping[AnswerFormat, str] = {
    "any": "",
    "boxed": r"Give the final answer as \boxed{answer}.",
    "tags": "Give the final answer as <answer>answer</answer>.",
}
"""What the prompt says about how the answer is to be marked."""

ATTEMPTS = 20
"""Items drawn for each problem that is wanted, before a data set counts as exhausted."""


@dataclass(frozen=True, kw_only=True)
class GymScorer(Verifier):
    """The data set's own scorer, asked about what the response marks as its answer, or else all of it.

    The value is the data set's score, which for some lies between 0 and 1; `correct` is 1 where the score is at least
    1. A scorer that raises leaves the answer unjudged.
    """

    name: ClassVar[str] = "gym"
    hangs: ClassVar[bool] = True

    dataset: str
    parameters: Mapping[str, Setting] = field(default_factory=dict)
    marked: AnswerFormat = "any"

    def prepare(self) -> None:
        open_dataset(self.dataset, self.parameters, seed=0, size=1)

    def versions(self) -> dict[str, str]:
        return installed("reasoning-gym")

    def judge(self, problem: Problem, text: str) -> Score:
        known = json.loads(problem.answer)
        items = open_dataset(self.dataset, self.parameters, seed=known["seed"], size=known["index"] + 1)
        item = items[known["index"]]
        if str(item["answer"]) != known["answer"]:
            raise ForageError(
                f"reasoning-gym makes another problem than {problem.id} was: its version has changed since."
            )
        answer = self.answer(problem, text)
        if answer is None and self.marked != "any":
            return Score(0.0, {"correct": 0.0, "commit": 0.0})
        score = float(items.score_answer(answer, item))
        return Score(score, {"correct": float(score >= 1)})

    def stated_answer(self, problem: Problem, answer: str | None = None) -> tuple[str, str]:
        answer = json.loads(problem.answer)["answer"] if answer is None else answer
        marks = {"any": ("\nThe answer is", f" {answer}"), "boxed": ("\\boxed{", f"{answer}}}")}
        return marks.get(self.marked, ("<answer>", f"{answer}</answer>"))

    def answer(self, problem: Problem, text: str) -> str | None:
        if self.marked == "any":
            return final_answer(text) or text.strip() or None
        return marked_answer(text, self.marked)


@dataclass(frozen=True, kw_only=True)
class Gym(OwnModes):
    """Problems of one reasoning-gym data set. `parameters` are the data set's own.

    `system` is a system prompt: a message of its own in a chat, else the text before each question. `answer_format`
    says how the answer is to be marked, which the prompt then asks for: not at all (any), in LaTeX's box (boxed), or in
    <answer>...</answer> (tags); what is not marked as asked is wrong. `chat` asks each question as a user's message,
    for the tokenizer's chat template; otherwise it is plain text. `steps` says where reasoning steps end
    (`tasks.steps.rule_of`). `modes` says what distinguishes right answers: "answer" where a data set takes several
    (`OwnModes`). Test problems do not depend on `seed`; training problems do, and none of them asks what a
    test problem asks.
    """

    name: ClassVar[str] = "gym"

    dataset: str
    parameters: Mapping[str, Setting] = field(default_factory=dict)
    seed: int = 0
    train_problems: int = 256
    test_problems: int = 64
    chat: bool = False
    steps: str = "newline"
    system: str = ""
    answer_format: AnswerFormat = "any"
    modes: str = ""

    def __post_init__(self) -> None:
        rule_of(self.steps)
        self.check_modes()
        if self.answer_format not in ASKS:
            raise ForageError(f"answer_format is one of {', '.join(ASKS)}, not {self.answer_format!r}.")
        if min(self.train_problems, self.test_problems) < 1:
            raise ForageError("A gym task needs at least one problem in each split.")

    @property
    def verifier(self) -> GymScorer:
        return GymScorer(dataset=self.dataset, parameters=self.parameters, marked=self.answer_format)

    def problems(self, split: Literal["train", "test"]) -> Sequence[Problem]:
        test = dict(self._draw(derive_seed("gym", self.dataset, "test"), self.test_problems, set()))
        if split == "test":
            return tuple(test.values())
        if split != "train":
            raise ForageError(f"A gym task has the splits 'train' and 'test', not {split!r}.")
        seed = derive_seed("gym", self.dataset, "train", self.seed)
        return tuple(problem for _, problem in self._draw(seed, self.train_problems, set(test)))

    def step_ends(self, pieces: Sequence[str]) -> tuple[int, ...]:
        return ends_at(pieces, rule_of(self.steps))

    def _draw(self, seed: int, amount: int, taken: set[str]) -> Iterator[tuple[str, Problem]]:
        """`amount` problems, each with its question, that ask different things and nothing in `taken`."""
        seed %= 1 << 31
        items, seen = open_dataset(self.dataset, self.parameters, seed=seed, size=ATTEMPTS * amount), set(taken)
        count = 0
        for index in range(len(items)):
            item = items[index]
            question = str(item["question"])
            if question not in seen:
                seen.add(question)
                yield question, self._problem(question, str(item["answer"]), seed, index)
                count += 1
            if count == amount:
                return
        raise ForageError(
            f"The data set gym:{self.dataset} has only {count} different problems in {len(items)} draws, fewer than "
            f"{amount}: ask for fewer, or widen its parameters."
        )

    def _problem(self, question: str, answer: str, seed: int, index: int) -> Problem:
        known = {"answer": answer, "seed": seed, "index": index}
        asked = f"{question}\n{ASKS[self.answer_format]}" if ASKS[self.answer_format] else question
        system = (Message("system", self.system),) if self.system else ()
        plain = f"{self.system}\n\n{asked}" if self.system else asked
        prompt = (*system, Message("user", asked)) if self.chat else plain
        return Problem(id=f"gym:{self.dataset}:{seed}:{index}", prompt=prompt, answer=json.dumps(known), task=self.name)


def parse_gym(text: str) -> Gym:
    """`countdown:min_numbers=3` as a task. Raises ForageError for an unknown data set or parameter."""
    known = _datasets()

    def defaults(name: str) -> dict[str, Any]:
        config = known[name][1]()
        named = {key: value for key, value in vars(config).items() if isinstance(value, Setting)}
        return {**{key: value for key, value in named.items() if key not in ("seed", "size")}, **OWN_SETTINGS}

    name, settings = parse_call(text, "gym data set", known, defaults)
    own: dict[str, Any] = {key: settings.pop(key) for key in OWN_SETTINGS if key in settings}
    parameters: dict[str, Value] = settings
    task = Gym(dataset=name, parameters={k: v for k, v in parameters.items() if v is not None}, **own)
    open_dataset(task.dataset, task.parameters, seed=0, size=1)
    return task


@lru_cache(maxsize=4096)
def _opened(name: str, parameters: str, seed: int, size: int) -> Any:
    return importlib.import_module("reasoning_gym").create_dataset(name, seed=seed, size=size, **json.loads(parameters))


def open_dataset(name: str, parameters: Mapping[str, Setting], *, seed: int, size: int) -> Any:
    """A reasoning-gym data set. Raises ForageError where there is none of that name or it refuses its parameters."""
    if name not in _datasets():
        raise ForageError(f"reasoning-gym has no data set {name!r}.")
    try:
        return _opened(name, json.dumps(dict(parameters), sort_keys=True), seed, size)
    except (AssertionError, TypeError, ValueError) as error:
        raise ForageError(f"The data set gym:{name} refuses its parameters: {error}.") from None


@cache
def _datasets() -> Mapping[str, Any]:
    try:
        return importlib.import_module("reasoning_gym.factory").DATASETS
    except ImportError:
        raise ForageError("Tasks gym:... need reasoning-gym: pip install forage-rl[gym].") from None
