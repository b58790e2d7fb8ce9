import json
from pathlib import Path

import pytest

from forage.core.errors import ForageError
from forage.grams.gram_list import FORMAT, WRITTEN, GramCluster, GramList, load_grams
from forage.grams.matching import Matcher

EXAMPLE = GramList(
    clusters=(GramCluster(grams=("so", "and so"), solutions=4), GramCluster(grams=("wait", "so"), solutions=3)),
    placebo=("7 8",),
    coverage=0.25,
    placebo_coverage=0.24,
    made={"how": "by hand", "solutions": 4, "top": 0.2},
)


def test_it_comes_back_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "g.json").write_text(EXAMPLE.to_json(), encoding="utf-8")
    found = load_grams(str(tmp_path / "g.json"))
    assert found == EXAMPLE
    assert found.id == EXAMPLE.id
    assert found.grams == ("so", "and so", "wait")


def changed(**changes: object) -> str:
    return json.dumps({**json.loads(EXAMPLE.to_json()), **changes})


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("{", "cannot be read as a gram list"),
        ("[]", "not a gram list of this version"),
        (changed(format="forage grams 0"), "'forage grams 0', not 'forage grams 1'"),
        (changed(placebo=["9 9"]), "was changed after it was saved"),
        (changed(made={}), "was changed after it was saved"),
        (changed(clusters=[{"grams": ["so"]}]), "is incomplete"),
        (changed(clusters=[{"grams": ["So."], "solutions": 1, "label": ""}]), "is not written as a gram"),
        (json.dumps({"format": FORMAT}), "is incomplete"),
    ],
)
def test_damage_is_a_sentence(tmp_path: Path, text: str, sentence: str) -> None:
    (tmp_path / "g.json").write_text(text)
    with pytest.raises(ForageError, match=sentence):
        load_grams(str(tmp_path / "g.json"))


def test_no_file_names_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ForageError, match="forage grams mine RUN"):
        load_grams(str(tmp_path / "g.json"))
    with pytest.raises(ForageError, match="cannot be read"):
        load_grams(str(tmp_path))


@pytest.mark.parametrize("name", WRITTEN)
def test_lists_written_by_hand_say_so_and_match_themselves(name: str) -> None:
    found = load_grams(name)
    assert "not the paper's list" in str(found.made["how"])
    matcher = Matcher(found.grams)
    assert all(matcher.spans(f"Well, {gram.upper()} indeed") for gram in found.grams)
    assert not matcher.find("The sum of two and three equals five")


def test_short_phrases_are_an_option() -> None:
    assert not any(" " not in gram for gram in load_grams("phrases").grams)
    assert "wait" in load_grams("phrases+short").grams
