"""`forage verify`: try a verifier on some answers, or let all of them meet the hostile ones."""

from dataclasses import asdict
from pathlib import Path

from forage.cli.judged import Judged, responses_of, show_judged
from forage.cli.progress import progress_bar
from forage.cli.tables import Tables
from forage.core.errors import ForageError
from forage.core.records import Problem
from forage.core.result_table import ResultTable
from forage.tasks.verifiers import parse_verifier
from forage.verification.judge import WorkerJudge
from forage.verification.stress import StressReport
from forage.verification.stress import stress as judge_stress_set
from forage.verification.stress.run import Stressed


def verify_command(
    texts: tuple[str, ...] = (),
    /,
    *,
    verifier: str = "math",
    answer: str = "",
    file: Path | None = None,
    json: bool = False,
    out: Path | None = None,
    answer_column: str = "answer",
    response_column: str = "response",
    prompt_column: str = "prompt",
    stress: bool = False,
    mutants: int = 0,
    seed: int = 0,
    verifier_workers: int = 2,
    deadline: float = 5.0,
    memory_mb: int = 1024,
) -> int:
    r"""Judges responses by a verifier.

    Example: forage verify --verifier numeric --answer 42 "It is 42." "41"

    Args:
        texts: Responses.
        verifier: What checks an answer. One of exact, numeric, choice, math, regex:PATTERN, unit_tests,
            python:MODULE:FUNCTION; settings follow a colon, as in numeric:tolerance=0.01.
        answer: The right answer. For unit_tests, the tests as JSON.
        file: Judge the rows of a table instead. JSONL, CSV or Parquet with the answer, the response and perhaps the
            prompt of each.
        json: Print tables as one JSON object.
        out: Where the result is written. A file; printed unless given.
        answer_column: Column of the right answer. The verifier compares with it.
        response_column: Column of the response. It is what is judged.
        prompt_column: Column of the prompt. It may say that percents are asked for; it can be missing.
        stress: Judge the hostile answers that come with forage instead, and report what came of them.
        mutants: With --stress, judge so many mutations of them instead.
        seed: Random seed. It decides the mutations.
        verifier_workers: Processes that check answers.
        deadline: Seconds that checking an answer may take. It is measured in a verifier process.
        memory_mb: MiB of memory that checking an answer may take. It is limited in a verifier process.
    """
    shown = Tables(json=json, out=out)
    if stress or mutants:
        passed = _stress(shown, verifier_workers, deadline, memory_mb, mutants=mutants, seed=seed)
        return 0 if passed else 1
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
    show_judged(shown, judged, of_table=file is not None)
    shown.finish()
    return 0


def _stress(shown: Tables, workers: int, deadline: float, memory_mb: int, *, mutants: int, seed: int) -> bool:
    """Shows what came of the hostile answers; returns whether nothing escaped."""
    with progress_bar("hostile answers") as move:
        report = judge_stress_set(
            workers=workers, deadline=deadline, memory_mb=memory_mb, mutants=mutants, seed=seed, on_progress=move
        )
    for key, value in {**asdict(report), "answers": report.answers, "passed": report.passed}.items():
        shown.value(key, value)
    shown.table("verifiers", _table(report))
    for finding in report.findings:
        for name in finding.called_right:
            shown.warn(f"Called right: {name}")
    for escape in report.escaped:
        shown.warn(f"Escaped: {escape}.")
    if report.hung or report.lost:
        shown.warn(f"{report.hung} answers hung, and {report.lost} judges were lost.")
    shown.say(
        f"{report.answers} hostile answers in {report.seconds:.1f} s; the limit (answers / workers x deadline) is "
        f"{report.limit:.1f} s. {'Nothing escaped.' if not report.escaped else ''}"
    )
    shown.finish()
    return report.passed


def _table(report: StressReport) -> ResultTable:
    rows = [
        (
            finding.verifier,
            *(str(count) for count in (finding.answers, finding.wrong, finding.unjudged)),
            ", ".join(f"{kind} {count}" for kind, count in sorted(finding.failures.items())),
            f"{finding.seconds:.1f}",
        )
        for finding in report.findings
    ]
    return ResultTable.of_texts(("verifier", "answers", "judged wrong", "unjudged", "why unjudged", "seconds"), rows)


COMMAND = verify_command
