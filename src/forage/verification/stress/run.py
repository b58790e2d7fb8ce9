"""Gives hostile answers to the verifiers as a run would, and looks at what is left afterwards."""

import math
import os
import shutil
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import ClassVar, Literal

from forage.core.protocols import OnProgress
from forage.core.records import Problem, Score
from forage.tasks.verifiers import Verified, Verifier
from forage.verification.judge import WorkerJudge
from forage.verification.stress.answers import HostileAnswer, endless_matches, mathematical_answers, plain_answers
from forage.verification.stress.misbehaviour import misbehaviours
from forage.verification.stress.programs import Surroundings, programs

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
    """What came of the answers to one verifier. `failures`: why answers could not be judged, by kind."""

    verifier: str
    answers: int
    wrong: int
    unjudged: int
    called_right: tuple[str, ...]
    failures: Mapping[str, int]
    seconds: float


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
    def passed(self) -> bool:
        right = any(finding.called_right for finding in self.findings)
        return self.seconds <= self.limit and not right and not self.escaped


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
    on_progress: OnProgress | None = None,
) -> StressReport:
    """Judges the stress set (`every` n-th answer of it) and reports."""
    findings: list[Finding] = []
    with surroundings() as around:
        chosen = hostile_answers(around)[::every]
        for name, family in groupby(chosen, lambda answer: answer.verifier.name):
            answers = list(family)
            findings.append(_judge_family(answers, workers=workers, deadline=deadline, memory_mb=memory_mb))
            if on_progress is not None:
                on_progress(sum(found.answers for found in findings), len(chosen), name)
        escaped = tuple(_escapes(around))
    return StressReport(findings=tuple(findings), escaped=escaped, limit=len(chosen) / workers * deadline)


@contextmanager
def surroundings() -> Iterator[Surroundings]:
    """A folder and a process outside of the verifiers', for hostile answers to reach for."""
    folder = tempfile.mkdtemp(prefix="forage-stress-")
    (Path(folder) / "canary").write_text(CANARY)
    # How long children sleep marks them: nobody else sleeps exactly this long.
    with subprocess.Popen(["sleep", "3600"]) as process:
        try:
            yield Surroundings(folder=folder, process=process.pid, sleep=f"60.{os.getpid()}")
        finally:
            process.kill()
            shutil.rmtree(folder, ignore_errors=True)


def _judge_family(answers: Sequence[HostileAnswer], *, workers: int, deadline: float, memory_mb: int) -> Finding:
    scores: list[Score] = []
    failures: Counter[str] = Counter()
    began = time.perf_counter()
    for verifier, group in groupby(answers, lambda answer: answer.verifier):
        with WorkerJudge(Stressed(verifier=verifier), workers=workers, deadline=deadline, memory_mb=memory_mb) as judge:
            verdicts = [judge.submit(answer.problem, [answer.text]) for answer in group]
            scores += [verdict.result()[0] for verdict in verdicts]
            failures += Counter(judge.failures.counts)
    right = tuple(answer.name for answer, score in zip(answers, scores, strict=True) if score.value > 0)
    unjudged = sum(math.isnan(score.value) for score in scores)
    return Finding(
        verifier=answers[0].verifier.name,
        answers=len(answers),
        wrong=len(scores) - unjudged - len(right),
        unjudged=unjudged,
        called_right=right,
        failures=dict(failures),
        seconds=time.perf_counter() - began,
    )


def _escapes(around: Surroundings) -> Iterator[str]:
    folder = Path(around.folder)
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
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            if entry.read_bytes() == f"sleep\0{seconds}\0".encode():
                found.append(int(entry.parent.name))
    return found
