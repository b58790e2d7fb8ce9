"""`forage verify`: try a verifier on some answers, or let all of them meet the hostile ones."""

from collections.abc import Sequence
from typing import Annotated

import tyro
from rich.console import Console
from rich.table import Table

from forage.cli.progress import progress_bar
from forage.core.errors import ForageError
from forage.core.records import Problem
from forage.tasks.verifiers import parse_verifier
from forage.verification.judge import WorkerJudge
from forage.verification.stress import StressReport
from forage.verification.stress import stress as judge_stress_set
from forage.verification.stress.run import Stressed


def verify_command(
    texts: Annotated[tuple[str, ...], tyro.conf.Positional] = (),
    /,
    *,
    verifier: str = "math",
    answer: str = "",
    stress: bool = False,
    workers: int = 2,
    deadline: float = 5.0,
    memory_mb: int = 1024,
) -> int:
    r"""Judges responses by a verifier: forage verify --verifier numeric --answer 42 "It is 42." "41"

    Args:
        texts: responses.
        verifier: exact, numeric, choice, math, regex:PATTERN, unit_tests, python:MODULE:FUNCTION; settings follow a
            colon, as in numeric:tolerance=0.01.
        answer: the right answer; for unit_tests, the tests as JSON.
        stress: judge the hostile answers that come with forage instead, and report what came of them.
        workers: verifier processes.
        deadline: seconds per answer.
        memory_mb: MiB per answer.
    """
    if stress:
        return _stress(workers, deadline, memory_mb)
    if not texts:
        raise ForageError('Which responses? As in: forage verify --verifier numeric --answer 42 "It is 42."')
    chosen = parse_verifier(verifier)
    problem = Problem(id="the command line", prompt="", answer=answer, task="verify")
    table = Table("response", "value", "answer", "what is known", box=None)
    with WorkerJudge(Stressed(verifier=chosen), workers=workers, deadline=deadline, memory_mb=memory_mb) as judge:
        for text, score in zip(texts, judge.submit(problem, texts).result(), strict=True):
            parts = ", ".join(f"{name} {value:g}" for name, value in score.parts.items())
            final = chosen.answer(problem, text) if score.judged else None
            table.add_row(text[:60], f"{score.value:g}" if score.judged else "unjudged", final, parts)
        Console().print(table, highlight=False, markup=False)
        if judge.failures.first:
            Console(stderr=True).print(judge.failures.first, highlight=False, markup=False)
    return 0


def _stress(workers: int, deadline: float, memory_mb: int) -> int:
    console = Console(stderr=True)
    with progress_bar("hostile answers", console) as move:
        report = judge_stress_set(workers=workers, deadline=deadline, memory_mb=memory_mb, on_progress=move)
    Console().print(_table(report), highlight=False)
    for finding in report.findings:
        for name in finding.called_right:
            console.print(f"[red]Called right: {name}[/red]", highlight=False)
    for escape in report.escaped:
        console.print(f"[red]Escaped: {escape}.[/red]", highlight=False)
    console.print(
        f"{report.answers} hostile answers in {report.seconds:.1f} s; the limit (answers / workers x deadline) is "
        f"{report.limit:.1f} s. {'Nothing escaped.' if not report.escaped else ''}",
        highlight=False,
    )
    return 0 if report.passed else 1


def _table(report: StressReport) -> Table:
    table = Table("verifier", "answers", "judged wrong", "unjudged", "why unjudged", "seconds", box=None)
    for finding in report.findings:
        why = ", ".join(f"{kind} {count}" for kind, count in sorted(finding.failures.items()))
        counts = (finding.answers, finding.wrong, finding.unjudged)
        table.add_row(finding.verifier, *map(str, counts), why, f"{finding.seconds:.1f}")
    return table


def run(argv: Sequence[str]) -> int:
    return tyro.cli(verify_command, prog="forage verify", args=argv)
