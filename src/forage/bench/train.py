"""Trains and evaluates the runs of a comparison: one after the other here, or several at a time in processes."""

import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from forage.bench.plan import Bench
from forage.core.errors import ForageError
from forage.core.interrupts import INTERRUPTED, Interrupted, InterruptGate
from forage.core.protocols import OnProgress
from forage.training.checkpoints import evaluate_checkpoint
from forage.training.loop import begin

COLDER = (1.0, 0.7, 0.4)
"""Temperatures of the base model: some of what training does, sampling colder does too."""

CHILD = "from forage.verification.sandbox import end_with_parent as e; e(); from forage.__main__ import start; start()"
"""The command line in a process that dies with this one: killed, it leaves nobody behind who holds a run's lock."""

Command = Callable[[Sequence[str]], None]
"""Runs a command of `forage` in this process. Raises where it fails."""


def base_of(bench: Bench) -> Path | None:
    """The model that all runs begin with; None where it is no folder, which could not be evaluated."""
    base = Path(next(iter(bench.runs.values())).model)
    return base if base.is_dir() else None


def evaluate_base(bench: Bench, base: Path, on_progress: OnProgress) -> Path:
    """Evaluates the model that all begin with, also sampled colder. Returns the folder that holds its evaluations."""
    recipe = next(iter(bench.runs.values()))
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
        on_progress=on_progress,
    )
    return bench.out / "base"


def train_bench(bench: Bench, run_here: Command, on_progress: OnProgress) -> None:
    """Trains and evaluates what is missing of every run. Ctrl-C keeps what was trained; the same call goes on.

    Each run is resumed and evaluated as by `forage resume` and `forage eval`: by `run_here`, or, several at a time, in
    processes of their own.
    """
    gate, children = InterruptGate(), Children()

    def train_and_evaluate(path: Path) -> None:
        if not path.exists():
            begin(bench.runs[path], path)
        ks = ",".join(map(str, bench.ks))
        for arguments in (["resume", str(path)], ["eval", str(path), "--n", str(bench.n), "--k", ks]):
            if bench.processes > 1:
                children.run(path, arguments)
            else:
                run_here(arguments)
                gate.reopen()  # a command that was at its end when Ctrl-C came has ended as if it had not come

    try:
        with gate.listening():
            finished = _in_order(train_and_evaluate, list(bench.runs), bench.processes, children.interrupt)
            for number, path in enumerate(finished, 1):
                on_progress(number, len(bench.runs), path.name)
    except KeyboardInterrupt as error:
        raise Interrupted("Interrupted; what was trained is kept: the same command goes on.") from error


def _in_order(
    work: Callable[[Path], None], paths: Sequence[Path], processes: int, interrupt: Callable[[], None]
) -> Iterator[Path]:
    """The paths in order, each when it is done. What has not begun is left out where one fails.

    `interrupt` ends what is under way where Ctrl-C was meant for this process alone.
    """
    if processes == 1:  # in this thread, which is the one that hears Ctrl-C
        for path in paths:
            work(path)
            yield path
        return
    with ThreadPoolExecutor(processes) as pool:
        waiting = [pool.submit(work, path) for path in paths]
        try:
            for path, job in zip(paths, waiting, strict=True):
                job.result()
                yield path
        except KeyboardInterrupt:
            interrupt()
            raise
        finally:
            pool.shutdown(cancel_futures=True)


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
