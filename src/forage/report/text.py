"""Numbers as a reader wants them, and what an interval allows one to say."""

import math

from markupsafe import Markup

from forage.evaluation.bootstrap import Interval
from forage.report.blocks import Text, Tone

MINUS = "\N{MINUS SIGN}"

SHOWN_K = 8
"""The k of the sentences: few enough to be asked for in practice, many enough to hold several ways."""

SETTLED = 0.95
"""Share of resamples that must agree before a crossing of curves, or its absence, is stated."""


def percent(share: float) -> str:
    """As in "16.1%"."""
    return "n/a" if math.isnan(share) else f"{100 * share:.1f}%"


def signed_points(share: float) -> str:
    """A difference of shares in percentage points, as in "+16.2"."""
    if math.isnan(share):
        return "n/a"
    return f"{100 * share:+.1f}".replace("-", MINUS)


def points_range(interval: Interval) -> str:
    """As in "[-18.0, -4.1]"."""
    return f"[{signed_points(interval.low)}, {signed_points(interval.high)}]"


def difference(interval: Interval) -> Markup:
    """As in "+16.2 points [+10.1, +22.0]", the estimate in bold."""
    return Markup("<strong>{}</strong> points {}").format(signed_points(interval.estimate), points_range(interval))


def tone_of(interval: Interval) -> Tone:
    if not interval.distinguishable:
        return "level"
    return "up" if interval.estimate > 0 else "down"


def verdict(interval: Interval) -> str:
    """What the interval of a difference allows one to say."""
    return {"up": "higher", "down": "lower"}.get(tone_of(interval), "not distinguishable")


def number(value: float, form: str = ".3g") -> str:
    return "n/a" if math.isnan(value) else f"{value:{form}}".replace("-", MINUS)


def count(amount: int, noun: str, plural: str = "") -> str:
    """As in "1 seed", "3 seeds", "2,000 samples"."""
    return f"{amount:,} {noun if amount == 1 else plural or noun + 's'}"


def listing(parts: list[str]) -> str:
    """As in "a, b and c"."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def name(text: str) -> Text:
    return Markup("<strong>{}</strong>").format(text)
