"""Gives hostile answers to the verifiers as a run would, and looks at what is left afterwards."""

import os
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import ClassVar, Literal

from forage.core.errors import ForageError
from forage.core.protocols import OnProgress
from forage.core.records import UNJUDGED, Problem, Score
from forage.tasks.verifiers import Verified, Verifier
from forage.verification.judge import WorkerJudge
from forage.verification.sandbox.cleaning import remove_tree
from forage.verification.stress.answers import HostileAnswer, endless_matches, mathematical_answers, plain_answers
from forage.verification.stress.misbehaviour import MISBEHAVE, misbehaviours
from forage.verification.stress.mutation import mutants as mutations
from forage.verification.stress.programs import SEGMENT, Surroundings, programs

RESTART_SECONDS = 5.0
"""What starting a process anew may take on a busy machine."""

INNOCENT_ORDER = '["sleep", 0]'

CANARY = "a secret that must stay as it is"


@dataclass(frozen=True, kw_only=True)
class Stressed(Verified):
    """A task without problems: only its verifier is asked."""

    name: ClassVar[str] = "stress"

    verifier: Verifier

    def problems(self, split: Literal["train", "test"]) -> Sequence[Problem]:
        return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What came of the answers to one verifier. `failures`: why there was no verdict, by kind. `hung`: answers without
    an outcome long after their deadlines; `lost`: judges that did not judge an innocent text afterwards.
    """

    verifier: str
    answers: int
    wrong: int
    unjudged: int
    called_right: tuple[str, ...]
    failures: Mapping[str, int]
    seconds: float
    hung: int = 0
    lost: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class StressReport:
    """All findings, and everything that escaped, in words; nothing should. `limit` is answers / workers * deadline."""

    findings: tuple[Finding, ...]
    escaped: tuple[str, ...]
    limit: float

    @property
    def answers(self) -> int:
        return sum(finding.answers for finding in self.findings)

    @property
    def seconds(self) -> float:
        return sum(finding.seconds for finding in self.findings)

    @property
    def hung(self) -> int:
        return sum(finding.hung for finding in self.findings)

    @property
    def lost(self) -> int:
        return sum(finding.lost for finding in self.findings)

    @property
    def passed(self) -> bool:
        faults = any(finding.called_right or finding.hung or finding.lost for finding in self.findings)
        return self.seconds <= self.limit and not faults and not self.escaped


def hostile_answers(around: Surroundings) -> list[HostileAnswer]:
    """The whole stress set, those of one verifier together."""
    return [
        *plain_answers(),
        *endless_matches(),
        *mathematical_answers(),
        *programs(around),
        *misbehaviours(around),
    ]


def stress(
    *,
    workers: int = 2,
    deadline: float = 1.0,
    memory_mb: int = 512,
    every: int = 1,
    mutants: int = 0,
    seed: int = 0,
    on_progress: OnProgress | None = None,
) -> StressReport:
    """Judges the stress set (`every` n-th answer of it), or so many `mutants` of it, and reports.

    A mutant may be right by chance where the answer that it comes from is nearly so; it counts as called right.
    """
    findings: list[Finding] = []
    with surroundings() as around:
        chosen = hostile_answers(around)[::every]
        if mutants:
            chosen = list(mutations(chosen, mutants, seed=seed))
        for name, family in groupby(chosen, lambda answer: answer.verifier.name):
            answers = list(family)
            findings.append(_judge_family(answers, workers=workers, deadline=deadline, memory_mb=memory_mb))
            if on_progress is not None:
                on_progress(sum(finding.answers for finding in findings), len(chosen), name)
        escaped = tuple(_escapes(around))
    return StressReport(findings=tuple(findings), escaped=escaped, limit=len(chosen) / workers * deadline)


@contextmanager
def surroundings() -> Iterator[Surroundings]:
    """A folder and a process outside of the verifiers', for hostile answers to reach for."""
    folder = tempfile.mkdtemp(prefix="forage-stress-")
    canary = Path(folder) / "canary"
    canary.write_text(CANARY)
    with suppress(OSError, AttributeError):  # a file system without attributes
        os.setxattr(canary, "user.kept", b"x")
    # How long children sleep marks them: nobody else sleeps exactly this long.
    with subprocess.Popen(["sleep", "3600"]) as process:
        try:
            looks = (_looks(Path(folder)), _looks(canary))
            yield Surroundings(folder=folder, process=process.pid, sleep=f"60.{os.getpid()}", looks=looks)
        finally:
            process.kill()
            remove_tree(folder)


def _judge_family(answers: Sequence[HostileAnswer], *, workers: int, deadline: float, memory_mb: int) -> Finding:
    scores: list[Score] = []
    failures: Counter[str] = Counter()
    hung = lost = 0
    began = time.perf_counter()
    for verifier, group in groupby(answers, lambda answer: answer.verifier):
        family = list(group)
        patience = 60 + len(family) * (deadline + RESTART_SECONDS)
        with WorkerJudge(Stressed(verifier=verifier), workers=workers, deadline=deadline, memory_mb=memory_mb) as judge:
            waiting = [judge.submit(answer.problem, [answer.text]) for answer in family]
            outcomes = [_outcome(future, began + patience) for future in waiting]
            hung += outcomes.count("hung")
            scores += [UNJUDGED if isinstance(outcome, str) else outcome for outcome in outcomes]
            lost += not _still_judges(judge, family[0])
            failures += Counter(judge.failures.counts)
    right = tuple(answer.name for answer, score in zip(answers, scores, strict=True) if score.value > 0)
    unjudged = sum(not score.judged for score in scores)
    return Finding(
        verifier=answers[0].verifier.name,
        answers=len(answers),
        wrong=len(scores) - unjudged - len(right),
        unjudged=unjudged,
        called_right=right,
        failures=dict(failures),
        seconds=time.perf_counter() - began,
        hung=hung,
        lost=lost,
    )


def _outcome(future: Future[tuple[Score, ...]], until: float) -> Score | Literal["hung", "lost"]:
    """The score of one answer; why there is none where its judge failed."""
    try:
        return future.result(timeout=max(1.0, until - time.perf_counter()))[0]
    except TimeoutError:
        return "hung"
    except ForageError:
        return "lost"


def _still_judges(judge: WorkerJudge, hostile: HostileAnswer) -> bool:
    """Whether a judge that has met hostile answers judges an innocent one."""
    try:
        text = INNOCENT_ORDER if hostile.verifier == MISBEHAVE else "an innocent text"
        outcome = _outcome(judge.submit(hostile.problem, [text]), time.perf_counter() + 60)
    except ForageError:
        return False
    return not isinstance(outcome, str) and outcome.judged


def _looks(path: Path) -> tuple[object, ...]:
    """What an owner sees of a file but its content: mode, owner, times, attributes."""
    status = path.lstat()
    attributes = tuple(os.listxattr(path)) if hasattr(os, "listxattr") else ()
    return (status.st_mode, status.st_uid, status.st_gid, status.st_mtime_ns, status.st_ctime_ns, attributes)


def _segments() -> bool:
    """Whether a System V segment of an answer is left on this machine."""
    table = Path("/proc/sysvipc/shm")
    lines = table.read_text().splitlines()[1:] if table.exists() else []
    return any(int(line.split()[0]) == SEGMENT for line in lines)


def _escapes(around: Surroundings) -> Iterator[str]:
    folder = Path(around.folder)
    with suppress(OSError):
        if (_looks(folder), _looks(folder / "canary")) != around.looks:
            yield "the mode, owner, times or attributes of a file outside were changed"
    if _segments():
        yield "shared memory outlived its verifier"
    if not (folder / "canary").exists() or (folder / "canary").read_text() != CANARY:
        yield "a file outside was changed or deleted"
    made = sorted(path.name for path in folder.iterdir() if path.name != "canary") if folder.exists() else []
    if made:
        yield f"files were made outside: {', '.join(made)}"
    with suppress(ChildProcessError):
        if os.waitpid(around.process, os.WNOHANG)[0]:
            yield "a process outside was killed"
    left = _sleepers(around.sleep)
    if left:
        yield f"{len(left)} processes outlived their verifier"
    for process in left:
        with suppress(ProcessLookupError):
            os.kill(process, 9)


def _sleepers(seconds: str) -> list[int]:
    """Processes that still sleep as hostile answers make their children sleep."""
    pids = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            if entry.read_bytes() == f"sleep\0{seconds}\0".encode():
                pids.append(int(entry.parent.name))
    return pids
