import json
import math
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forage.core.errors import ForageError
from forage.core.serialize import decode_part, encode_part
from forage.tasks.countdown import Countdown
from support import part_examples as ex

TEXT = st.text(st.characters(), max_size=5)
FLOATS = st.floats(allow_nan=False)
SEAMS = st.one_of(
    st.builds(ex.First, alpha=FLOATS, at=st.sampled_from(["sampling", "update"])),
    st.builds(ex.Second, count=st.integers(0, 9)),
)
PARTS = st.builds(
    ex.Everything,
    flag=st.booleans(),
    number=st.integers(),
    rate=FLOATS,
    text=TEXT,
    mode=st.sampled_from(["a", "b", 1]),
    color=st.sampled_from(ex.Color),
    level=st.sampled_from(ex.Level),
    path=st.sampled_from([Path("a/b"), Path("/c"), Path()]),
    missing=st.none() | FLOATS,
    either=st.integers() | TEXT,
    wide=st.integers() | FLOATS,
    pair=st.tuples(FLOATS, TEXT),
    row=st.lists(st.integers(), max_size=3).map(tuple),
    rows=st.lists(st.lists(FLOATS, max_size=2).map(tuple), max_size=2).map(tuple),
    items=st.lists(TEXT, max_size=2),
    names=st.frozensets(TEXT, max_size=3),
    table=st.dictionaries(TEXT, FLOATS, max_size=3),
    seams=st.lists(SEAMS, max_size=3).map(tuple),
    seam=SEAMS,
    named=st.builds(ex.Unrelated, name=TEXT),
    maybe=st.none() | SEAMS,
    anything=st.none() | st.booleans() | st.integers() | TEXT | SEAMS,
)


def through_json(encoded: Any) -> Any:
    return json.loads(json.dumps(encoded, allow_nan=False))


@settings(max_examples=60, deadline=None)
@given(PARTS)
def test_round_trip(part: ex.Everything) -> None:
    encoded = encode_part(part)
    assert decode_part(through_json(encoded), ex.Everything) == part
    assert json.dumps(encode_part(decode_part(through_json(encoded), ex.Everything))) == json.dumps(encoded)


def test_by_hand() -> None:
    assert encode_part(ex.First(alpha=math.inf)) == {
        "part": "support.part_examples.First",
        "alpha": "inf",
        "at": "sampling",
    }
    assert encode_part(Countdown()) == {
        "part": "Countdown",
        "size": "demo",
        "seed": 0,
        "train_problems": None,
        "test_problems": None,
    }


def test_nan_returns() -> None:
    encoded = encode_part(ex.First(alpha=math.nan))
    assert encoded["alpha"] == "nan"
    assert math.isnan(decode_part(encoded, ex.First).alpha)


def test_equal_parts_give_equal_bytes() -> None:
    pairs = [
        (ex.First(alpha=1), ex.First(alpha=1.0)),
        (ex.First(alpha=0.0), ex.First(alpha=-0.0)),
        (ex.Everything(table={"a": 1, "b": 2}), ex.Everything(table={"b": 2.0, "a": 1.0})),
        (ex.Everything(names=frozenset("abcdef")), ex.Everything(names=frozenset("fedcba"))),
    ]
    for left, right in pairs:
        assert left == right
        assert json.dumps(encode_part(left)) == json.dumps(encode_part(right))


def test_a_field_left_out_takes_its_default() -> None:
    assert decode_part({"part": "support.part_examples.First"}, ex.First) == ex.First()


def wrong(**fields: Any) -> dict[str, Any]:
    return {"part": "support.part_examples.Everything", **fields}


FIRST = {"part": "support.part_examples.First"}

BAD_JSON: list[tuple[Any, str]] = [
    ([], r"The Everything cannot be read: \[\] is not an object"),
    ({"part": 3}, "is not an object with"),
    (FIRST, "The Everything cannot be read: First is not a Everything"),
    ({"part": "forage.nowhere.X"}, "has no part forage.nowhere.X"),
    ({"part": "nowhere..X"}, "is not imported"),
    ({"part": "Everything"}, "has no part Everything"),
    ({"part": "support.part_examples.Nothing"}, "has no frozen dataclass Nothing"),
    ({"part": "support.part_examples.enum"}, "has no frozen dataclass enum"),
    ({"part": "support.part_examples.Mutable"}, "has no frozen dataclass Mutable"),
    ({"part": "support.part_examples.Seam"}, "has no frozen dataclass Seam"),
    (wrong(nonsense=1), "has no field 'nonsense'; it has flag"),
    (wrong(derived=1), "has no field 'derived'"),
    (wrong(flag=1), "'flag' in the Everything cannot be read: 1 is not of type bool"),
    (wrong(number=True), "'number'.*True is not of type int"),
    (wrong(number=1.0), "'number'"),
    (wrong(rate="much"), "'rate'.*'much' is not of type float"),
    (wrong(rate=True), "'rate'"),
    (wrong(rate=[]), "'rate'"),
    (wrong(text=None), "'text'"),
    (wrong(mode="c"), "'mode'.*'c' is not one of 'a', 'b', 1"),
    (wrong(mode=True), "'mode'"),
    (wrong(color="BLUE"), "'color'.*is not one of RED, GREEN"),
    (wrong(color=1), "'color'"),
    (wrong(path=1), "'path'"),
    (wrong(missing="x"), "'missing'.*is not of type float or null"),
    (wrong(either=None), "'either'"),
    (wrong(pair=[1.0]), "'pair'.*it has 1 entries instead of 2"),
    (wrong(row="abc"), "'row'.*is not a list"),
    (wrong(row=[1, "2"]), r"'row\[1\]'"),
    (wrong(rows=[[1.0], [2.0, None]]), r"'rows\[1\]\[1\]'"),
    (wrong(table=[]), "'table'.*is not an object"),
    (wrong(table={"a": "b"}), r"'table.a'"),
    (wrong(seams=[FIRST, {**FIRST, "alpha": None}]), r"'seams\[1\].alpha'"),
    (wrong(seam={"part": "support.part_examples.Unrelated"}), "'seam' in the Everything.*Unrelated is not a Seam"),
    (wrong(maybe={**FIRST, "at": "never"}), "'maybe.at'"),
    (wrong(seam={"part": "support.part_examples.Second", "count": -1}), "'seam'.*count must be 0 or more"),
    (wrong(anything=[1]), "'anything'"),
    (wrong(anything={"a": 1}), "'anything'"),
]


@pytest.mark.parametrize(("encoded", "words"), BAD_JSON)
def test_what_does_not_fit_is_named(encoded: Any, words: str) -> None:
    with pytest.raises(ForageError, match=words):
        decode_part(encoded, ex.Everything)


def test_a_missing_field_without_default_is_named() -> None:
    with pytest.raises(ForageError, match="name"):
        decode_part({"part": "Recipe"}, object)


BAD_PARTS: list[tuple[Any, str]] = [
    (3, "3 is not a frozen dataclass"),
    (ex.Mutable(), "is not a frozen dataclass"),
    (ex.First, "is not a frozen dataclass"),
    (ex.Outer.Inner(), "is not at the top level"),
    (ex.Callback(), "'function' in the Callback cannot be written down"),
    (ex.Ambiguous(place=Path("x")), "would not be the same"),
    (ex.Changing(), "would not be the same"),
    (ex.Everything(number=True), "'number' in the Everything"),
    (ex.Everything(rate="0.5"), "'rate'"),  # pyright: ignore[reportArgumentType]
    (ex.Everything(row=[1, 2]), "'row'"),  # pyright: ignore[reportArgumentType]
    (ex.Everything(table={1: 2.0}), "'table'"),  # pyright: ignore[reportArgumentType]
    (ex.Everything(seams=(ex.First(), ex.Unrelated())), r"'seams\[1\]'"),  # pyright: ignore[reportArgumentType]
    (ex.Everything(anything=math.nan), "'anything'"),
    (ex.Everything(anything=[1]), "'anything'"),
]


@pytest.mark.parametrize(("part", "words"), BAD_PARTS)
def test_what_cannot_be_written_is_named(part: Any, words: str) -> None:
    with pytest.raises(ForageError, match=words):
        encode_part(part)


def test_every_field_was_tried() -> None:
    """A new field in the example that no strategy fills would make the round trip say less than it seems to."""
    part = replace(ex.Everything(), seam=ex.Second())
    assert set(encode_part(part)) - {"part"} == {name for name in vars(part) if name != "derived"}


def test_decoding_imports_nothing_of_others() -> None:
    program = (
        "import sys\n"
        "from forage.core.errors import ForageError\n"
        "from forage.core.serialize import decode_part\n"
        "for path in ('wave.Wave_read', 'forage.__main__.X', 'foragers.X', 'antigravity.X'):\n"
        "    try:\n"
        "        decode_part({'part': path}, object)\n"
        "    except ForageError:\n"
        "        assert path.rpartition('.')[0] not in sys.modules, path\n"
        "    else:\n"
        "        raise AssertionError(path)\n"
        "decode_part({'part': 'Countdown'}, object)\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
