"""Trains and evaluates the runs of a comparison: one after the other here, or several at a time in processes."""

import signal
import threading
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from functools import partial
from pathlib import Path
from typing import Self

from forage.bench.exact import exact_command, kept_numbers
from forage.bench.fork_server import CommandProcess, ForkServer
from forage.bench.plan import Bench
from forage.core.errors import DiskFull, ForageError
from forage.core.interrupts import INTERRUPTED, Interrupted, InterruptGate
from forage.core.protocols import OnProgress
from forage.store.run_directory import RunDirectory
from forage.training.checkpoints import evaluate_checkpoint
from forage.training.loop import begin

COLDER = (1.0, 0.7, 0.4)
"""Temperatures of the base model: some of what training does, sampling colder does too."""

LOOK_SECONDS = 1.0
"""Between two looks at how far runs in other processes have come."""

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
    processes of their own. `on_progress` is told the steps of all runs, and what each run under way has come to.

    A run that fails is warned of and does not end the others; at the end a `ForageError` names all that failed.
    """
    gate = InterruptGate()
    failed: dict[Path, str] = {}

    def apart(work: Callable[[Path], None], path: Path) -> None:
        try:
            work(path)
        except ForageError as error:
            if gate.asked or isinstance(error, DiskFull):  # no run after it would fare better
                raise
            failed[path] = str(error)
            warnings.warn(f"{path.name} failed: {error} The other runs go on.", stacklevel=2)

    def commands(path: Path) -> tuple[list[str], ...]:
        if not path.exists():
            begin(bench.runs[path], path)
        return ["resume", str(path)], *evaluation_commands(bench, path)

    def work_here(path: Path) -> None:
        for arguments in commands(path):
            run_here(arguments)
            gate.reopen()  # a command that was at its end when Ctrl-C came has ended as if it had not come

    def work_in_a_process(children: Children, path: Path) -> None:
        children.run(path, commands(path))

    # What is trained already, and most often evaluated, is not worth a process.
    here = [
        path
        for path in bench.runs
        if bench.processes == 1 or _steps_done(bench, path) == bench.runs[path].schedule.steps
    ]
    elsewhere = [path for path in bench.runs if path not in here]
    moved = partial(_tell_steps, bench, on_progress)
    try:
        with gate.listening():
            for path in here:
                apart(work_here, path)
                moved()
            if elsewhere:
                with Children() as children:
                    work = partial(apart, partial(work_in_a_process, children))
                    _work_in_threads(work, elsewhere, bench.processes, children.interrupt, moved)
    except KeyboardInterrupt as error:
        raise Interrupted("Interrupted; what was trained is kept: the same command goes on.") from error
    if failed:
        reasons = " ".join(f"{path.name}: {reason}" for path, reason in failed.items())
        raise ForageError(
            f"{len(failed)} of {len(bench.runs)} runs failed. {reasons} The others are trained, evaluated and kept. "
            "Mend the cause, or leave these arms out, and give the command again."
        )


def evaluation_commands(bench: Bench, path: Path) -> list[list[str]]:
    """What evaluates a run; nothing where exact numbers are there, which another look would only repeat."""
    if bench.exact:
        return [] if kept_numbers(path, bench.ks) else [exact_command(path, bench.ks)]
    return [["eval", str(path), "--n", str(bench.n), "--k", ",".join(map(str, bench.ks))]]


def _steps_done(bench: Bench, path: Path) -> int:
    """All of its steps where a run has ended, also where a budget of tokens ended it before."""
    schedule, row = bench.runs[path].schedule, RunDirectory(path).last_row()
    step = int(row.get("step", 0))
    return schedule.steps if schedule.ended(step, int(row.get("tokens", 0))) else step


def _tell_steps(bench: Bench, on_progress: OnProgress) -> None:
    wanted = {path: recipe.schedule.steps for path, recipe in bench.runs.items()}
    done = {path: _steps_done(bench, path) for path in wanted}
    under_way = [f"{path.name} {done[path]}" for path, steps in wanted.items() if 0 < done[path] < steps]
    on_progress(sum(done.values()), sum(wanted.values()), "  ".join(under_way))


def _work_in_threads(
    work: Callable[[Path], None],
    paths: Sequence[Path],
    processes: int,
    interrupt: Callable[[], None],
    moved: Callable[[], None],
) -> None:
    """Does the work in order, `processes` at a time. What has not begun is left out where one fails.

    `interrupt` ends what is under way where Ctrl-C was meant for this process alone.
    """
    with ThreadPoolExecutor(processes) as pool:
        jobs = [pool.submit(work, path) for path in paths]
        try:
            waiting = True
            while waiting:
                done, rest = wait(jobs, LOOK_SECONDS, FIRST_EXCEPTION)
                moved()
                for job in done:
                    job.result()
                waiting = bool(rest)
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
        self._server: ForkServer | None = None
        self._running: set[CommandProcess] = set()
        self._stopping = False
        self._change = threading.Lock()

    def __enter__(self) -> Self:
        self._server = ForkServer()
        return self

    def __exit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()

    def run(self, path: Path, commands: Sequence[Sequence[str]]) -> None:
        """One after the other in one process."""
        log = path.with_name(f"{path.name}.log")
        with self._change:
            if self._stopping:
                raise KeyboardInterrupt
            assert self._server is not None, "no process can be started outside of `with`"
            process = self._server.start(commands, log)
            self._running.add(process)
        code = process.wait()
        with self._change:
            self._running.discard(process)
        if code in (INTERRUPTED, -signal.SIGINT):
            raise KeyboardInterrupt
        if code:
            raise ForageError(f"The process that works on {path} ended with code {code}. Its last words are in {log}.")

    def interrupt(self) -> None:
        with self._change:
            self._stopping = True
            for process in self._running:
                process.send_signal(signal.SIGINT)
