"""Numbers as people write them, read exactly.

That is `1,234.5`, `$3.50`, `-3/4`, `1 1/2`, `\\frac{3}{4}`, `2e-3`, `12 km` and `50%`.

Nothing is evaluated, and what would be a number of astronomical length is no number: the time is bounded.
"""

import re
from collections import deque
from dataclasses import dataclass
from fractions import Fraction

LONGEST = 200
"""Characters; nobody writes a longer number as an answer."""

LARGEST_EXPONENT = 400

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
    """The number that `text` is, or None where it is something else."""
    text = text.strip().strip("$").strip() if text.count("$") == 2 else text.strip()
    text = text.replace("\u2212", "-").replace("\\,", "").replace("\\!", "").replace("\\$", "$").removesuffix(".")
    match = _NUMBER.fullmatch(text) if len(text) <= LONGEST else None
    if match is None:
        return None
    value = _value(match)
    unit = match["unit"].replace("\\text{", "").replace("\\mathrm{", "").replace("}", "").strip()
    if value is None or not _UNIT.fullmatch(unit) or (unit and not unit[0].isalpha() and unit[0] not in "°µ"):
        return None
    return Quantity(-value if match["sign"] == "-" else value, bool(match["percent"]), _plain_unit(unit))


def last_quantity(text: str) -> Quantity | None:
    """The last number in a text."""
    found = deque(_IN_TEXT.finditer(text), maxlen=1)
    return read_quantity(found[0].group()) if found else None


def close(found: Quantity, wanted: Quantity, tolerance: float) -> bool:
    """Whether two quantities agree within `tolerance`, relative to the wanted value where that is above 1.

    Where exactly one is written in percent, `50%` may mean 50 or 0.5. Units must agree where both are written.
    """
    if found.unit and wanted.unit and found.unit != wanted.unit:
        return False
    room = Fraction(tolerance) * max(1, abs(wanted.value))
    readings = {found.value}
    if found.percent and not wanted.percent:
        readings.add(found.value / 100)
    if wanted.percent and not found.percent:
        readings.add(found.value * 100)
    return any(abs(reading - wanted.value) <= room for reading in readings)


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


def _plain_unit(unit: str) -> str:
    unit = " ".join(unit.lower().removesuffix(".").split())
    return unit[:-1] if len(unit) > 3 and unit.endswith("s") and not unit.endswith("ss") else unit
