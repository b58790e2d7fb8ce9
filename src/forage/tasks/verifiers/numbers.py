"""Numbers as people write them, read exactly.

That is `1,234.5`, `$3.50`, `-3/4`, `1 1/2`, `\\frac{3}{4}`, `2e-3`, `12 km` and `50%`.

Nothing is evaluated, and what would be a number of astronomical length is no number: the time is bounded.
"""

import re
from collections import deque
from dataclasses import dataclass
from fractions import Fraction

from forage.tasks.verifiers.units import canonical, is_known

LONGEST = 200
"""Characters; nobody writes a longer number as an answer."""

LARGEST_EXPONENT = 400

ROUNDING = 1e-6
"""A tolerance up to which a difference is one of rounding; whole numbers are never rounded."""

_DECIMAL = r"(?:\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d*)?|\.\d+)"
_PLAIN = re.compile(r"[+-]?(?:\d+(?:\.\d+)?|\.\d+)")
_NUMBER = re.compile(
    rf"(?P<sign>[+-]?)\s*(?P<money>[$€£¥]?)\s*(?:"
    rf"\\[dt]?frac\s*\{{\s*(?P<top>\d+)\s*\}}\s*\{{\s*(?P<bottom>\d+)\s*\}}"
    rf"|(?P<whole>\d+)\s+(?P<over>\d+)\s*/\s*(?P<under>\d+)"
    rf"|(?P<left>{_DECIMAL})\s*/\s*(?P<right>{_DECIMAL})"
    rf"|(?P<value>{_DECIMAL})(?:[eE](?P<exponent>[+-]?\d{{1,4}}))?"
    rf")\s*(?P<percent>\\?%|percent\b)?\s*(?P<unit>.*)"
)
_UNIT = re.compile(r"[A-Za-zµ°²³/^\d\s.·*-]*")
_LETTERS = re.compile(r"[^\W\d_]+")
_PERCENT = re.compile(r"%|\bper\s?cent|\bpercentage", re.IGNORECASE)
_IN_TEXT = re.compile(rf"(?<![\w.])[+-]?[$€£¥]?(?:{_DECIMAL}\s*/\s*{_DECIMAL}|{_DECIMAL}(?:[eE][+-]?\d{{1,4}})?)%?")


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number, whether it was written in percent (the value is then the number before the sign), and its unit."""

    value: Fraction
    percent: bool = False
    unit: str = ""


def read_plain(text: str) -> Fraction | None:
    """Digits with at most a sign and a decimal point, exactly; None for anything else."""
    return Fraction(text) if len(text) <= LONGEST and _PLAIN.fullmatch(text) else None


def read_quantity(text: str) -> Quantity | None:
    """The number that `text` is, or None where it is something else.

    A unit stands apart from its number (`12 apples`, `12\\text{km}`) or is a known one (`12km`): `42abc` is no number.
    """
    text = text.strip().strip("$").strip() if text.count("$") == 2 else text.strip()
    text = text.replace("\u2212", "-").replace("\\,", "").replace("\\!", "").replace("\\$", "$").removesuffix(".")
    plain = re.sub(r"\\(?:text|mathrm|textrm|mbox)\s*\{([^{}]*)\}", r" \1", text)
    match = _NUMBER.fullmatch(plain) if len(plain) <= LONGEST else None
    if match is None:
        return None
    value, unit = _value(match), match["unit"].strip()
    if value is None or not _UNIT.fullmatch(unit) or (unit and not unit[0].isalpha() and unit[0] not in "°µ"):
        return None
    if unit and not plain[: match.start("unit")][-1].isspace() and not is_known(unit):
        return None
    return Quantity(-value if match["sign"] == "-" else value, bool(match["percent"]), canonical(unit))


def last_quantity(text: str) -> Quantity | None:
    """The last number in a text; one that letters follow at once is a part of a word, unless they are a unit."""
    quantities = deque(filter(_stands_alone, _IN_TEXT.finditer(text)), maxlen=1)
    return read_quantity(quantities[0].group()) if quantities else None


def _stands_alone(match: re.Match[str]) -> bool:
    behind = _LETTERS.match(match.string, match.end())
    return behind is None or is_known(behind[0])


def close(stated: Quantity, wanted: Quantity, tolerance: float, *, in_percent: bool = False) -> bool:
    """Whether two quantities agree within `tolerance`, relative to the wanted value (absolute where that is 0).

    Two whole numbers must be equal, unless a tolerance above `ROUNDING` asks for less. Where the wanted value is in
    percent, 50 and 0.5 both stand for `50%`. Where the found one is, `50%` is 0.5, and may also be 50 where the
    question asks `in_percent`. Units must agree where both are written.
    """
    if stated.unit and wanted.unit and stated.unit != wanted.unit:
        return False
    room = Fraction(str(tolerance)) * (abs(wanted.value) or 1)
    readings = {stated.value}
    if stated.percent and not wanted.percent:
        readings = {stated.value / 100, *([stated.value] if in_percent else [])}
    if wanted.percent and not stated.percent:
        readings.add(stated.value * 100)
    whole = wanted.value.denominator == 1 and tolerance <= ROUNDING
    return any(
        abs(reading - wanted.value) <= (0 if whole and reading.denominator == 1 else room) for reading in readings
    )


def asks_for_percent(prompt: str) -> bool:
    """Whether a question mentions percent."""
    return _PERCENT.search(prompt) is not None


def _value(match: re.Match[str]) -> Fraction | None:
    def number(group: str) -> Fraction:
        return Fraction(match[group].replace(",", "").removesuffix("."))

    if match["top"] is not None:
        return number("top") / number("bottom") if number("bottom") else None
    if match["whole"] is not None:
        return number("whole") + number("over") / number("under") if number("under") else None
    if match["left"] is not None:
        return number("left") / number("right") if number("right") else None
    exponent = int(match["exponent"] or 0)
    return number("value") * Fraction(10) ** exponent if abs(exponent) <= LARGEST_EXPONENT else None
