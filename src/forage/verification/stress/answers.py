"""Answers that break verifiers: expressions without end, texts without sense. Made by code, always the same.

None of them is right, and none of them may be called right.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from forage.core.records import Problem
from forage.tasks.verifiers import Verifier
from forage.tasks.verifiers.mathematics import Math
from forage.tasks.verifiers.pattern import Regex
from forage.tasks.verifiers.plain import Choice, Exact, Numeric
from forage.tasks.verifiers.words import WordF1


@dataclass(frozen=True, slots=True)
class HostileAnswer:
    """A text, what it is meant to do, and the verifier and problem that it is given to."""

    name: str
    verifier: Verifier
    problem: Problem
    text: str


def problem(answer: str) -> Problem:
    return Problem(id=f"stress {answer[:20]}", prompt="Answer wrongly.", answer=answer, task="stress")


MATHEMATICS = problem("x^2 + \\frac{3}{7}")
NUMBER = problem("42")


def mathematical_answers() -> Iterator[HostileAnswer]:
    for name, text in (*_towers(), *_nests(), *_long_expressions(), *odd_texts()):
        for wrapped in ("\\boxed{%s}", "$%s$"):
            yield HostileAnswer(f"{name} in {wrapped[:2]}", Math(), MATHEMATICS, wrapped.replace("%s", text))


def plain_answers() -> Iterator[HostileAnswer]:
    """For the verifiers that run in the training process: they must be quick whatever comes."""
    for verifier in (Exact(), Numeric(), Choice(), WordF1()):
        for name, text in (*odd_texts(), *_towers()[:2], *_digits()):
            yield HostileAnswer(f"{verifier.name}: {name}", verifier, NUMBER, text)


def endless_matches() -> Iterator[HostileAnswer]:
    """Patterns that take exponential or high polynomial time, with texts that nearly match."""
    patterns = [
        r"(a+)+$",
        r"(a|aa)+$",
        r"(a|a?)+$",
        r"(.*)*x$",
        r"^(\w+\s?)*$",
        r"(x+x+)+y",
        r"(a*)*b",
        r"(?:a?){40}a{40}$",
    ]
    for pattern in patterns:
        for text in ("a" * 60 + "!", "x" * 60, "a word " * 30 + "!"):
            yield HostileAnswer(f"pattern {pattern} on {text[:8]}", Regex(pattern=pattern), NUMBER, text)


def _towers() -> list[tuple[str, str]]:
    return [
        ("a tower of powers", "9**9**9**9"),
        ("a tower in LaTeX", "9^{9^{9^{9^{9}}}}"),
        ("a tower without braces", "9^9^9^9"),
        ("a huge power", "3^{1000000000000}"),
        ("a huge power of a sum", "(x+y+z+1)^{3000}"),
        ("a factorial", "100000000!"),
        ("a factorial of a factorial", "((20!)!)!"),
        ("a binomial", "\\binom{10000000000}{5000000000}"),
        ("an endless sum", "\\sum_{n=1}^{\\infty} \\frac{\\sin(n^n)}{n!}"),
        ("a long sum", "\\sum_{k=1}^{100000000} \\frac{k!}{k^k}"),
        ("a long product", "\\prod_{k=1}^{1000000} (1 + \\frac{x}{k})"),
        ("an integral", "\\int_0^{\\infty} e^{-x^{x^x}} \\sin(x^5) \\, dx"),
        ("a limit", "\\lim_{n \\to \\infty} (1 + \\frac{1}{n!})^{n^{n}}"),
        ("a large exponent of ten", "1e999999999"),
        ("a root of a tower", "\\sqrt[7]{7^{7^{7^{7}}}}"),
        ("a modulus of a tower", "7^{7^{7^{7}}} \\bmod 11"),
    ]


def _nests() -> list[tuple[str, str]]:
    kinds = {"brackets": ("(", ")"), "braces": ("{", "}"), "roots": ("\\sqrt{", "}"), "sines": ("\\sin(", ")")}
    kinds |= {"fractions": ("\\frac{1}{1+", "}"), "powers": ("2^{", "}"), "absolute values": ("\\left|", "\\right|")}
    return [
        (f"{depth} nested {name}", f"{opening * depth}x{closing * depth}")
        for name, (opening, closing) in kinds.items()
        for depth in (50, 3000)
    ]


def _long_expressions() -> list[tuple[str, str]]:
    return [
        ("a polynomial of 400 terms", " + ".join(f"{k}x^{{{k}}}" for k in range(1, 400))),
        ("a product of 60 sums", "".join(f"(x+{k})" for k in range(60))),
        ("a set of 1500 numbers", "\\{" + ", ".join(map(str, range(1500))) + "\\}"),
        ("a matrix", "\\begin{pmatrix}" + "\\\\".join("&".join(["x"] * 25) for _ in range(25)) + "\\end{pmatrix}"),
        ("many equations", " = ".join(f"x_{{{k}}}" for k in range(300))),
        ("trigonometry", "+".join(f"\\sin(\\cos(\\tan(x^{{{k}}})))" for k in range(40))),
        ("intervals", " \\cup ".join(f"({k}, {k + 1}]" for k in range(200))),
        ("open brackets", "(" * 20_000),
        ("minus signs", "-" * 20_000 + "1"),
        ("backslashes", "\\" * 20_001),
        ("commands that do not exist", "\\nonsense" * 2_000),
        ("code", "__import__('os')._exit(1)"),
        ("code with underscores", "x.__class__.__base__.__subclasses__()"),
    ]


def _digits() -> list[tuple[str, str]]:
    return [
        ("100,000 digits", "7" * 100_000),
        ("thousands commas", "1" + ",000" * 30_000),
        ("a fraction of digits", "1" * 5_000 + "/" + "3" * 5_000),
        ("numbers and slashes", "1 / " * 20_000),
        ("decimal points", "1." * 30_000),
        ("division by zero", "1/0"),
        ("blank lines", "\n" * 300_000),
        ("stars", "*" * 300_000),
        ("answers", "answer " * 60_000),
        ("open boxes", "\\boxed{" * 60_000),
        ("open tags", "<answer>" * 60_000),
    ]


def odd_texts() -> list[tuple[str, str]]:
    return [
        ("nothing", ""),
        ("NUL characters", "4\0" * 50),
        ("a lone surrogate", "4\ud800"),
        ("many surrogates", "\udfff\ud800" * 500),
        ("a megabyte", "z" * 1_000_000),
        ("a megabyte of digits", "1" * 1_000_000),
        ("two megabytes of spaces", " " * 2_000_000),
        ("combining characters", "e" + "\u0301" * 20_000),
        ("right to left", "\u202e" + "24" * 30),
        ("digits of other scripts", "\u0664\u0662\u0664"),
        ("full-width digits", "\uff14\uff12\uff14"),
        ("superscripts", "x²³⁴⁵"),
        ("line separators", "\u2028\u2029\x85" * 200),
        ("control characters", "".join(map(chr, range(32))) * 20),
        ("emoji", "🧨" * 5_000),
        ("not a number", "nan"),
        ("infinity", "-inf"),
        ("format strings", "{0.__class__} %s %n %x" * 100),
    ]
