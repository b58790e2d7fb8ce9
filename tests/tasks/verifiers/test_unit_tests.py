"""Programs as answers: what passes, what does not, and what a program cannot do."""

import json
import threading
from collections.abc import Iterator

import pytest

from forage.core.errors import ForageError
from forage.core.records import Problem, Score
from forage.tasks.verifiers import unit_tests
from forage.tasks.verifiers.unit_tests import Examination, UnitTests, program_in, read_examination
from forage.verification.judge import WorkerJudge
from forage.verification.stress.run import Stressed

FUNCTION = Examination(inputs=([1], [2], [5]), outputs=(3, 5, 11), entry="f").to_json()
WHOLE = json.dumps({"inputs": ["1 2\n", "3 4\n"], "outputs": ["3\n", "7"]})
RIGHT = "def f(x):\n    return 2 * x + 1\n"


@pytest.fixture(scope="module")
def judge() -> Iterator[WorkerJudge]:
    with WorkerJudge(Stressed(verifier=UnitTests()), workers=1, deadline=60.0) as judge:
        yield judge


def ask(judge: WorkerJudge, answer: str, *texts: str) -> list[Score]:
    problem = Problem(id="p", prompt="q", answer=answer, task="t")
    return list(judge.submit(problem, texts).result(timeout=120))


def test_functions(judge: WorkerJudge) -> None:
    texts = [
        RIGHT,
        f"So:\n```python\n{RIGHT}```\nDone.",
        "def f(x): return 2 * x",
        "def f(x): return 3",
        "f =",
        "g = 1",
    ]
    scores = ask(judge, FUNCTION, *texts)
    assert [score.value for score in scores] == [1, 1, 0, 0, 0, 0]
    assert [round(score.parts["passed"], 2) for score in scores] == [1, 1, 0, 0.33, 0, 0]


def test_an_input_that_fails_costs_only_itself(judge: WorkerJudge) -> None:
    texts = [
        "def f(x):\n if x == 2: raise ValueError\n return 2*x+1",
        "import os\ndef f(x):\n if x == 5: os._exit(0)\n return 2*x+1",
    ]
    assert [round(score.parts["passed"], 2) for score in ask(judge, FUNCTION, *texts)] == [0.67, 0.67]


def test_classes_and_starters(judge: WorkerJudge) -> None:
    assert ask(judge, FUNCTION, "class Solution:\n  def f(self, x): return 2*x+1")[0].value == 1
    started = Examination(inputs=([1],), outputs=(3,), entry="f", starter="def f(x):\n").to_json()
    assert [score.value for score in ask(judge, started, "    return 3", "def f(x):\n    return 3")] == [1, 1]


def test_whole_programs(judge: WorkerJudge) -> None:
    texts = [
        "a, b = map(int, input().split())\nprint(a + b)",
        "import sys\nprint(sum(map(int, sys.stdin.read().split())))",
    ]
    wrong = ["print(3)", "a = 1 /"]
    scores = ask(judge, WHOLE, *texts, *wrong, "print('3'); raise SystemExit(1)")
    assert [score.value for score in scores] == [1, 1, 0, 0, 0]
    assert [score.parts["passed"] for score in scores] == [1, 1, 0.5, 0, 0.5]


@pytest.mark.parametrize(
    ("wanted", "found", "expected"),
    [
        (0.3, "0.1 + 0.2", 1),
        ([1, [2, "a"]], "(1, [2, 'a'])", 1),
        ({"a": None}, "{'a': None}", 1),
        (1, "True", 0),
        (True, "1", 0),
        ([1], "{1}", 0),
        ("a", "'b'", 0),
        (2, "2.0", 0),
    ],
)
def test_what_is_equal(judge: WorkerJudge, wanted: object, found: str, expected: int) -> None:
    answer = json.dumps({"inputs": [[]], "outputs": [wanted], "fn_name": "f"})
    assert ask(judge, answer, f"def f():\n    return {found}")[0].value == expected


def test_processor_time_belongs_to_the_problem_and_is_judged(judge: WorkerJudge) -> None:
    (score,) = ask(judge, FUNCTION, "def f(x):\n    while True: pass")
    assert (score.value, score.parts["ended"]) == (0, 0)
    assert judge.failures.counts == {}


LIES = {
    "equal to everything": "class N(int):\n    def __eq__(self, other): return True\ndef f(x): return N(0)",
    "forged replies": (
        "import os\nfor n in range(64):\n  try: os.write(n, b'[[[3], [5], [11]], 0]\\n')\n"
        "  except OSError: pass\ndef f(x): return 0"
    ),
    "the right results somewhere in memory": (
        "import gc\ndef f(x):\n  for o in gc.get_objects():\n"
        "    if isinstance(o, list) and len(o) == 3 and o[0] == 3 and o[1] == 5: return o[[1, 2, 5].index(x)]\n"
    ),
    "the tests on the callers' frames": (
        "import sys\ndef f(x):\n  frame = sys._getframe()\n  while frame:\n    for o in frame.f_locals.values():\n"
        "      if isinstance(o, list) and 11 in o: return o[[1, 2, 5].index(x)]\n    frame = frame.f_back\n"
    ),
}


@pytest.mark.parametrize("name", LIES)
def test_a_program_cannot_lie(judge: WorkerJudge, name: str) -> None:
    assert ask(judge, FUNCTION, LIES[name])[0].value == 0
    assert ask(judge, FUNCTION, RIGHT)[0].value == 1  # and the next answer is judged as ever


DEEP = "import os\nfor i in range(3000):\n  os.mkdir('a'); os.chdir('a')\ndef f(x): return 0\n"


def test_no_folder_that_a_program_makes_ends_the_judging(judge: WorkerJudge) -> None:
    scores = ask(judge, FUNCTION, DEEP, RIGHT, DEEP.replace("'a')\n", "b'\\xff')\n"), RIGHT)
    assert [score.value for score in scores] == [0, 1, 0, 1]
    assert judge.failures.counts == {}


def test_a_host_that_has_ended_is_replaced() -> None:
    """In this process, where the host of the verifier can be reached."""
    verifier, problem = UnitTests(), Problem(id="p", prompt="q", answer=FUNCTION, task="t")
    assert verifier.judge(problem, RIGHT).value == 1
    for _ in range(2):
        host = unit_tests._host()  # pyright: ignore[reportPrivateUsage]
        host.kill()
        host.wait()
        assert verifier.judge(problem, RIGHT).value == 1
        assert unit_tests._host() is not host  # pyright: ignore[reportPrivateUsage]
    unit_tests._replace_host()  # pyright: ignore[reportPrivateUsage]


def test_a_host_that_ends_while_it_judges_costs_one_answer() -> None:
    verifier, problem = UnitTests(), Problem(id="p", prompt="q", answer=FUNCTION, task="t")
    host = unit_tests._host()  # pyright: ignore[reportPrivateUsage]
    threading.Timer(0.5, host.kill).start()
    with pytest.raises(RuntimeError, match="has ended"):
        verifier.judge(problem, "import time\ntime.sleep(60)")
    assert verifier.judge(problem, RIGHT).value == 1
    unit_tests._replace_host()  # pyright: ignore[reportPrivateUsage]


def test_what_a_program_may_not_touch(judge: WorkerJudge, tmp_path_factory: pytest.TempPathFactory) -> None:
    secret = tmp_path_factory.mktemp("outside") / "secret"
    secret.write_text("11")
    attempts = [
        f"def f(x): return int(open({str(secret)!r}).read()) and 2 * x + 1",
        f"def f(x): open({str(secret)!r}, 'w').write('x'); return 2 * x + 1",
        "import os\ndef f(x): os.fork(); return 2 * x + 1",
        "import socket\ndef f(x): socket.socket(); return 2 * x + 1",
        "import socket\ndef f(x): socket.socketpair(); return 2 * x + 1",
    ]
    if {"writes stay inside", "no escape from the process group"} <= set(protections()):
        assert [score.value for score in ask(judge, FUNCTION, *attempts)] == [0] * len(attempts)
    assert secret.read_text() == "11"
    assert ask(judge, FUNCTION, "def f(x):\n  open('here', 'w').write('x')\n  return 2 * x + 1")[0].value == 1


def protections() -> tuple[str, ...]:
    from forage.verification.judge import active_protections

    return active_protections(Stressed(verifier=UnitTests()))


@pytest.mark.parametrize(
    "answer", ["", "[]", '{"inputs": [1]}', '{"inputs": [], "outputs": []}', '{"inputs": [1], "outputs": []}']
)
def test_problems_without_tests_are_refused(answer: str) -> None:
    with pytest.raises(ForageError, match=r"JSON with|as many outputs as inputs"):
        read_examination(answer)


def test_equal_programs_vote_together() -> None:
    verifier, problem = UnitTests(), Problem(id="p", prompt="q", answer=FUNCTION, task="t")
    assert verifier.answer(problem, f"```python\n\n{RIGHT}\n```") == verifier.answer(problem, RIGHT)
    assert verifier.answer(problem, "    x = x + 1\n") is None, "a beginning is no answer"
    assert verifier.answer(problem, "print(3)") == "print(3)"
    assert program_in("x = 1") == "x = 1"
