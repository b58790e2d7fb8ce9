"""Calls as people type them."""

import pytest

from forage.core.errors import ForageError
from forage.core.spec import did_you_mean, parse_call, typed, without_folders

DEFAULTS = {"shape": {"alpha": 0.4, "steps": 3, "strict": False, "mode": "plain", "limit": None}, "plain": {}}


def parse(text: str) -> tuple[str, dict[str, object]]:
    name, values = parse_call(text, "method", DEFAULTS, lambda name: DEFAULTS[name])
    return name, dict(values)


def test_values_have_the_types_of_the_defaults() -> None:
    name, values = parse("shape:alpha=1,steps=5,strict=True,mode=7,limit=9")
    assert name == "shape"
    assert values == {"alpha": 1.0, "steps": 5, "strict": True, "mode": "7", "limit": 9}
    assert isinstance(values["alpha"], float)
    assert parse("plain") == ("plain", {})


def test_where_the_default_is_none_a_value_is_what_it_looks_like() -> None:
    assert [typed(text, None, where="x") for text in ("3", "0.5", "many", "None")] == [3, 0.5, "many", None]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("shap", "There is no method 'shap'. Did you mean shape\\?"),
        ("shape:alpa=1", "'alpa=1' is not a setting of shape. Did you mean alpha\\?"),
        ("shape:alpha", "'alpha' is not a setting"),
        ("shape:steps=1.5", "'1.5' is not a number without fraction"),
        ("shape:alpha=much", "'much' is not a number\\."),
        ("shape:strict=1", "neither true nor false"),
        ("plain:x=1", "It has: none"),
    ],
)
def test_mistakes_are_sentences(text: str, sentence: str) -> None:
    with pytest.raises(ForageError, match=sentence):
        parse(text)


def test_a_guess_needs_a_likeness() -> None:
    assert did_you_mean("zzz", ["alpha"]) == ""


def test_folders_are_left_out_of_what_people_read() -> None:
    assert without_folders("hicra:grams=runs/a/grams.json+x/y") == "hicra:grams=grams.json+y"
