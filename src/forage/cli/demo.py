"""`forage demo`: the whole experiment in minutes, from nothing to a report."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console

from forage.analysis import FILE, Analysis, Grams, analyze
from forage.base_models.countdown import build_base
from forage.cli.progress import message_on_interrupt, progress_bar, training_note
from forage.cli.solutions import correct_solutions
from forage.cli.tables import Tables
from forage.core.atomic import write_file
from forage.core.errors import ForageError
from forage.core.interrupts import Interrupted
from forage.evaluation.collect import latest_evaluations
from forage.evaluation.tables import curve_table
from forage.grams.gram_list import load_grams
from forage.grams.mining.miner import Miner
from forage.methods import Applied, entropy_advantage, grpo
from forage.recipes import countdown
from forage.report import build_report
from forage.store.run_directory import RunDirectory
from forage.training.checkpoints import evaluate_checkpoint, find_checkpoint
from forage.training.loop import resume, train

METHODS: tuple[tuple[str, tuple[Applied, ...]], ...] = (
    ("grpo", (grpo(),)),
    ("grpo+entropy_advantage", (grpo(), entropy_advantage())),
)
KS = (1, 4, 16, 64)
"""Of the table that is printed; those above the number of samples are left out."""

LOOKS = 8
"""How often rollouts and a checkpoint are kept on the way, so that there are curves to look at."""

LAB_MINER = Miner(shortest=1, longest=5, formulae="rank")
"""The toy task's language is one of words: a strategy is announced by a single one."""


@message_on_interrupt("Interrupted; what was finished is kept: the same command goes on.")
def demo(*, out: Path = Path("runs/demo"), steps: int = 80, n: int = 128, seed: int = 0, json: bool = False) -> None:
    """Builds a tiny base, trains it with GRPO and with GRPO + entropy advantage, evaluates, analyzes and reports.

    What is there already is not done again: an interrupted demo goes on where it stopped.

    Example: forage demo --steps 20 --n 32

    Args:
        out: Where the result is written. A folder for the runs and the report.
        steps: Training steps. Of each run.
        n: Responses per problem.
        seed: Random seed. Of all runs.
        json: Print tables as one JSON object.
    """
    console = Console(stderr=True)
    console.print("Base model: built once in about a minute, then cached ...", highlight=False)
    base = build_base(size="demo")
    console.print(f"Base model: {base}", highlight=False, soft_wrap=True)
    runs = [_trained(out / name, name, methods, steps, seed, console) for name, methods in METHODS]
    for path in (base, *runs):
        with progress_bar(f"eval {find_checkpoint(path).label}", console) as move:
            evaluate_checkpoint(
                path,
                n=n,
                temperatures=(1.0, 0.7, 0.4) if path == base else (1.0,),
                out=out / "base" if path == base else None,
                on_progress=move,
            )
    analyse_demo(out, runs, console)
    table = curve_table(latest_evaluations((out / "base", *runs)), [k for k in KS if k <= n])
    shown = Tables(json=json)
    shown.curves("levels", table)
    shown.finish()
    page = build_report((out / "base", *runs), out / "report.html")
    console.print(f"Report: {page}  (open it in a browser; it needs no network)", highlight=False, soft_wrap=True)


def _trained(path: Path, name: str, methods: Sequence[Applied], steps: int, seed: int, console: Console) -> Path:
    with progress_bar(f"train {name}", console) as move:
        look = max(1, steps // LOOKS)
        recipe = countdown(
            method=methods, steps=steps, seed=seed, rollouts_every=look, checkpoint_every=look, keep_checkpoints=LOOKS
        )

        def on_step(metrics: Mapping[str, float]) -> None:
            move(int(metrics["step"]), steps, training_note(metrics))

        outcome = resume(path, on_step=on_step) if path.exists() else train(recipe, out=path, on_step=on_step)
    if not outcome.finished:
        raise Interrupted("Interrupted; all is saved: the same command goes on from here.")
    return path


def analyse_demo(out: Path, runs: Sequence[Path], console: Console) -> None:
    """Strategic grams from the correct responses of all runs, so that one list serves all, and the analysis of each.

    The first run's earliest correct responses are the text that every policy reads. A demo too short to have solved
    anything goes without.
    """
    path = out / "grams.json"
    try:
        if not path.exists():
            solved = (text for run in runs for text in correct_solutions(run))
            write_file(path, LAB_MINER(solved, source=", ".join(run.name for run in runs)).to_json().encode())
        grams = Grams(grams=load_grams(str(path)), source=str(path))
    except ForageError as error:
        console.print(f"No strategic grams: {error}", highlight=False, soft_wrap=True)
        return
    for run in runs:
        if not _is_analysed(run, grams):
            with progress_bar(f"analyze {run.name}", console) as move:
                analysis = analyze(RunDirectory.open(run), grams=grams, reference=runs[0], on_progress=move)
            analysis.save(run / FILE)


def _is_analysed(run: Path, grams: Grams) -> bool:
    try:
        used = Analysis.load(run / FILE).grams
    except ForageError:
        return False
    return used is not None and used.id == grams.grams.id


COMMAND = demo
