import math
import time
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forage.core.errors import ForageError
from forage.core.records import Problem, Score
from forage.core.serialize import decode_part, encode_part
from forage.tasks.verifiers import VERIFIERS, Verifier, parse_verifier
from forage.tasks.verifiers.extraction import final_answer
from forage.tasks.verifiers.numbers import read_quantity
from forage.training.recipe import Verifying
from forage.verification.judge import InlineJudge, WorkerJudge, open_judge
from forage.verification.stress.answers import plain_answers
from forage.verification.stress.run import Stressed

SPECIFICATIONS = [
    "exact",
    "exact:ignore_case=false",
    "numeric:tolerance=0.001",
    "choice:last=E",
    r"regex:answer, (\d+) = x",
    r"regex:compare=numeric,pattern=a=(.*),",
    "f1",
    "math:digits=3",
    "unit_tests:seconds=3",
    "python:os.path:exists",
]


def problem(answer: str) -> Problem:
    return Problem(id="p", prompt="q", answer=answer, task="t")


def right(specification: str, answer: str, text: str) -> bool:
    score = parse_verifier(specification)(problem(answer), text)
    assert score.value == score.parts["correct"] in (0, 1)
    return score.value == 1


# ------------------------------------------------------------------------------------------------------------ by name


@pytest.mark.parametrize("specification", SPECIFICATIONS)
def test_verifiers_are_written_down(specification: str) -> None:
    verifier = parse_verifier(specification)
    assert decode_part(encode_part(verifier), Verifier) == verifier


def test_every_verifier_is_parsed_somewhere_here() -> None:
    assert {text.partition(":")[0] for text in SPECIFICATIONS} == set(VERIFIERS)


def test_free_text_takes_what_follows() -> None:
    assert encode_part(parse_verifier(r"regex:a, (\d+)=b"))["pattern"] == r"a, (\d+)=b"
    settings = encode_part(parse_verifier(r"regex:compare=numeric,tolerance=0.5,pattern=x=(.*), y"))
    assert (settings["compare"], settings["tolerance"], settings["pattern"]) == ("numeric", 0.5, "x=(.*), y")


@pytest.mark.parametrize(
    ("specification", "words"),
    [
        ("nothing", "There is no verifier 'nothing'. The verifiers are: choice, exact"),
        ("numeric:tol=1", "'tol=1' is not a setting of numeric"),
        ("numeric:tolerance=x", "'x' is not a number"),
        ("numeric:tolerance=2", r"lies in \[0, 1\)"),
        ("choice:last=b", "a capital letter"),
        ("regex", "needs a pattern"),
        ("regex:(", "is not a regular expression"),
        ("regex:compare=fuzzy,pattern=a", "compares as exact or numeric"),
        ("python:nonsense", "is named as module:function"),
        ("unit_tests:seconds=0", "at least 1 second"),
    ],
)
def test_mistakes_are_explained(specification: str, words: str) -> None:
    with pytest.raises(ForageError, match=words):
        parse_verifier(specification)


# ---------------------------------------------------------------------------------------------------- final answers


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (r"so \boxed{1} or \boxed{\frac{1}{2}}.", r"\frac{1}{2}"),
        ("<answer> 7 </answer> and more", "7"),
        ("work\n#### 1,234\n", "1,234"),
        ("The answer is 5.", "5"),
        ("Answer: **B**\nThanks", "B"),
        ("The answer is 5. No: the final answer is: 6", "6"),
        (r"\boxed{1 and the end", None),
        ("nothing marked", None),
    ],
)
def test_final_answers(text: str, found: str | None) -> None:
    assert final_answer(text) == found


# ------------------------------------------------------------------------------------------------- plain verifiers


@pytest.mark.parametrize(
    ("text", "value", "percent", "unit"),
    [
        ("1,234.50", Fraction(2469, 2), False, ""),
        ("-3/4", Fraction(-3, 4), False, ""),
        ("1 1/2", Fraction(3, 2), False, ""),
        ("-1 1/2", Fraction(-3, 2), False, ""),
        (r"\dfrac{3}{ 4 }", Fraction(3, 4), False, ""),
        ("$3.50", Fraction(7, 2), False, ""),
        (r"\$3.50", Fraction(7, 2), False, ""),
        ("$0.75$", Fraction(3, 4), False, ""),
        ("2.5e-3", Fraction(1, 400), False, ""),
        ("50%", Fraction(50), True, ""),
        ("12 km/h", Fraction(12), False, "km/h"),
        (r"12\text{ hours}", Fraction(12), False, "h"),
        ("\u22127", Fraction(-7), False, ""),
        ("5.", Fraction(5), False, ""),
    ],
)
def test_numbers_by_hand(text: str, value: Fraction, percent: bool, unit: str) -> None:
    quantity = read_quantity(text)
    assert quantity is not None
    assert (quantity.value, quantity.percent, quantity.unit) == (value, percent, unit)


@pytest.mark.parametrize("text", ["", "x", "1/0", "1e99999", "1.2.3", "12,34", "7" * 300, "3 + 4", "1;2"])
def test_what_is_no_number(text: str) -> None:
    assert read_quantity(text) is None


@given(st.fractions(max_denominator=10**6))
def test_fractions_survive(value: Fraction) -> None:
    quantity = read_quantity(str(value))
    assert quantity is not None
    assert quantity.value == value


@pytest.mark.parametrize(
    ("answer", "text", "expected"),
    [
        ("1234.5", "It costs $1,234.50 in all.", True),
        ("100", "100.05", True),
        ("100", "100.2", False),
        ("0.5", "50%", True),
        ("0.5", "50", False),
        ("50%", "0.5", True),
        ("50%", "50", True),
        ("12 km", "12 miles", False),
        ("12 km", "12", True),
        ("3/4", r"\boxed{\frac{6}{8}}", True),
        ("7", "first 7, but the answer is 8", False),
        ("7", "no number", False),
    ],
)
def test_numeric(answer: str, text: str, expected: bool) -> None:
    assert right("numeric:tolerance=0.001", answer, text) == expected


def test_exact_and_choice() -> None:
    assert right("exact", "New York", "The answer is new  york.")
    assert not right("exact:ignore_case=false", "New York", "new york")
    assert right("choice", "(B) seven", "I think the answer is (b) seven")
    assert right("choice", "B", r"\boxed{\text{B}}")
    assert right("choice", "C", "A looks right.\nBut no:\n**C**")
    assert not right("choice", "A", "Answer: Apples")  # a word is no letter
    assert not right("choice:last=D", "E", "E")


def test_a_wrong_problem_is_not_a_wrong_answer() -> None:
    judge = InlineJudge(Stressed(verifier=parse_verifier("numeric")))
    (score,) = judge.submit(problem("seven"), ["7"]).result()
    assert math.isnan(score.value)
    assert "The answer of problem p is not a number: 'seven'" in (judge.failures.first or "")


def test_quick_verdicts_are_quick_whatever_comes() -> None:
    """They run in the training process, so no text may take long: a second is far above what any takes (10 ms)."""
    for hostile in plain_answers():
        began = time.process_time()
        score = hostile.verifier.quick(hostile.problem, hostile.text)
        assert score is not None
        assert score.value == 0, hostile.name
        assert time.process_time() - began < 1, hostile.name
        math_began = time.process_time()
        parse_verifier("math").quick(hostile.problem, hostile.text)
        assert time.process_time() - math_began < 1, hostile.name


# ----------------------------------------------------------------------------------------------- in worker processes

MATHEMATICS = [
    ("\\frac{1}{2}", "\\boxed{0.5}", True),
    ("\\frac{1}{2}", "we get $\\frac{2}{4}$", True),
    ("x^2+2x+1", "\\boxed{(x+1)^2}", True),
    ("x^2+2x+1", "\\boxed{(x+2)^2}", False),
    ("\\{1,2,3\\}", "\\boxed{\\{3,2,1\\}}", True),
    ("(0,1]", "\\boxed{(0,1)}", False),
    ("\\sqrt{8}", "The answer is $2\\sqrt{2}$", True),
    ("0.333333", "\\boxed{1/3}", True),
    ("42", "41, so \\boxed{42}", True),
    ("42", "\\boxed{43}", False),
    ("42", "", False),
]


MATHEMATICAL_FORMS = [
    # What is stated before the value has to be true; a variable only names it.
    ("42", "1=42", False),
    ("42", "1=2=42", False),
    ("42", "x=1=42", False),
    ("42", "x = 42", True),
    ("42", "f(2) = 6 \\times 7 = 42", True),
    ("42", "\\text{area} = 42", True),
    ("42", "42 \\approx 41", False),
    ("42", "x \\approx 42", True),
    # What stands behind an arrow follows: it is the answer.
    ("42", "41 \\implies 42", True),
    ("42", "42 \\implies 41", False),
    ("42", "42 \\to 41", False),
    ("\\frac{1}{3}", "\\frac{1}{3} \\approx 0.33", True),
    ("\\frac{1}{3}", "\\frac{1}{3} \\approx 0.34", False),
    ("3.14", "\\pi \\approx 3.14", True),
    ("x=42", "42", True),
    ("y=2x+1", "2x+1=y", True),
    ("x<3", "3>x", True),
    # A set is no tuple and no element; a list without brackets says neither.
    ("42", "\\{42\\}", False),
    ("42", "[42]", False),
    ("42", "(42)", True),
    ("(1,2)", "\\{1,2\\}", False),
    ("(1,2)", "\\left(1, 2\\right)", True),
    ("(1,2)", "(2,1)", False),
    ("\\{1,2\\}", "(1,2)", False),
    ("\\{1,2\\}", "2,1", True),
    ("1,2", "\\{1,2\\}", True),
    ("1,234", "1234", True),
    # Percent is a hundredth; units agree where both are written.
    ("42", "42\\%", False),
    ("42", "x = 42\\%", False),
    ("0.42", "42\\%", True),
    ("42\\%", "42", True),
    ("42\\%", "0.42", True),
    ("5 cm", "5 m", False),
    ("5\\text{ cm}", "x = 5\\text{ m}", False),
    ("5\\text{ cm}", "5 \\text{ centimeters}", True),
    ("5 cm", "5", True),
    ("5", "5 cm", True),
    # To six decimals; whole numbers exactly.
    ("42", "42.0000001", True),
    ("42", "42.000001", False),
    ("1234567", "1234568", False),
    ("0", "0.0000001", False),
    ("0.0000001", "0", False),
]


@pytest.mark.parametrize(("answer", "stated", "expected"), MATHEMATICAL_FORMS)
def test_what_stands_around_a_value(answer: str, stated: str, expected: bool) -> None:
    asked = problem(answer)
    for text in (f"\\boxed{{{stated}}}", f"We find ${stated}$"):
        assert parse_verifier("math")(asked, text).value == expected, text


def test_a_question_in_percent_takes_percent() -> None:
    asked = Problem(id="p", prompt="What percentage of them is red?", answer="42", task="t")
    for verifier in (parse_verifier("math"), parse_verifier("numeric")):
        assert verifier(asked, "\\boxed{42\\%}").value == 1
        assert verifier(asked, "\\boxed{0.42}").value == 0
        assert verifier(problem("42"), "\\boxed{42\\%}").value == 0


NUMBERS_EXACTLY = [
    ("42", "42abc", False),
    ("42", "x42", False),
    ("42", "42 apples", True),
    ("42", "It took 42km.", True),
    ("12 km", "12 kilometers", True),
    ("60 km/h", "60 kilometers per hour", True),
    ("5 cm", "5 m", False),
    ("1234567", "1234568", False),
    ("1234567", "1234567.5", True),
    ("0.0000001", "0", False),
    ("0", "0.0000001", True),
    ("1/3", "0.333333", True),
    ("1/3", "0.3333", False),
    ("#### 42", "42", True),
]


@pytest.mark.parametrize(("answer", "text", "expected"), NUMBERS_EXACTLY)
def test_numbers_are_compared_exactly(answer: str, text: str, expected: bool) -> None:
    assert right("numeric", answer, text) == expected


def test_a_wider_tolerance_holds_for_whole_numbers_too() -> None:
    assert right("numeric:tolerance=0.05", "1000", "990")
    assert not right("numeric:tolerance=0.05", "1000", "900")


@pytest.mark.parametrize(
    ("specification", "usable", "unusable"),
    [
        (
            "numeric",
            ["1", "$3.50", "3/4", "50%", "12 km", "so\n#### 42"],
            ['{"a": 1}', "[1, 2]", "seven", "42abc", "true"],
        ),
        ("choice", ["B", "(C) seven"], ["K", "Berlin", "7"]),
        ("regex:compare=numeric,pattern=(.*)", ["7"], ["seven"]),
        ("unit_tests", ['{"inputs": [[1]], "outputs": [2], "entry": "f"}'], ["42", "{}"]),
        ("exact", ["anything", "{}"], []),
    ],
)
def test_answers_that_no_response_can_reach_are_told(
    specification: str, usable: list[str], unusable: list[str]
) -> None:
    verifier = parse_verifier(specification)
    for answer in usable:
        verifier.check(answer)
    for answer in unusable:
        with pytest.raises(ForageError):
            verifier.check(answer)


def test_mathematics() -> None:
    with WorkerJudge(Stressed(verifier=parse_verifier("math")), workers=1, deadline=30.0) as judge:
        futures = [judge.submit(problem(answer), [text]) for answer, text, _ in MATHEMATICS]
        found = [future.result()[0].value for future in futures]
        assert judge.failures.counts == {}
    assert found == [float(expected) for _, _, expected in MATHEMATICS]


def test_what_is_plain_needs_no_mathematics() -> None:
    """Of these only the algebra reaches math-verify; where both judge, they agree."""
    verifier = parse_verifier("math")
    quick = [verifier.quick(problem(answer), text) for answer, text, _ in MATHEMATICS]
    known = [index for index, score in enumerate(quick) if score is not None]
    assert known == [8, 9]
    assert [score.value for score in quick if score is not None] == [1.0, 0.0]
    assert verifier.judge(problem("42"), "\\boxed{42}").value == 1
    assert verifier.judge(problem("42"), "\\boxed{43}").value == 0


def test_majority_votes_of_mathematics() -> None:
    verifier = parse_verifier("math")
    texts = ["\\boxed{0.5}", "the answer is .5", "so $1$ or $x + 1$", "\\boxed{ x+1 }"]
    assert [verifier.answer(problem("1"), text) for text in texts] == ["1/2", "1/2", "x+1", "x+1"]


def test_a_task_that_may_hang_gets_workers_by_itself() -> None:
    """The recipe asks for none; an endless match costs its answer and nothing else."""
    task = Stressed(verifier=parse_verifier(r"regex:^(a+)+$"))
    assert task.hangs
    with open_judge(task, Verifying(workers=0, deadline=1.0)) as judge:
        assert isinstance(judge, WorkerJudge)
        values = [score.value for score in judge.submit(problem("aa"), ["aa", "a" * 60 + "!", "a"]).result()]
    assert values == [1.0, 0.0, 0.0]


OWN = """
from forage.core.records import Score

def even(problem, text):
    if text == "odd": return None
    if text == "score": return Score(0.5, {"correct": 0.0, "style": 1.0})
    return int(text) % 2 == 0

def answer(problem, text): return text.strip()

even.answer = answer
"""


def test_a_function_of_the_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own_checks.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    verifier = parse_verifier("python:own_checks:even")
    with WorkerJudge(Stressed(verifier=verifier), workers=1, deadline=10.0) as judge:
        scores = judge.submit(problem(""), ["2", "3", "odd", "score", "x"]).result()
        assert str([score.value for score in scores]) == "[1.0, 0.0, nan, 0.5, nan]"
        assert scores[3] == Score(0.5, {"correct": 0.0, "style": 1.0})
        assert judge.failures.counts == {"exception": 1}
    assert verifier.answer(problem(""), " 2 ") == "2"


@pytest.mark.parametrize(
    ("function", "words"), [("nowhere:f", "cannot be imported"), ("json:nothing", "json has no function nothing")]
)
def test_a_function_that_is_not_there_is_said_at_once(function: str, words: str) -> None:
    with pytest.raises(ForageError, match=words):
        WorkerJudge(Stressed(verifier=parse_verifier(f"python:{function}")), workers=1)
