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
from pathlib import Path
from typing import Any

import pytest

from forage.core.errors import ForageError
from forage.core.protocols import Judge
from forage.core.records import Message, Problem, Score
from forage.tasks.countdown import Countdown
from forage.verification.assignments import assign
from forage.verification.failures import WINDOW, WINDOWS_TO_STOP, FailureLog
from forage.verification.judge import InlineJudge, Verifying, WorkerJudge, open_judge
from forage.verification.process import ProcessLost, VerifierProcess
from forage.verification.scratch import DEPTH_LIMIT, exceeds
from forage.verification.wire import problem_from_json, problem_to_json
from forage.verification.worker import ENTRY_LIMIT
from support.hostile_tasks import Hostile, Unloadable

DEADLINE = 0.6
PROBLEM = Problem(id="p\0\ud800", prompt="2 + 5", answer="so 7", task="hostile", tags=("easy",))


def limits(**settings: Any) -> Verifying:
    return Verifying(**{"deadline": DEADLINE, "memory_mb": 200, **settings})


def judge_with(**settings: Any) -> WorkerJudge:
    return WorkerJudge(**{"task": Hostile(), "workers": 2, "deadline": DEADLINE, "memory_mb": 200, **settings})


@pytest.fixture(scope="module")
def judge() -> Iterator[WorkerJudge]:
    with judge_with() as judge:
        yield judge


@pytest.fixture(scope="module")
def patient_judge() -> Iterator[WorkerJudge]:
    """Of one worker, that gives answers time: filling memory takes a while on a busy machine."""
    with judge_with(workers=1, deadline=10.0, overrun="unjudged", unjudged_limit=1.0) as judge:
        yield judge


@pytest.fixture
def patient(patient_judge: WorkerJudge) -> WorkerJudge:
    """The patient judge, of whose failures nothing is known."""
    patient_judge.failures = FailureLog()
    return patient_judge


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
        ("swell", "memory", "MemoryError"),
        ("write litter", "exception", "OSError"),
        ("forge nonsense\n", "garbage", "sent b'nonsense' instead of a verdict"),
        ('forge [1,{"a":"b"},null]\n', "garbage", "instead of a verdict"),
        ("forge [true,{},null]\n", "garbage", "instead of a verdict"),
        ("forge [1,{},3]\n", "garbage", "instead of a verdict"),
        ("forge " + "[" * 5000 + "\n", "garbage", "instead of a verdict"),
        ("forge " + "x" * 1_200_000, "garbage", "without end"),
    ],
)
def test_one_bad_answer_costs_one_answer(text: str, kind: str, words: str, patient: WorkerJudge) -> None:
    if kind == "deadline":
        with judge_with(workers=1, overrun="unjudged") as hasty:
            costs_one_answer(hasty, text, kind, words)
    else:
        costs_one_answer(patient, text, kind, words)


def costs_one_answer(judge: WorkerJudge, text: str, kind: str, words: str) -> None:
    values = [score.value for score in ask(judge, "a", "bb", text, "ccc", "dddd")]
    assert str(values) == "[1.0, 2.0, nan, 3.0, 4.0]"
    assert judge.failures.counts == {kind: 1}
    assert judge.failures.first is not None
    assert words in judge.failures.first
    assert [score.value for score in ask(judge, "a")] == [1.0]


@pytest.mark.parametrize("text", ["spin", "sleep", "block", "swell"])
def test_what_takes_more_than_it_has_is_wrong(text: str) -> None:
    """Otherwise an answer could choose to be unjudged, and with it an advantage of 0 in the place of a negative one."""
    with judge_with(workers=1) as judge:
        scores = ask(judge, "a", text, "bb")
        assert [score.value for score in scores] == [1.0, 0.0, 2.0]
        assert scores[1].parts == {"correct": 0.0, "overrun": 1.0}
        assert "counts as wrong" in (judge.failures.first or "")


@pytest.fixture(scope="module")
def wrong_if_it_may_be() -> Iterator[WorkerJudge]:
    """Answers that take too much are wrong here."""
    with judge_with(workers=1, unjudged_limit=1.0) as judge:
        yield judge


@pytest.mark.parametrize("text", ["exit", "crash", "raise", "forge nonsense\n"])
def test_what_is_not_its_doing_is_unjudged(text: str, wrong_if_it_may_be: WorkerJudge) -> None:
    assert [score.judged for score in ask(wrong_if_it_may_be, "a", text)] == [True, False]


def test_memory_that_another_answer_holds_is_not_held_against_the_next() -> None:
    """The second answer has room in a process of its own, and none in that of the first, which keeps what it took."""
    with judge_with(workers=1, memory_mb=200, deadline=10.0) as judge:
        assert [score.value for score in ask(judge, "hold 150", "hold 100", "hold 400")] == [1.0, 1.0, 0.0]
        assert judge.failures.counts == {"memory": 1}


def test_a_fault_while_cleaning_costs_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: Path) -> bool:
        raise RecursionError("too deep")

    with judge_with(workers=1) as judge:
        monkeypatch.setattr("forage.verification.scratch.remove_tree", fail)
        assert [score.judged for score in ask(judge, "exit", "a")] == [False, True]
        assert ask(judge, "bb")[0].value == 2.0
        monkeypatch.undo()


def test_a_thread_that_ends_ends_what_waits(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    def fail(*_: object) -> None:
        raise RecursionError("a fault of the judge")

    with judge_with(workers=1) as judge:
        monkeypatch.setattr(judge, "_discard", fail)
        with pytest.raises(ForageError, match="Judging has failed in this process"):
            ask(judge, "exit", "a")
        with pytest.raises(ForageError, match="Judging has failed in this process"):
            ask(judge, "a")
        monkeypatch.undo()
    assert "thread has ended" in caplog.text


# ------------------------------------------------------------------------------------------- too many without a verdict


@pytest.mark.parametrize("workers", [0, 1])
def test_too_many_unjudged_answers_are_said_and_then_end_the_work(
    workers: int, caplog: pytest.LogCaptureFixture
) -> None:
    """A quarter has no verdict, above the limit of a fifth: after one window a warning, after three the end."""
    quarter = [*["a"] * 48, *["wrong"] * 16]
    with open_judge(Hostile(), limits(workers=workers, deadline=10.0)) as judge:
        for _ in range(WINDOW // 64 * WINDOWS_TO_STOP):
            ask(judge, *quarter)
        assert "64 of 256 answers could not be judged, above 20%" in caplog.text
        assert caplog.text.count("above 20%") == 1
        with pytest.raises(ForageError, match=r"More than 20% of the answers.*verify returned float"):
            ask(judge, "a")


def test_few_unjudged_answers_are_no_matter(caplog: pytest.LogCaptureFixture) -> None:
    fifth = [*["a"] * 52, *["wrong"] * 12]
    with open_judge(Hostile(), limits(workers=0)) as judge:
        for _ in range(WINDOW // 64 * (WINDOWS_TO_STOP + 1)):
            ask(judge, *fifth)
    assert "above 20%" not in caplog.text
    with open_judge(Hostile(), limits(workers=0, unjudged_limit=1.0)) as judge:
        for _ in range(WINDOW // 64 * (WINDOWS_TO_STOP + 1)):
            ask(judge, *["wrong"] * 64)
    assert "above" not in caplog.text


def test_a_short_use_says_it_at_its_end(caplog: pytest.LogCaptureFixture) -> None:
    with open_judge(Hostile(), limits(workers=0)) as judge:
        ask(judge, *["wrong"] * 20)
    assert "20 of 20 answers could not be judged, above 20%" in caplog.text


# ---------------------------------------------------------------------------------------------- folders of a killed run


def test_a_process_that_writes_too_much_is_ended_where_its_folder_has_no_limit() -> None:
    """As on a machine without mount namespaces; here the folder is filled from outside."""
    assignment = assign(Hostile(), deadline=30.0, memory_mb=200)
    process = VerifierProcess(assignment)
    process._watched = True  # pyright: ignore[reportPrivateUsage]
    try:
        assert process.quiet
        for number in range(ENTRY_LIMIT + 1):
            (process._directory / f"{number}").touch()  # pyright: ignore[reportPrivateUsage]
        process.send(to_line_of("sleep"))
        with pytest.raises(ProcessLost, match="wrote more than its folder may hold") as lost:
            process.receive(30.0)
        assert lost.value.kind == "written"
        assert not process.quiet
    finally:
        process.discard()


def to_line_of(text: str) -> bytes:
    return json.dumps([problem_to_json(PROBLEM), [text]]).encode() + b"\n"


def test_what_is_too_much(tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "file").write_bytes(bytes(100_000))
    assert not exceeds(tmp_path, size=200_000, entries=2)
    assert exceeds(tmp_path, size=50_000, entries=2)
    assert exceeds(tmp_path, size=200_000, entries=1)
    (tmp_path / "circle").symlink_to(tmp_path)
    assert not exceeds(tmp_path, size=200_000, entries=3)
    deep = tmp_path.joinpath(*["a"] * (DEPTH_LIMIT + 2))
    deep.mkdir(parents=True)
    assert exceeds(tmp_path)


def test_folders_of_a_killed_run_go_with_the_next_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "TMPDIR": str(tmp_path)}
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, "sleep"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment
    ) as killed:
        assert killed.stdout is not None
        assert killed.stdout.readline() == b"here\n"
        killed.kill()
    (left,) = tmp_path.iterdir()
    other, alive = tmp_path / "forage-others", tmp_path / "somebody"
    other.mkdir()
    alive.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with judge_with(workers=1):
        with judge_with(workers=1) as second:
            assert not left.exists()
            assert ask(second, "litter")[0].value == 1.0
        assert len(list(tmp_path.glob("forage-judge-*"))) == 1
    assert sorted(tmp_path.iterdir()) == [other, alive]


def test_failures_are_logged_once_for_each_kind(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        ask(InlineJudge(Hostile()), "raise", "raise", "wrong")
    assert len(caplog.records) == 1
    assert "could not be judged: ValueError: a bad" in caplog.text


@pytest.mark.parametrize("workers", [1, 3])
def test_everything_hanging_is_over_in_time(workers: int) -> None:
    """(N / workers + 1) deadlines, and what starting processes anew takes on a busy machine."""
    with judge_with(workers=workers, deadline=0.3, overrun="unjudged") as judge:
        began = time.monotonic()
        scores = ask(judge, *["sleep"] * 6)
        seconds = time.monotonic() - began
    assert not any(score.judged for score in scores)
    assert judge.failures.counts == {"deadline": 6}
    assert seconds < (6 / workers + 1) * 0.3 + 6 / workers * 1.5


def test_verdicts_do_not_depend_on_workers_or_timing() -> None:
    choices = ["a", "bb", "sleep 0.01", "raise", "exit", "sleep", "steps", "forge x\n", "a", "bb"]
    random.seed(3)
    groups = [random.sample(choices, len(choices)) for _ in range(2)]
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
        assert pending.result(timeout=60)[0].value == 0
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
    with open_judge(Hostile(), limits(workers=0)) as judge:
        assert isinstance(judge, InlineJudge)
    with open_judge(Hostile(), limits(workers=1)) as judge:
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
        judge_with(task=Unloadable(process=os.getpid()), workers=1)


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
    monkeypatch.setitem(sys.modules, "__main__", sys.modules["support.hostile_tasks"])
    monkeypatch.setattr(Hostile, "__module__", "__main__")
    with pytest.raises(ForageError, match="defined in the script that is running"):
        judge_with()


def test_a_worker_starts_without_the_heavy_packages() -> None:
    program = (
        "import sys, forage.verification.worker, forage.tasks.countdown, forage.tasks.verifiers.base\n"
        "heavy = ('torch', 'numpy', 'transformers', 'tokenizers', 'pyarrow', 'importlib.metadata')\n"
        "print([name for name in heavy if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_cheap_verdicts_are_fast(judge: WorkerJudge) -> None:
    """A floor far below what an idle machine does (tens of thousands per second), so that only a blunder fails it."""
    texts = ["a b c"] * 16
    ask(judge, *texts)
    began = time.monotonic()
    for future in [judge.submit(PROBLEM, texts) for _ in range(125)]:
        future.result(timeout=60)
    assert 2000 / (time.monotonic() - began) > 2000
