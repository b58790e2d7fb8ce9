"""Judges: the task's verifier in this process, or in processes that can be killed.

Verifiers meet text that nobody has read before; sooner or later one of them loops for ever, swallows the memory or
crashes. In a worker process that costs one answer, the process is replaced, and all other answers are what they would
have been. An answer that takes more time, memory or disk space than it has is wrong, unless asked otherwise; one whose
verifier raises, dies or replies with something else is `UNJUDGED` (NaN, counted, never a reward of 0). The number of
workers never changes a verdict.
"""

import json
import logging
import math
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Literal, Self

from forage.core.errors import ForageError, check_numbers
from forage.core.protocols import Judge, Task
from forage.core.records import UNJUDGED, Problem, Score
from forage.verification.assignments import assign
from forage.verification.failures import OVERRUN, OWN_DOING, FailureLog, UnjudgedShare
from forage.verification.process import ProcessLost, VerifierProcess
from forage.verification.scratch import remove_abandoned
from forage.verification.wire import problem_to_json, verdict, with_mode

_log = logging.getLogger(__name__)

SMALLEST_CHUNK, LARGEST_CHUNK = 8, 64
"""Texts in one message: enough to pay for it, few enough to share a group among workers."""

START_ATTEMPTS = 3

WORKERS_WHERE_JUDGING_HANGS = 2
"""Processes for a task that needs them, where the recipe asks for none."""


Overrun = Literal["wrong", "unjudged"]
"""What an answer is that takes more time, memory or disk space than it has."""


@dataclass(frozen=True, kw_only=True)
class Verifying:
    """Where answers are checked. `workers=0` checks in this process, for verifiers that cannot hang.

    `deadline` is in seconds per answer. What takes longer, or more than `memory_mb` MiB, is wrong, or unjudged where
    `overrun` says so. A share of unjudged answers above `unjudged_limit` is said, and ends the work where it lasts. The
    number of workers never changes a result.
    """

    workers: int = 0
    deadline: float = 5.0
    memory_mb: int = 1024
    overrun: Overrun = "wrong"
    unjudged_limit: float = 0.2

    def __post_init__(self) -> None:
        check_numbers(self)


@contextmanager
def open_judge(task: Task, verifying: Verifying) -> Iterator[Judge]:
    """The judge that `verifying` asks for; its processes end with the block.

    A task whose judging may hang gets processes even where none were asked for: one endless answer would otherwise end
    the run. Raises ForageError where the numbers make no sense or the task cannot be loaded in a process of its own.
    """
    workers = verifying.workers or (WORKERS_WHERE_JUDGING_HANGS if task.hangs else 0)
    if workers == 0:
        with InlineJudge(task, unjudged_limit=verifying.unjudged_limit) as judge:
            yield judge
        return
    with WorkerJudge(
        task,
        workers=workers,
        deadline=verifying.deadline,
        memory_mb=verifying.memory_mb,
        overrun=verifying.overrun,
        unjudged_limit=verifying.unjudged_limit,
    ) as judge:
        yield judge


def active_protections(task: Task) -> tuple[str, ...]:
    """What a verifier process of this task gives up on this machine: names from
    `forage.verification.sandbox.PROTECTIONS`."""
    process = VerifierProcess(assign(task, deadline=5.0, memory_mb=1024))
    process.discard()
    return process.protections


class InlineJudge:
    """Judges in this process, at once: for verifiers that cannot hang. Its verdicts are those of `WorkerJudge`."""

    def __init__(self, task: Task, *, unjudged_limit: float = 1.0) -> None:
        self._task = task
        self.failures = FailureLog()
        self._share = UnjudgedShare(unjudged_limit, self.failures)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._share.close()

    def submit(self, problem: Problem, texts: Sequence[str]) -> Future[tuple[Score, ...]]:
        """The verdicts, in the order of the texts. Raises ForageError where too many answers cannot be judged."""
        self._share.check()
        scores: list[Score] = []
        for text in texts:
            score, reason = verdict(self._task, problem, text)
            if reason:
                self.failures.note("exception", problem, reason)
            scores.append(score)
            self._share.count(score)
        future: Future[tuple[Score, ...]] = Future()
        future.set_result(tuple(scores))
        return future


class WorkerJudge:
    """Judges in `workers` processes. An answer has `deadline` seconds and `memory_mb` MiB; `overrun` is what becomes of
    one that takes more.

    With every answer hanging, N of them take about (N / workers + 1) * deadline. Close it, or use it in a `with` block.
    Each process has one thread here; all waits are bounded, so a future always ends.
    """

    def __init__(
        self,
        task: Task,
        *,
        workers: int,
        deadline: float = 5.0,
        memory_mb: int = 1024,
        overrun: Overrun = "wrong",
        unjudged_limit: float = 1.0,
    ) -> None:
        """Starts the processes. Raises ForageError where they cannot load the task."""
        if workers < 1 or memory_mb < 1 or not (deadline > 0 and math.isfinite(deadline)):
            raise ForageError(
                f"Verifying needs at least one worker, 1 MiB and a deadline above 0 seconds, not {workers}, "
                f"{memory_mb} and {deadline}."
            )
        self.failures = FailureLog()
        self._share = UnjudgedShare(unjudged_limit, self.failures)
        self._task = task
        self._deadline = deadline
        self._own_doing = OWN_DOING if overrun == "wrong" else ()
        self._workers = workers
        self._assignment = assign(task, deadline, memory_mb)
        self._jobs: deque[_Job] = deque()
        self._open: set[_Pending] = set()
        self._running: set[VerifierProcess] = set()
        self._closed = False
        self._broken: ForageError | None = None
        self._change = threading.Condition()
        started: list[Future[None]] = [Future() for _ in range(workers)]
        self._threads = [
            threading.Thread(target=self._serve, args=(future,), name="forage-judge", daemon=True) for future in started
        ]
        remove_abandoned()
        try:
            for thread in self._threads:
                thread.start()
            for future in started:
                future.result()
        except BaseException:
            self.close()
            raise

    def submit(self, problem: Problem, texts: Sequence[str]) -> Future[tuple[Score, ...]]:
        """Queues the texts; the future's scores are in their order.

        Raises ForageError where too many answers cannot be judged, or where the judge itself has failed.
        """
        self._share.check()
        pending = _Pending(problem, len(texts), self._share)
        if not texts:
            pending.future.set_result(())
            return pending.future
        open_texts = self._settle_quick(pending, texts)
        size = min(LARGEST_CHUNK, max(SMALLEST_CHUNK, -(-len(open_texts) // self._workers)))
        with self._change:
            if self._closed:
                raise RuntimeError("the judge is closed")
            if self._broken is not None:
                raise self._broken
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
        self._share.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # ------------------------------------------------------------------------------------- in the thread of a process

    def _serve(self, started: Future[None]) -> None:
        # The kernel ends a worker together with the thread that started it, so this thread lives as long as the judge.
        try:
            process = self._start()
        except BaseException as error:
            started.set_exception(error)
            return
        started.set_result(None)
        try:
            self._serve_jobs(process)
        except BaseException as error:  # a fault of this page: nobody may wait for a thread that has ended
            self._break(error)

    def _serve_jobs(self, process: VerifierProcess | None) -> None:
        while (job := self._next()) is not None:
            try:
                if process is not None and (job.afresh or not process.quiet):
                    process = self._discard(process)  # it ended or spoke unasked: no fault of the next answer
                fresh = process is None
                process = process or self._start()
                if not self._work(process, job, fresh=fresh):
                    process = self._discard(process)
            except BaseException as error:  # whatever it is, the one who waits must learn of it
                process = self._discard(process)
                job.pending.fail(error)
                self._forget(job.pending)
        self._discard(process)

    def _break(self, error: BaseException) -> None:
        """Ends all that waits, now and later."""
        sentence = ForageError(f"Judging has failed in this process ({type(error).__name__}: {error}).")
        with self._change:
            self._broken = sentence
            self._jobs.clear()
            left, self._open = self._open, set()
        _log.error("A judge's thread has ended.", exc_info=error)
        for pending in left:
            pending.fail(sentence)

    def _work(self, process: VerifierProcess, job: "_Job", *, fresh: bool) -> bool:
        """Judges the texts of a job, or returns the rest to the queue; whether the process can be used again."""
        done, again = 0, False
        try:
            process.send(job.message())
            for number in range(len(job.texts)):
                score, reason = process.receive(self._deadline)
                if reason.startswith("MemoryError"):
                    # What filled the memory may still be there and would be held against the next text; and where
                    # others were judged before, it may have been theirs: the verdict of a new process counts.
                    again = not fresh or number > 0
                    if not again:
                        self._fail(job, number, "memory", reason)
                        done = number + 1
                    break
                self._settle(job, number, score, ("exception", reason) if reason else None)
                done = number + 1
            else:
                return process.quiet
        except ProcessLost as lost:
            if self._closed:
                return False
            self._fail(job, done, lost.kind, f"its verifier {lost}")
            done += 1
        with self._change:  # one by one, so that idle workers can share what may hang as well
            rest = [
                _Job(job.pending, (text,), afresh=again and index == 0) for index, text in enumerate(job.texts[done:])
            ]
            self._jobs.extendleft(reversed(rest))
            self._change.notify_all()
        return False

    def _fail(self, job: "_Job", number: int, kind: str, message: str) -> None:
        """Settles an answer that has no verdict: as wrong where that was its own doing."""
        self._settle(job, number, OVERRUN if kind in self._own_doing else UNJUDGED, (kind, message))

    def _settle(self, job: "_Job", number: int, score: Score, failure: tuple[str, str] | None) -> None:
        if failure is not None:
            self.failures.note(failure[0], job.pending.problem, failure[1], wrong=score.judged)
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
            try:
                process.discard()
            except Exception:  # what it leaves must not cost the answers that come
                _log.exception("What a verifier process has left could not be removed.")


class _Pending:
    """The scores of one submitted group on their way into its future."""

    def __init__(self, problem: Problem, count: int, share: UnjudgedShare) -> None:
        self.problem = problem
        self._share = share
        self.future: Future[tuple[Score, ...]] = Future()
        self.future.set_running_or_notify_cancel()  # a verdict cannot be cancelled
        self._scores: list[Score] = [UNJUDGED] * count
        self._missing = count
        self._lock = threading.Lock()

    def settle(self, index: int, score: Score) -> bool:
        """Whether this was the last one."""
        self._share.count(score)
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
    """Some texts of a group, each with its place in it. `afresh`: for a process that has judged nothing before."""

    pending: _Pending
    texts: tuple[tuple[int, str], ...]
    afresh: bool = False

    def message(self) -> bytes:
        texts = [text for _, text in self.texts]
        return json.dumps([problem_to_json(self.pending.problem), texts]).encode() + b"\n"
