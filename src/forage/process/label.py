"""Labelling the steps of solutions by sampling on from each of them (Math-Shepherd; ER-PRM, arXiv 2412.11006).

Work goes problem by problem in shards; a finished shard is on disk before the next begins, so whatever interrupts a
labelling costs at most one shard, and the run that continues ends with the same bits. Solutions and continuations
depend on the seed, the problem and the prefix alone. Solutions that share a prefix share its continuations.
"""

import hashlib
import json
import warnings
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from forage.atomic import write_file
from forage.errors import ForageError
from forage.evals.samples import storable
from forage.explore.rollouts import to_rollout
from forage.prm.labels import LabelledSolution, StepCounts
from forage.prm.steps import prompt_text, step_texts
from forage.protocols import OnProgress, SampleRequest, Task, Tools
from forage.records import Problem, Rollout, SamplingParams, Score, Start
from forage.seeds import derive_seed

FORMAT = "forage step labels 1"
PROBLEMS_PER_SHARD = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Labelling:
    """How much is sampled: `solutions` of every problem, and `continuations` of every prefix that ends with a step."""

    solutions: int = 4
    continuations: int = 16
    seed: int = 0

    def __post_init__(self) -> None:
        if min(self.solutions, self.continuations) < 1:
            raise ForageError(
                f"Labelling needs at least one solution and one continuation, not {self.solutions} and "
                f"{self.continuations}."
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Generators:
    """Who writes the solutions and who continues them: the reference policy in arXiv 2412.11006, often the same."""

    solver: Tools
    completer: Tools
    task: Task
    params: SamplingParams


def label(
    who: Generators,
    problems: Sequence[Problem],
    plan: Labelling,
    *,
    identity: Mapping[str, Any],
    shards: Path,
    on_progress: OnProgress | None = None,
) -> Iterator[LabelledSolution]:
    """The labelled solutions of `problems`, in order; those in finished shards below `shards` are not sampled again.

    `identity` (JSON) says which weights and task these are: with the plan and the sampling settings it keys the shards.
    A continuation ends where the whole response would reach `params.max_tokens`, so a prefix is worth what the policy
    can still make of it. Solutions without any text have no steps and are left out. Raises ForageError where the
    completer does not read the solver's tokens, or where a file cannot be written.
    """
    directory = _directory(shards, {**identity, "plan": asdict(plan), "params": asdict(who.params)})
    for first in range(0, len(problems), PROBLEMS_PER_SHARD):
        block = problems[first : first + PROBLEMS_PER_SHARD]
        path = directory / _shard_name(block)
        solutions = _read(path)
        if solutions is None:
            solutions = _label_block(who, block, plan)
            _write(path, solutions)
        yield from solutions
        if on_progress is not None:
            on_progress(first + len(block), len(problems))


def _label_block(who: Generators, problems: Sequence[Problem], plan: Labelling) -> list[LabelledSolution]:
    solutions = list(_solve(who, problems, plan))
    steps = [step_texts(who.solver.codec.pieces(rollout.tokens), rollout.step_ends) for rollout, _ in solutions]
    starts: dict[str, Start] = {}
    for (rollout, _), ends in zip(solutions, steps, strict=True):
        for end, _ in ends[:-1]:
            start = Start(rollout.start.problem, rollout.tokens[:end])
            starts.setdefault(start.key, start)
    counts = _continue(who, list(starts.values()), plan)
    labelled = []
    for (rollout, score), ends in zip(solutions, steps, strict=True):
        if not ends:
            continue
        problem = rollout.start.problem
        keys = [Start(problem, rollout.tokens[:end]).key for end, _ in ends[:-1]]
        labelled.append(
            LabelledSolution(
                problem=problem.id,
                prompt=storable(prompt_text(problem)),
                steps=tuple(storable(text) for _, text in ends),
                counts=tuple(counts[key] for key in keys),
                outcome=int(_is_right(score)) if score.judged else None,
            )
        )
    return labelled


def _solve(who: Generators, problems: Sequence[Problem], plan: Labelling) -> Iterator[tuple[Rollout, Score]]:
    tools = who.solver
    requests = [
        SampleRequest(
            tokens=tools.codec.prompt(problem),
            siblings=plan.solutions,
            seed=derive_seed(plan.seed, "solution", problem.id),
        )
        for problem in problems
    ]
    pending: dict[int, tuple[list[Rollout], Future[tuple[Score, ...]]]] = {}
    for order, completions in tools.sampler.sample(requests, who.params):
        start = Start(problems[order])
        rollouts = [to_rollout(start, each, who.task, tools.codec, tools.sampler.version) for each in completions]
        pending[order] = rollouts, tools.judge.submit(problems[order], [rollout.text for rollout in rollouts])
    for order in range(len(problems)):
        rollouts, verdict = pending[order]
        yield from zip(rollouts, verdict.result(), strict=True)


def _continue(who: Generators, starts: Sequence[Start], plan: Labelling) -> dict[str, StepCounts]:
    """What came of the continuations of every start, by its key."""
    tools, limit = who.completer, who.params.max_tokens
    requests = []
    for start in starts:
        if tools.codec.decode(start.prefix) != who.solver.codec.decode(start.prefix):
            raise ForageError("The completer reads other tokens than the solver writes: use models of one tokenizer.")
        requests.append(
            SampleRequest(
                tokens=tools.codec.prompt(start.problem) + start.prefix,
                siblings=plan.continuations,
                seed=derive_seed(plan.seed, "continuation", start.key),
            )
        )
    pending = []
    for order, completions in tools.sampler.sample(requests, who.params):
        start = starts[order]
        room = limit - len(start.prefix)
        texts = [tools.codec.decode(start.prefix + each.tokens[:room]) for each in completions]
        pending.append((start, texts, tools.judge.submit(start.problem, texts)))
    return {start.key: _count(who.task, start.problem, texts, v.result()) for start, texts, v in pending}


def _count(task: Task, problem: Problem, texts: Sequence[str], scores: Sequence[Score]) -> StepCounts:
    right = wrong = unanswered = unjudged = 0
    for text, score in zip(texts, scores, strict=True):
        if not score.judged:
            unjudged += 1
        elif _is_right(score):
            right += 1
        elif _answered(task, problem, text, score):
            wrong += 1
        else:
            unanswered += 1
    return StepCounts(right, wrong, unanswered, unjudged)


def _is_right(score: Score) -> bool:
    if "correct" not in score.parts:
        raise ForageError('The task judged a response without saying whether it is correct: Score.parts["correct"].')
    return score.parts["correct"] >= 0.5


def _answered(task: Task, problem: Problem, text: str, score: Score) -> bool:
    if "commit" in score.parts:
        return score.parts["commit"] >= 0.5
    return task.answer(problem, text) is not None


# ------------------------------------------------------------------------------------------------------------- shards


def _directory(shards: Path, identity: Mapping[str, Any]) -> Path:
    text = json.dumps({"format": FORMAT, **identity}, sort_keys=True, indent=1)
    directory = shards / hashlib.blake2b(text.encode(), digest_size=12).hexdigest()
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ForageError(f"{directory} cannot be made: {error.strerror or error}.") from error
    write_file(directory / "about.json", text.encode())
    return directory


def _shard_name(problems: Sequence[Problem]) -> str:
    digest = hashlib.blake2b(digest_size=8)
    for problem in problems:
        digest.update(repr((problem.id, problem.prompt, problem.answer)).encode("utf-8", "backslashreplace"))
    return f"{digest.hexdigest()}.jsonl"


def to_jsonl(solutions: Sequence[LabelledSolution]) -> bytes:
    return "".join(json.dumps(solution.to_json(), ensure_ascii=False) + "\n" for solution in solutions).encode()


def _write(path: Path, solutions: Sequence[LabelledSolution]) -> None:
    content = to_jsonl(solutions)
    write_file(path, f"{_checksum(content)}\n".encode() + content)


def _read(path: Path) -> list[LabelledSolution] | None:
    """A finished shard; None where it must be sampled. A damaged one is reported by a warning."""
    try:
        checksum, _, content = path.read_bytes().partition(b"\n")
    except FileNotFoundError:
        return None
    if checksum != _checksum(content).encode():
        warnings.warn(f"The step labels in {path} are damaged; sampling them again.", stacklevel=3)
        return None
    return [LabelledSolution.from_json(json.loads(line)) for line in content.decode().split("\n") if line]


def _checksum(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=16).hexdigest()
