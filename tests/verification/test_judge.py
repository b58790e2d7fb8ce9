import json
import logging
import math
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from forage.core.errors import ForageError
from forage.core.protocols import Judge
from forage.core.records import Message, Problem, Score
from forage.tasks.countdown import Countdown
from forage.verification.judge import InlineJudge, WorkerJudge, open_judge
from forage.verification.wire import problem_from_json, problem_to_json
from support.hostile_tasks import Hostile, Unloadable

DEADLINE = 0.6
PROBLEM = Problem(id="p\0\ud800", prompt="2 + 5", answer="so 7", task="hostile", tags=("easy",))


@dataclass(frozen=True, kw_only=True)
class Verifying:
    workers: int
    deadline: float = DEADLINE
    memory_mb: int = 200


def judge_with(**settings: Any) -> WorkerJudge:
    return WorkerJudge(**{"task": Hostile(), "workers": 2, "deadline": DEADLINE, "memory_mb": 200, **settings})


@pytest.fixture(scope="module")
def judge() -> Iterator[WorkerJudge]:
    with judge_with() as judge:
        yield judge


def ask(judge: Judge, *texts: str, problem: Problem = PROBLEM) -> tuple[Score, ...]:
    return judge.submit(problem, texts).result(timeout=60)


def plain(scores: tuple[Score, ...]) -> str:
    """Scores as text, so that NaN equals NaN."""
    return repr([(score.value, dict(score.parts), score.steps) for score in scores])


def gone(process: int, within: float = 5.0) -> bool:
    """Whether a process has ended (or is a zombie that its new parent has yet to bury)."""
    until = time.monotonic() + within
    while time.monotonic() < until:
        try:
            state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return True
        if state == "Z":
            return True
        time.sleep(0.02)
    return False


# ----------------------------------------------------------------------------------------------------- honest verdicts

HONEST = ["so 7", "x" * 3, "a\0b", "lone \ud800", "ünï\u2028code\r\n", " "]
ODD = ["steps", "unjudged", "wrong", "raise", "leave"]


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_workers_and_this_process_agree(workers: int) -> None:
    inline = InlineJudge(Hostile(offset=0.1))
    expected = plain(ask(inline, *HONEST, *ODD))
    assert expected.startswith("[(4.1, {'correct': 1.0, 'last': 55.0}, None), (3.1, ")
    with judge_with(task=Hostile(offset=0.1), workers=workers) as judge:
        assert plain(ask(judge, *HONEST, *ODD)) == expected
        assert judge.failures.counts == inline.failures.counts == {"exception": 3}
        assert judge.failures.first == inline.failures.first


def test_by_hand(judge: WorkerJudge) -> None:
    """Steps are plain floats; NaN from the verifier itself is a verdict and no failure; what is no Score is none."""
    before = judge.failures.counts.get("exception", 0)
    steps, unjudged, wrong = ask(judge, "steps", "unjudged", "wrong")
    assert (steps.value, steps.steps, steps.parts["correct"]) == (1.0, (0.25, 1.0), 1.0)
    assert math.isnan(steps.parts["nan"])
    assert (unjudged.judged, unjudged.parts) == (False, {"seen": 1.0})
    assert (wrong.judged, wrong.parts, wrong.steps) == (False, {}, None)
    assert judge.failures.counts["exception"] == before + 1


def test_countdown_in_workers() -> None:
    task = Countdown()
    problem = task.problems("train")[0]
    texts = ["so", "", "try 1 + 1 = 2 left 2 so", "nonsense"]
    with judge_with(task=task) as judge:
        assert plain(ask(judge, *texts, problem=problem)) == plain(ask(InlineJudge(task), *texts, problem=problem))
        assert judge.failures.counts == {}


def test_many_groups_at_once_keep_their_order(judge: WorkerJudge) -> None:
    groups = [["y" * (1 + (7 * g + i) % 50) for i in range(1 + 13 * g % 150)] for g in range(60)]
    futures = [judge.submit(PROBLEM, texts) for texts in groups]
    for texts, future in zip(groups, futures, strict=True):
        assert [score.value for score in future.result(timeout=60)] == [len(text) for text in texts]


def test_no_texts_and_huge_texts(judge: WorkerJudge) -> None:
    assert ask(judge) == ()
    size = 20_000_000
    assert [score.value for score in ask(judge, "z" * size, "z")] == [size, 1]


@pytest.mark.parametrize("prompt", ["text", (Message("system", "be\nbrief"), Message("user", "\ud800"))])
def test_problems_cross_unchanged(prompt: str | tuple[Message, ...]) -> None:
    problem = Problem(id="a", prompt=prompt, answer="{}", task="t", tags=("x", "y"))
    assert problem_from_json(json.loads(json.dumps(problem_to_json(problem)))) == problem


# ---------------------------------------------------------------------------------------------------- hostile verifiers


@pytest.mark.parametrize(
    ("text", "kind", "words"),
    [
        ("spin", "deadline", "did not answer within 0.6 s"),
        ("sleep", "deadline", "did not answer within 0.6 s"),
        ("block", "deadline", "did not answer within 0.6 s"),
        ("exit", "died", "ended with exit status 3"),
        ("crash", "died", "was ended by SIGSEGV"),
        ("raise", "exception", "ValueError: a bad\ntext \\ud800"),
        ("recurse", "exception", "RecursionError"),
        ("swell", "exception", "MemoryError"),
        ("write litter", "exception", "OSError"),
        ("forge nonsense\n", "garbage", "sent b'nonsense' instead of a verdict"),
        ('forge [1,{"a":"b"},null]\n', "garbage", "instead of a verdict"),
        ("forge [true,{},null]\n", "garbage", "instead of a verdict"),
        ("forge [1,{},3]\n", "garbage", "instead of a verdict"),
        ("forge " + "[" * 5000 + "\n", "garbage", "instead of a verdict"),
        ("forge " + "x" * 1_200_000, "garbage", "without end"),
    ],
)
def test_one_bad_answer_costs_one_answer(text: str, kind: str, words: str) -> None:
    with judge_with(workers=1) as judge:
        values = [score.value for score in ask(judge, "a", "bb", text, "ccc", "dddd")]
        assert str(values) == "[1.0, 2.0, nan, 3.0, 4.0]"
        assert judge.failures.counts == {kind: 1}
        assert judge.failures.first is not None
        assert words in judge.failures.first
        assert [score.value for score in ask(judge, "a")] == [1.0]


def test_failures_are_logged_once_for_each_kind(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        ask(InlineJudge(Hostile()), "raise", "raise", "wrong")
    assert len(caplog.records) == 1
    assert "could not be judged: ValueError: a bad" in caplog.text


@pytest.mark.parametrize("workers", [1, 3])
def test_everything_hanging_is_over_in_time(workers: int) -> None:
    """(N / workers + 1) deadlines, and what starting processes anew takes on a busy machine."""
    with judge_with(workers=workers, deadline=0.3) as judge:
        began = time.monotonic()
        scores = ask(judge, *["spin"] * 6)
        seconds = time.monotonic() - began
    assert not any(score.judged for score in scores)
    assert judge.failures.counts == {"deadline": 6}
    assert seconds < (6 / workers + 1) * 0.3 + 6 / workers * 1.5


def test_verdicts_do_not_depend_on_workers_or_timing() -> None:
    choices = ["a", "bb", "sleep 0.01", "raise", "exit", "spin", "steps", "forge x\n"]
    random.seed(3)
    groups = [[random.choice(choices) for _ in range(12)] for _ in range(2)]
    found = []
    for workers in (1, 4):
        with judge_with(workers=workers) as judge:
            futures = [judge.submit(PROBLEM, texts) for texts in groups]
            found.append([plain(future.result(timeout=60)) for future in futures])
    assert found[0] == found[1]
    assert "nan" in found[0][0]


def test_the_deadline_is_per_answer() -> None:
    """Five answers that take 0.3 s each take longer than the deadline together, and all of them are in time."""
    with judge_with(workers=1, deadline=1.2) as judge:
        assert [score.value for score in ask(judge, *["sleep 0.3"] * 5)] == [1.0] * 5


def test_output_of_a_verifier_disturbs_nobody(judge: WorkerJudge) -> None:
    assert [score.value for score in ask(judge, "print", "a", "print", "bb")] == [1.0, 1.0, 1.0, 2.0]


def test_a_worker_that_ends_between_groups_is_nobodys_fault() -> None:
    with judge_with(workers=1) as judge:
        assert ask(judge, "later")[0].value == 1.0
        time.sleep(0.6)
        assert ask(judge, "a")[0].value == 1.0
        assert judge.failures.counts == {}


def test_a_worker_is_clean(judge: WorkerJudge, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORAGE_TEST_SECRET", "x")
    with judge_with(workers=1) as fresh:
        assert ask(fresh, "where")[0].parts == {"home": 1.0, "secret": 0.0, "heavy": 0.0, "imports": 0.0}


def test_temporary_directories_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with judge_with(workers=1) as judge:
        ask(judge, "litter", "exit", "litter")
        assert len(list(tmp_path.iterdir())) == 1
    assert list(tmp_path.iterdir()) == []


def test_a_child_of_a_killed_verifier_ends_too() -> None:
    with judge_with(workers=1) as judge:
        pending = judge.submit(PROBLEM, ["parent 1000.25"])
        children = wait_for_sleepers("1000.25")
        assert not pending.result(timeout=60)[0].judged
    assert all(map(gone, children))


def wait_for_sleepers(seconds: str, within: float = 20.0) -> list[int]:
    """The processes that `sleep` exactly so long, as soon as there are any."""
    until = time.monotonic() + within
    while time.monotonic() < until:
        for entry in Path("/proc").glob("[0-9]*/cmdline"):
            with suppress(OSError):
                if entry.read_bytes() == f"sleep\0{seconds}\0".encode():
                    return [int(entry.parent.name)]
        time.sleep(0.02)
    raise AssertionError("nothing sleeps")


# ------------------------------------------------------------------------------------------------- opening and closing


def test_open_judge() -> None:
    with open_judge(Hostile(), Verifying(workers=0)) as judge:
        assert isinstance(judge, InlineJudge)
    with open_judge(Hostile(), Verifying(workers=1)) as judge:
        assert isinstance(judge, WorkerJudge)
        assert ask(judge, "a")[0].value == 1.0
    with pytest.raises(RuntimeError, match="closed"):
        judge.submit(PROBLEM, ["a"])


@pytest.mark.parametrize("settings", [{"workers": -1}, {"deadline": 0.0}, {"deadline": math.inf}, {"memory_mb": 0}])
def test_numbers_that_make_no_sense(settings: dict[str, Any]) -> None:
    with pytest.raises(ForageError, match="needs at least one worker"):
        judge_with(**settings)


def test_a_task_that_cannot_be_loaded_says_why() -> None:
    with pytest.raises(ForageError, match=r"could not be started.*no data here"):
        judge_with(task=Unloadable(process=os.getpid()))


def test_closing_kills_at_once_and_ends_the_futures() -> None:
    with judge_with(deadline=50.0) as judge:
        future = judge.submit(PROBLEM, ["parent 1000.5", "a"])
        children = wait_for_sleepers("1000.5")
        began = time.monotonic()
    assert time.monotonic() - began < 5
    with pytest.raises(ForageError, match="closed before"):
        future.result(timeout=1)
    assert all(map(gone, children))
    judge.close()


PROGRAM = """
import sys
from forage.verification.judge import WorkerJudge
from support.hostile_tasks import Hostile
from forage.core.records import Problem
with WorkerJudge(Hostile(), workers=1, deadline=100.0) as judge:
    future = judge.submit(Problem("p", "q", "a", "hostile"), [sys.argv[1]])
    print("here", flush=True)
    future.result()
"""


def heed_interrupts() -> None:
    """A shell's background jobs ignore Ctrl-C, and so would every program that a test in one of them starts."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
@pytest.mark.parametrize("action", ["parent", "spin"])
def test_no_orphans(tmp_path: Path, number: signal.Signals, action: str) -> None:
    """Ctrl-C or kill -9: the worker ends with its parent, even where its verifier spins."""
    text = "parent 1000.75" if action == "parent" else action
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "TMPDIR": str(tmp_path)}
    command = [sys.executable, "-c", PROGRAM, text]
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment,
        preexec_fn=heed_interrupts,
    ) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"here\n"
        time.sleep(0.2)
        workers = children(parent.pid) + (wait_for_sleepers("1000.75") if action == "parent" else [])
        assert workers
        parent.send_signal(number)
        parent.wait(timeout=20)
    assert all(map(gone, workers))


def children(parent: int) -> list[int]:
    found = []
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = entry.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(fields[1]) == parent:
            found.append(int(entry.parent.name))
    return found


def test_a_task_of_the_running_script_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "__main__", sys.modules["hostile_tasks"])
    monkeypatch.setattr(Hostile, "__module__", "__main__")
    with pytest.raises(ForageError, match="defined in the script that is running"):
        judge_with()


def test_a_worker_starts_without_the_heavy_packages() -> None:
    program = (
        "import sys, forage.verification.worker, forage.tasks.countdown\n"
        "print([name for name in ('torch', 'numpy', 'transformers', 'tokenizers', 'pyarrow') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_cheap_verdicts_are_fast(judge: WorkerJudge) -> None:
    """A floor far below what an idle machine does (tens of thousands per second), so that only a blunder fails it."""
    texts = ["a b c"] * 16
    ask(judge, *texts)
    began = time.monotonic()
    for future in [judge.submit(PROBLEM, texts) for _ in range(250)]:
        future.result(timeout=60)
    assert 4000 / (time.monotonic() - began) > 2000
