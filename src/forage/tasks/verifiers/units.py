"""Units as people write them, under one name each. They are compared, never converted."""

import re

_NAMES = {
    "mm": "millimeter millimetre", "cm": "centimeter centimetre", "m": "meter metre", "km": "kilometer kilometre",
    "in": "inch inche", "ft": "foot feet", "yd": "yard", "mi": "mile", "mg": "milligram", "g": "gram gramme",
    "kg": "kilogram kilo", "t": "ton tonne", "lb": "pound lbs", "oz": "ounce", "ml": "milliliter millilitre",
    "l": "liter litre", "gal": "gallon", "ms": "millisecond", "s": "second sec", "min": "minute", "h": "hour hr",
    "d": "day", "wk": "week", "mo": "month", "yr": "year", "hz": "hertz", "n": "newton", "j": "joule", "w": "watt",
    "v": "volt", "a": "ampere amp", "pa": "pascal", "k": "kelvin", "deg": "degree °", "rad": "radian", "mph": "mph",
    "usd": "dollar", "ct": "cent", "eur": "euro", "°c": "celsius", "°f": "fahrenheit", "sq": "square", "cu": "cubic",
    "per": "per",
}  # fmt: skip

_KNOWN = {name: unit for unit, names in _NAMES.items() for name in (unit, *names.split())}
_WORD = re.compile(r"[a-zµ°]+")


def is_known(unit: str) -> bool:
    """Whether every word of a unit is one: `km/h`, `square feet`, `cm^2`."""
    words = _WORD.findall(unit.lower())
    return bool(words) and all(_name(word) is not None for word in words)


def canonical(unit: str) -> str:
    """Under its short name, lower case, without spaces: `Kilometers per hour` is `km/h`. Others as singular words."""
    unit = " ".join(unit.lower().replace("²", "^2").replace("³", "^3").removesuffix(".").split())
    if not is_known(unit):
        return _singular(unit)
    short = _WORD.sub(lambda match: _name(match[0]) or match[0], unit)
    short = re.sub(r"\s*(?:\bper\b|/)\s*", "/", short)
    short = re.sub(r"\bsq\s+(\w+)", r"\1^2", short)
    return "".join(re.sub(r"\bcu\s+(\w+)", r"\1^3", short).split())


def _name(word: str) -> str | None:
    return _KNOWN.get(word) or _KNOWN.get(_singular(word))


def _singular(word: str) -> str:
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word
