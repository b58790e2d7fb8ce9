"""`forage bench RECIPE`: methods x seeds x controls, and whether they helped."""

import io
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import redirect_stdout
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.console import Console

from forage.bench.arms import parse_arm, with_controls
from forage.cli import main
from forage.cli.compare import compare_command
from forage.cli.lists import Ks, numbers
from forage.cli.progress import progress_bar, say_notes
from forage.cli.recipe_flags import Out, Texts, named_recipe, read_flags
from forage.core.errors import ForageError
from forage.evaluation.estimate import check_ks
from forage.methods import METHODS
from forage.recipes import RECIPES
from forage.report import build_report
from forage.training.checkpoints import evaluate_checkpoint
from forage.training.loop import begin, default_directory, open_recipe, settle
from forage.training.recipe import Recipe

FLAGS: Mapping[str, tuple[Any, Any]] = {
    "arm": (Texts, ()),
    "control": (Texts, ()),
    "seeds": (str, "0,1,2"),
    "n": (int, 256),
    "k": (Ks, "1,4,16,64,256"),
    "processes": (int, 1),
    "out": (Out, None),
}
HELP = """    arm: methods joined by +, as grpo+entropy_advantage:alpha=0.2; once per arm, the first is compared with.
    control: a control, put beside every arm that has the method it controls for; or all. `forage methods` lists them.
    seeds: of every arm, separated by commas.
    n: responses per test problem.
    k: which k of pass@k, separated by commas.
    processes: runs at a time; with more than one, each has one thread and writes its messages to a file beside it.
    out: folder of the runs and of the report; `runs/bench-RECIPE` unless given.
"""
COLDER = (1.0, 0.7, 0.4)
"""Temperatures of the base model: some of what training does, sampling colder does too."""

INTERRUPTED = 130
"""The exit code of a command that Ctrl-C ended."""


@dataclass(frozen=True)
class Bench:
    """Run directory -> what is trained in it, all arms of a seed before the next seed; and how they are evaluated."""

    out: Path
    runs: Mapping[Path, Recipe]
    n: int
    k: str
    processes: int


def run(argv: Sequence[str]) -> int:
    name = named_recipe("bench", argv)
    if name is None:
        return 0
    own = ("method", "seed")
    settings, more = read_flags(RECIPES[name], FLAGS, HELP, command="bench", argv=argv[1:], without=own)
    bench = planned(RECIPES[name], settings, more, out=more["out"] or Path("runs") / f"bench-{name}")
    console = Console(stderr=True)
    say_notes(next(iter(bench.runs.values())).task)
    console.print(f"{len(bench.runs)} runs in {bench.out}", highlight=False, soft_wrap=True)
    base = evaluated_base(bench, console)
    trained(bench, console)
    first, *others = [*bench.runs, *base]
    compare_command(first, tuple(others), k=bench.k)
    page = build_report([*base, *bench.runs], bench.out / "report.html")
    console.print(f"Report: {page}", highlight=False, soft_wrap=True)
    return 0


def planned(build: Callable[..., Recipe], settings: Mapping[str, Any], more: Mapping[str, Any], *, out: Path) -> Bench:
    """Every run of the bench. What the engine measures to choose by, it measures once, so that all arms compute alike.

    Raises ForageError where one of them could not be trained, before any is, or is there already with other settings.
    """
    check_ks(more["n"], [int(value) for value in numbers(more["k"], "--k", whole=True)])
    seeds = [int(value) for value in numbers(more["seeds"], "--seeds", whole=True)]
    if more["processes"] < 1:
        raise ForageError(f"--processes is how many runs train at a time, 1 or more, not {more['processes']}.")
    arms = with_controls([parse_arm(text, METHODS) for text in more["arm"] or ("grpo",)], more["control"], METHODS)
    threads = settings["threads"] or int(more["processes"] > 1)
    made = [build(**{**settings, "threads": threads}, method=arm, seed=seed) for seed in seeds for arm in arms]
    paths = [out / default_directory(recipe).name.removeprefix(f"{recipe.name}-") for recipe in made]
    before = next((open_recipe(path) for path in paths if path.exists()), None)
    chosen = before or settle(made[0])
    runs = {
        path: replace(
            recipe,
            engine=chosen.engine,
            optimization=replace(recipe.optimization, micro_tokens=chosen.optimization.micro_tokens),
        )
        for path, recipe in zip(paths, made, strict=True)
    }
    for path, recipe in runs.items():
        if path.exists() and open_recipe(path) != recipe:
            raise ForageError(f"{path} holds a run with other settings. Name another folder with --out.")
    return Bench(out, runs, more["n"], more["k"], more["processes"])


def evaluated_base(bench: Bench, console: Console) -> list[Path]:
    """The model that all begin with, also sampled colder. Nothing where it is no folder that could hold evaluations."""
    recipe = next(iter(bench.runs.values()))
    base = Path(recipe.model)
    if not base.is_dir():
        console.print(f"{recipe.model} is no folder, so the base is not evaluated.", highlight=False, soft_wrap=True)
        return []
    with progress_bar(f"eval {base.name}", console) as move:
        evaluate_checkpoint(
            base,
            task=recipe.task,
            n=bench.n,
            temperatures=COLDER,
            max_tokens=recipe.sampling.max_tokens,
            workers=recipe.verifying.workers,
            threads=recipe.engine.threads,
            engine=recipe.engine,
            on_progress=move,
        )
    return [base]


def trained(bench: Bench, console: Console) -> None:
    """Trains and evaluates what is missing of every run. Ctrl-C keeps what was trained; the same command goes on."""
    command = _here if bench.processes == 1 else _in_a_process

    def one(path: Path) -> None:
        if not path.exists():
            begin(bench.runs[path], path)
        command(path, ["resume", str(path)])
        command(path, ["eval", str(path), "--n", str(bench.n), "--k", bench.k])

    try:
        with progress_bar("bench", console) as move:
            for number, path in enumerate(_done(one, list(bench.runs), bench.processes), 1):
                move(number, len(bench.runs), path.name)
    except KeyboardInterrupt:
        console.print("What was trained is kept: the same command goes on.", highlight=False)
        raise


def _done(one: Callable[[Path], None], paths: Sequence[Path], processes: int) -> Iterator[Path]:
    """The paths in order, each when it is done. What has not begun is left out where one fails."""
    if processes == 1:  # in this thread, which is the one that hears Ctrl-C
        for path in paths:
            one(path)
            yield path
        return
    with ThreadPoolExecutor(processes) as pool:
        waiting = [pool.submit(one, path) for path in paths]
        try:
            for path, job in zip(paths, waiting, strict=True):
                job.result()
                yield path
        finally:
            pool.shutdown(cancel_futures=True)


def _here(path: Path, arguments: Sequence[str]) -> None:
    """Runs a command of `forage`, which shows its progress but not its tables."""
    with redirect_stdout(io.StringIO()):
        _check(main(arguments), arguments, "")


def _in_a_process(path: Path, arguments: Sequence[str]) -> None:
    """Runs a command of `forage`, whose messages would mix with those of others, with a file beside `path` for them."""
    log = path.with_name(f"{path.name}.log")
    with log.open("a") as file:
        code = subprocess.run([sys.executable, "-m", "forage", *arguments], stdout=file, stderr=file).returncode
    _check(code, arguments, f" Its last words are in {log}.")


def _check(code: int, arguments: Sequence[str], where: str) -> None:
    if code == INTERRUPTED:
        raise KeyboardInterrupt
    if code:
        raise ForageError(f"`forage {' '.join(arguments)}` ended with code {code}.{where}")
