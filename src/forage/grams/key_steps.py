"""Key steps of a solution in a text, and whether its steps are complete and in order (StepGRPO, arXiv 2503.12937)."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from forage.core.errors import ForageError
from forage.grams.words import fold

KeyStep = tuple[str, ...]
"""The forms of one key step: any of them counts."""

STEP_LABEL = re.compile(r"(?im)^[ \t#*]*step\s+(\d+)\b")
"""A line that says `Step 3:` (or `step 3.`, `### Step 3`); group 1 is its number."""

_SIGN = re.compile(r"\s*([-+*/=])\s*")
_EQUATION = re.compile(r"(?<![\w.+*/-])(\d+(?:\.\d+)?)([-+*/])(\d+(?:\.\d+)?)=(\d+(?:\.\d+)?)(?![\w+*/-])")


def matched_share(text: str, steps: Sequence[KeyStep]) -> float:
    """The share of the key steps that a text mentions, in [0, 1]; 0 where there are none.

    Letters count alike in either case, and so does white space of any length, or none around + - * / =. A form is
    found as whole words: `8-6=2` neither in `18-6=2` nor in `8-6=20`.

    Example:
        >>> matched_share("First 8 - 6 = 2, then Double It.", [("8-6=2", "6+2=8"), ("double it",), ("add 4",)])
        0.6666666666666666
    """
    if not steps:
        return 0.0
    read = _plain(text)
    return sum(any(_mentions(read, form) for form in step) for step in steps) / len(steps)


def equation_steps(solution: str) -> tuple[KeyStep, ...]:
    """The calculations of two numbers that a solution holds, each once, as key steps; a + b and b + a are one.

    Example:
        >>> equation_steps("try 8 - 6 = 2 4 try 2 * 4 = 8")
        (('8-6=2',), ('2*4=8', '4*2=8'))
    """
    steps: dict[frozenset[str], KeyStep] = {}
    for left, sign, right, result in _EQUATION.findall(_plain(solution)):
        forms = (f"{left}{sign}{right}={result}", f"{right}{sign}{left}={result}")
        step = tuple(dict.fromkeys(forms if sign in "+*" else forms[:1]))
        steps.setdefault(frozenset(step), step)
    return tuple(steps.values())


def steps_in_order(text: str, sections: Sequence[str], *, numbered: bool) -> bool:
    """Whether a text has all sections in their order and, where they are `numbered`, its steps from 1 to n, n >= 1.

    A section is found by its mark, in either case, behind the mark before it. Steps are numbered by lines that begin
    with `Step 3`; all of them stand before the last section, which is the answer. Raises ForageError where there is
    nothing to look for.

    Example:
        >>> text = "Step 1: read\\nStep 2: add\\nThe answer is: 4"
        >>> steps_in_order(text, ["the answer is:"], numbered=True)
        True
        >>> steps_in_order(text.replace("2", "3"), ["the answer is:"], numbered=True)
        False
    """
    if not sections and not numbered:
        raise ForageError("A text is in order by the marks of its sections or the numbers of its steps: give one.")
    read = fold(text)
    place, begin = 0, len(read)
    for section in sections:
        begin = read.find(fold(section), place)
        if begin < 0:
            return False
        place = begin + len(section)
    labels = list(STEP_LABEL.finditer(read)) if numbered else []
    numbers = [int(label[1]) for label in labels]
    return not numbered or (numbers == list(range(1, len(numbers) + 1)) != [] and labels[-1].start() < begin)


def read_key_steps(path: Path) -> dict[str, tuple[KeyStep, ...]]:
    """Key steps by problem, from JSON lines: `id` or `prompt`, and `key_steps`, each a text or a list of its forms.

    Raises ForageError, with file and line, where one cannot be read.
    """
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ForageError(f"The key steps {path} cannot be read: {error}.") from error
    steps: dict[str, tuple[KeyStep, ...]] = {}
    for number, line in enumerate(lines, 1):
        if line.strip():
            name, forms = _row(line, f"{path}, line {number}")
            steps[name] = forms
    if not steps:
        raise ForageError(f"{path} holds no key steps.")
    return steps


def _row(line: str, source: str) -> tuple[str, tuple[KeyStep, ...]]:
    try:
        row: Any = json.loads(line)
    except ValueError as error:
        raise ForageError(f"{source}: it is not JSON ({error}).") from error
    named = next((row[key] for key in ("id", "prompt") if key in row), None) if isinstance(row, Mapping) else None
    if not isinstance(named, str) or not isinstance(row.get("key_steps"), list):
        raise ForageError(f"{source}: a row is an object with id or prompt, and key_steps, a list.")
    return named, tuple(_forms(step, source) for step in row["key_steps"])


def _forms(step: object, source: str) -> KeyStep:
    forms = [step] if isinstance(step, str) else step
    if not isinstance(forms, Iterable) or isinstance(forms, Mapping):
        raise ForageError(f"{source}: a key step is a text or a list of its forms, not {step!r}.")
    texts = [form for form in forms if isinstance(form, str) and form.strip()]
    if not texts or len(texts) < len(list(forms)):
        raise ForageError(f"{source}: a key step has one or more forms, all of them texts, not {step!r}.")
    return tuple(texts)


def _plain(text: str) -> str:
    return _SIGN.sub(r"\1", " ".join(fold(text).split()))


def _mentions(read: str, form: str) -> bool:
    wanted = re.escape(_plain(form))
    return bool(re.search(rf"(?<!\w){wanted}(?!\w)", read))
