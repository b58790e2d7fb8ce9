"""`forage bench RECIPE`: methods x seeds x controls, and whether they helped."""

import io
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import redirect_stdout
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.console import Console

from forage.bench.arms import parse_arm, with_controls
from forage.cli import INTERRUPTED, run_command
from forage.cli.compare import compare_command
from forage.cli.lists import Ks, numbers
from forage.cli.progress import message_on_interrupt, progress_bar, say_notes
from forage.cli.recipe_flags import Out, Texts, named_recipe, read_flags
from forage.core.errors import ForageError
from forage.core.interrupts import Interrupted, InterruptGate
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
    seeds: random seeds of every arm, separated by commas.
    n: responses per test problem.
    k: which k of pass@k, separated by commas.
    processes: runs at a time; with more than one, each has one thread and writes its messages to a file beside it.
    out: folder of the runs and of the report; `runs/bench-RECIPE` unless given.
"""
COLDER = (1.0, 0.7, 0.4)
"""Temperatures of the base model: some of what training does, sampling colder does too."""

CHILD = "from forage.verification.sandbox import end_with_parent as e; e(); from forage.__main__ import start; start()"
"""The command line in a process that dies with this one: killed, it leaves nobody behind who holds a run's lock."""


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
    kept = "Interrupted; what was sampled is kept: the same command goes on."
    with message_on_interrupt(kept):
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
            out=bench.out / "base",
            on_progress=move,
        )
    return [bench.out / "base"]


def trained(bench: Bench, console: Console) -> None:
    """Trains and evaluates what is missing of every run. Ctrl-C keeps what was trained; the same command goes on."""
    gate, children = InterruptGate(), Children()

    def one(path: Path) -> None:
        if not path.exists():
            begin(bench.runs[path], path)
        for arguments in (["resume", str(path)], ["eval", str(path), "--n", str(bench.n), "--k", bench.k]):
            if bench.processes > 1:
                children.run(path, arguments)
            else:
                _here(arguments)
                gate.reopen()  # a command that was at its end when Ctrl-C came has ended as if it had not come

    try:
        with gate.listening(), progress_bar("bench", console) as move:
            for number, path in enumerate(_done(one, list(bench.runs), bench.processes, children.interrupt), 1):
                move(number, len(bench.runs), path.name)
    except KeyboardInterrupt as error:
        raise Interrupted("Interrupted; what was trained is kept: the same command goes on.") from error


def _done(
    one: Callable[[Path], None], paths: Sequence[Path], processes: int, interrupt: Callable[[], None]
) -> Iterator[Path]:
    """The paths in order, each when it is done. What has not begun is left out where one fails.

    `interrupt` ends what is under way where Ctrl-C was meant for this process alone.
    """
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
        except KeyboardInterrupt:
            interrupt()
            raise
        finally:
            pool.shutdown(cancel_futures=True)


def _here(arguments: Sequence[str]) -> None:
    """Runs a command of `forage`, which shows its progress but not its tables."""
    with redirect_stdout(io.StringIO()):
        code = run_command(arguments)
    if code:
        raise ForageError(f"`forage {' '.join(arguments)}` ended with code {code}.")


class Children:
    """Commands of `forage` in processes of their own; their messages, which would mix, go to a file beside each run.

    They hear Ctrl-C from this process even where the terminal did not send it to them, and end when this process dies.
    """

    def __init__(self) -> None:
        self._running: set[subprocess.Popen[bytes]] = set()
        self._stopping = False
        self._change = threading.Lock()

    def run(self, path: Path, arguments: Sequence[str]) -> None:
        log = path.with_name(f"{path.name}.log")
        command = [sys.executable, "-c", CHILD, *arguments]
        with log.open("a") as file:
            with self._change:
                if self._stopping:
                    raise KeyboardInterrupt
                process = subprocess.Popen(command, stdout=file, stderr=file)
                self._running.add(process)
            code = process.wait()
        with self._change:
            self._running.discard(process)
        if code in (INTERRUPTED, -signal.SIGINT):
            raise KeyboardInterrupt
        if code:
            raise ForageError(f"`forage {' '.join(arguments)}` ended with code {code}. Its last words are in {log}.")

    def interrupt(self) -> None:
        with self._change:
            self._stopping = True
            for process in self._running:
                process.send_signal(signal.SIGINT)
