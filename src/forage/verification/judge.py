"""Judges: the task's verifier in this process, or in processes that can be killed.

Verifiers meet text that nobody has read before; sooner or later one of them loops for ever, swallows the memory or
crashes. In a worker process that costs one answer: it is `UNJUDGED` (NaN, counted, never a reward of 0), the process is
replaced, and all other answers are what they would have been. The number of workers never changes a verdict.
"""

import json
import math
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Protocol, Self

from forage.core.errors import ForageError
from forage.core.protocols import Judge, Task
from forage.core.records import UNJUDGED, Problem, Score
from forage.core.serialize import KEY, encode_part
from forage.verification.failures import FailureLog
from forage.verification.process import ProcessLost, VerifierProcess
from forage.verification.wire import problem_to_json, verdict, with_mode
from forage.verification.worker import Assignment

SMALLEST_CHUNK, LARGEST_CHUNK = 8, 64
"""Texts in one message: enough to pay for it, few enough to share a group among workers."""

START_ATTEMPTS = 3

WORKERS_WHERE_JUDGING_HANGS = 2
"""Processes for a task that needs them, where the recipe asks for none."""


class Verifying(Protocol):
    """How answers are checked. `workers=0`: in this process. `deadline` is in seconds per answer."""

    @property
    def workers(self) -> int: ...
    @property
    def deadline(self) -> float: ...
    @property
    def memory_mb(self) -> int: ...


@contextmanager
def open_judge(task: Task, verifying: Verifying) -> Iterator[Judge]:
    """The judge that `verifying` asks for; its processes end with the block.

    A task whose judging may hang gets processes even where none were asked for: one endless answer would otherwise end
    the run. Raises ForageError where the numbers make no sense or the task cannot be loaded in a process of its own.
    """
    workers = verifying.workers or (WORKERS_WHERE_JUDGING_HANGS if task.hangs else 0)
    if workers == 0:
        yield InlineJudge(task)
        return
    with WorkerJudge(task, workers=workers, deadline=verifying.deadline, memory_mb=verifying.memory_mb) as judge:
        yield judge


def active_protections(task: Task) -> tuple[str, ...]:
    """What a verifier process of this task gives up on this machine: names from `forage.verification.sandbox.PROTECTIONS`."""
    process = VerifierProcess(_assign(task, deadline=5.0, memory_mb=1024))
    process.discard()
    return process.protections


class InlineJudge:
    """Judges in this process, at once: for verifiers that cannot hang. Its verdicts are those of `WorkerJudge`."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self.failures = FailureLog()

    def submit(self, problem: Problem, texts: Sequence[str]) -> Future[tuple[Score, ...]]:
        scores: list[Score] = []
        for text in texts:
            score, reason = verdict(self._task, problem, text)
            if reason:
                self.failures.note("exception", problem, reason)
            scores.append(score)
        future: Future[tuple[Score, ...]] = Future()
        future.set_result(tuple(scores))
        return future


class WorkerJudge:
    """Judges in `workers` processes. An answer has `deadline` seconds and `memory_mb` MiB.

    With every answer hanging, N of them take about (N / workers + 1) * deadline. Close it, or use it in a `with` block.
    Each process has one thread here; all waits are bounded, so a future always ends.
    """

    def __init__(self, task: Task, *, workers: int, deadline: float = 5.0, memory_mb: int = 1024) -> None:
        """Starts the processes. Raises ForageError where they cannot load the task."""
        if workers < 1 or memory_mb < 1 or not (deadline > 0 and math.isfinite(deadline)):
            raise ForageError(
                f"Verifying needs at least one worker, 1 MiB and a deadline above 0 seconds, not {workers}, "
                f"{memory_mb} and {deadline}."
            )
        self.failures = FailureLog()
        self._task = task
        self._deadline = deadline
        self._workers = workers
        self._assignment = _assign(task, deadline, memory_mb)
        self._jobs: deque[_Job] = deque()
        self._open: set[_Pending] = set()
        self._running: set[VerifierProcess] = set()
        self._closed = False
        self._change = threading.Condition()
        started: list[Future[None]] = [Future() for _ in range(workers)]
        self._threads = [
            threading.Thread(target=self._serve, args=(future,), name="forage-judge", daemon=True) for future in started
        ]
        try:
            for thread in self._threads:
                thread.start()
            for future in started:
                future.result()
        except BaseException:
            self.close()
            raise

    def submit(self, problem: Problem, texts: Sequence[str]) -> Future[tuple[Score, ...]]:
        """Queues the texts; the future's scores are in their order."""
        pending = _Pending(problem, len(texts))
        if not texts:
            pending.future.set_result(())
            return pending.future
        open_texts = self._settle_quick(pending, texts)
        size = min(LARGEST_CHUNK, max(SMALLEST_CHUNK, -(-len(open_texts) // self._workers)))
        with self._change:
            if self._closed:
                raise RuntimeError("the judge is closed")
            if not open_texts:
                return pending.future
            self._open.add(pending)
            self._jobs.extend(
                _Job(pending, tuple(open_texts[first : first + size])) for first in range(0, len(open_texts), size)
            )
            self._change.notify_all()
        return pending.future

    def _settle_quick(self, pending: "_Pending", texts: Sequence[str]) -> list[tuple[int, str]]:
        """Settles what needs no worker; the rest, each with its place."""
        left = []
        for index, text in enumerate(texts):
            try:
                score = self._task.quick(pending.problem, text)
                score = score and with_mode(self._task, pending.problem, text, score)
            except Exception:
                score = None  # a worker will raise it again, where it is counted
            if score is None:
                left.append((index, text))
            else:
                pending.settle(index, score)
        return left

    def close(self) -> None:
        """Kills all processes. Futures that have no result yet raise ForageError."""
        with self._change:
            self._closed = True
            self._jobs.clear()
            self._change.notify_all()
            running = list(self._running)
        for process in running:
            process.stop()
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(timeout=30)
        with self._change:
            left, self._open = self._open, set()
        for pending in left:
            pending.fail(ForageError("The judge was closed before this answer was judged."))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # ------------------------------------------------------------------------------------- in the thread of a process

    def _serve(self, started: Future[None]) -> None:
        # The kernel ends a worker together with the thread that started it, so this thread lives as long as the judge.
        process: VerifierProcess | None = None
        try:
            process = self._start()
        except BaseException as error:
            started.set_exception(error)
            return
        started.set_result(None)
        while (job := self._next()) is not None:
            try:
                if process is not None and not process.quiet:
                    process = self._discard(process)  # it ended or spoke unasked: no fault of the next answer
                process = process or self._start()
                if not self._work(process, job):
                    process = self._discard(process)
            except BaseException as error:  # whatever it is, the one who waits must learn of it
                process = self._discard(process)
                job.pending.fail(error)
                self._forget(job.pending)
        self._discard(process)

    def _work(self, process: VerifierProcess, job: "_Job") -> bool:
        """Judges the texts of a job, or returns the rest to the queue; whether the process can be used again."""
        pending, done = job.pending, 0
        try:
            process.send(job.message())
            for number in range(len(job.texts)):
                score, reason = process.receive(self._deadline)
                self._settle(job, number, score, ("exception", reason) if reason else None)
                done = number + 1
                if reason.startswith("MemoryError"):
                    break  # what filled the memory may still be there and would be held against the next text
            else:
                return process.quiet
        except ProcessLost as lost:
            if self._closed:
                return False
            self._settle(job, done, UNJUDGED, (lost.kind, f"its verifier {lost}"))
            done += 1
        with self._change:  # one by one, so that idle workers can share what may hang as well
            rest = [_Job(pending, (text,)) for text in job.texts[done:]]
            self._jobs.extendleft(reversed(rest))
            self._change.notify_all()
        return False

    def _settle(self, job: "_Job", number: int, score: Score, failure: tuple[str, str] | None) -> None:
        if failure is not None:
            self.failures.note(failure[0], job.pending.problem, failure[1])
        if job.pending.settle(job.texts[number][0], score):
            self._forget(job.pending)

    def _forget(self, pending: "_Pending") -> None:
        with self._change:
            self._open.discard(pending)

    def _next(self) -> "_Job | None":
        with self._change:
            while not self._jobs and not self._closed:
                self._change.wait()
            return None if self._closed else self._jobs.popleft()

    def _start(self) -> VerifierProcess:
        for _ in range(START_ATTEMPTS - 1):
            with suppress(ForageError, OSError):
                return self._watch(VerifierProcess(self._assignment))
        return self._watch(VerifierProcess(self._assignment))

    def _watch(self, process: VerifierProcess) -> VerifierProcess:
        with self._change:
            self._running.add(process)
            closed = self._closed
        if closed:  # `close` came too early to see this process
            process.stop()
        return process

    def _discard(self, process: VerifierProcess | None) -> None:
        if process is not None:
            with self._change:
                self._running.discard(process)
            process.discard()


class _Pending:
    """The scores of one submitted group on their way into its future."""

    def __init__(self, problem: Problem, count: int) -> None:
        self.problem = problem
        self.future: Future[tuple[Score, ...]] = Future()
        self.future.set_running_or_notify_cancel()  # a verdict cannot be cancelled
        self._scores: list[Score] = [UNJUDGED] * count
        self._missing = count
        self._lock = threading.Lock()

    def settle(self, index: int, score: Score) -> bool:
        """Whether this was the last one."""
        with self._lock:
            self._scores[index] = score
            self._missing -= 1
            complete = self._missing == 0 and not self.future.done()
            if complete:
                self.future.set_result(tuple(self._scores))
            return complete

    def fail(self, error: BaseException) -> None:
        with self._lock:
            if not self.future.done():
                self.future.set_exception(error)


@dataclass(frozen=True, slots=True)
class _Job:
    """Some texts of a group, each with its place in it."""

    pending: _Pending
    texts: tuple[tuple[int, str], ...]

    def message(self) -> bytes:
        texts = [text for _, text in self.texts]
        return json.dumps([problem_to_json(self.pending.problem), texts]).encode() + b"\n"


def _assign(task: Task, deadline: float, memory_mb: int) -> Assignment:
    encoded = encode_part(task)
    modules = sorted(_modules(encoded))
    if "__main__" in modules:
        raise ForageError(
            f"The task {type(task).__name__} is defined in the script that is running, which verifier processes cannot "
            "import. Move it to a module of its own, or verify in the training process (0 workers)."
        )
    return Assignment(task=encoded, modules=modules, directory="", memory_mb=memory_mb, deadline=deadline)


def _modules(encoded: Any) -> set[str]:
    """The modules of all parts in an encoded part."""
    if isinstance(encoded, dict):
        here = {encoded[KEY].rpartition(".")[0]} if isinstance(encoded.get(KEY), str) else set()
        return here.union(*map(_modules, encoded.values()))
    return set().union(*map(_modules, encoded)) if isinstance(encoded, list) else set()
