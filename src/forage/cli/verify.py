"""`forage verify`: try a verifier on some answers, or let all of them meet the hostile ones."""

from collections.abc import Sequence
from dataclasses import asdict
from json import dumps as encode
from pathlib import Path
from typing import Annotated

import tyro
from rich.console import Console
from rich.table import Table

from forage.cli.judged import Judged, print_judged, responses_of
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
    file: Path | None = None,
    answer_column: str = "answer",
    response_column: str = "response",
    prompt_column: str = "prompt",
    stress: bool = False,
    mutants: int = 0,
    seed: int = 0,
    json: bool = False,
    verifier_workers: int = 2,
    deadline: float = 5.0,
    memory_mb: int = 1024,
) -> int:
    r"""Judges responses by a verifier: forage verify --verifier numeric --answer 42 "It is 42." "41"

    Args:
        texts: responses.
        verifier: exact, numeric, choice, math, regex:PATTERN, unit_tests, python:MODULE:FUNCTION; settings follow a
            colon, as in numeric:tolerance=0.01.
        answer: the right answer; for unit_tests, the tests as JSON.
        file: judge the rows of a table instead: JSONL, CSV, Parquet with the answer, the response and perhaps the
            prompt of each.
        answer_column: of the table: the right answer.
        response_column: of the table: what is judged.
        prompt_column: of the table: the question, which may say that percents are asked for; it can be missing.
        stress: judge the hostile answers that come with forage instead, and report what came of them.
        mutants: with --stress, judge so many mutations of them instead.
        seed: random seed of the mutations.
        json: print one JSON object per response, or one for the whole stress set.
        verifier_workers: processes that check answers.
        deadline: seconds that checking an answer may take.
        memory_mb: MiB of memory that checking an answer may take.
    """
    if stress or mutants:
        return _stress(verifier_workers, deadline, memory_mb, mutants=mutants, seed=seed, as_json=json)
    if bool(texts) == (file is not None):
        raise ForageError(
            'Which responses? As in: forage verify --verifier numeric --answer 42 "It is 42.", or --file answers.jsonl.'
        )
    chosen = parse_verifier(verifier)
    if file is None:
        problem = Problem(id="the command line", prompt="", answer=answer, task="verify")
        pairs = [(problem, text) for text in texts]
    else:
        pairs = responses_of(file, answer=answer_column, response=response_column, prompt=prompt_column)
    with WorkerJudge(
        Stressed(verifier=chosen), workers=verifier_workers, deadline=deadline, memory_mb=memory_mb
    ) as judge:
        waiting = [judge.submit(problem, [text]) for problem, text in pairs]
        judged = [Judged.of(chosen, *pair, future.result()[0]) for pair, future in zip(pairs, waiting, strict=True)]
    print_judged(judged, as_json=json, whole=file is None)
    return 0


def _stress(workers: int, deadline: float, memory_mb: int, *, mutants: int, seed: int, as_json: bool) -> int:
    console = Console(stderr=True)
    with progress_bar("hostile answers", console) as move:
        report = judge_stress_set(
            workers=workers, deadline=deadline, memory_mb=memory_mb, mutants=mutants, seed=seed, on_progress=move
        )
    if as_json:
        print(encode({**asdict(report), "answers": report.answers, "passed": report.passed}))
        return 0 if report.passed else 1
    Console().print(_table(report), highlight=False)
    for finding in report.findings:
        for name in finding.called_right:
            console.print(f"[red]Called right: {name}[/red]", highlight=False)
    for escape in report.escaped:
        console.print(f"[red]Escaped: {escape}.[/red]", highlight=False)
    if report.hung or report.lost:
        console.print(f"[red]{report.hung} answers hung, and {report.lost} judges were lost.[/red]", highlight=False)
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
