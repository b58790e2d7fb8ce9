"""Preference files: what is read, and what is told of the rest."""

import json
from pathlib import Path

import pytest

from forage.core.errors import ForageError
from forage.reward_models.preference import Ranking, read_rankings, write_rankings


def written(path: Path, *rows: object) -> Path:
    file = path / "preferences.jsonl"
    file.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
    return file


def test_pairs_rankings_and_dialogues(tmp_path: Path) -> None:
    file = written(
        tmp_path,
        {"prompt": "Hi.", "chosen": "Hello!", "rejected": "No."},
        {"prompt": "Hi.", "ranked": ["Hello!", "Hm.", "No."]},
        {"chosen": "Human: Hi.\nAssistant: Hello!", "rejected": "Human: Hi.\nAssistant: He left."},
    )
    found = read_rankings(file)
    assert found.rejected == ()
    assert found.rankings == (
        Ranking(prompt="Hi.", responses=("Hello!", "No.")),
        Ranking(prompt="Hi.", responses=("Hello!", "Hm.", "No.")),
        Ranking(prompt="Human: Hi.\n", responses=("Assistant: Hello!", "Assistant: He left.")),
    )


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    rankings = (Ranking(prompt="é\n", responses=("a", "b")), Ranking(prompt="p", responses=("x", "y", "z")))
    file = tmp_path / "out.jsonl"
    file.write_text(write_rankings(rankings))
    assert read_rankings(file).rankings == rankings


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ({"prompt": "p", "chosen": "a"}, "`rejected` is missing"),
        ({"prompt": "p", "chosen": "a", "rejected": "a"}, "two places"),
        ({"prompt": "p", "chosen": "a", "rejected": 3}, "`rejected` must be text, not int"),
        ({"prompt": "p", "ranked": ["a"]}, "at least two"),
        ({"prompt": "p", "ranked": "ab"}, "must be a list"),
        ({"chosen": "a", "rejected": "b"}, "no `prompt`"),
        ("{not json", "not JSON"),
        ([1], "a row is an object"),
    ],
)
def test_bad_rows_are_told_by_line(tmp_path: Path, row: object, why: str) -> None:
    found = read_rankings(written(tmp_path, {"prompt": "p", "chosen": "a", "rejected": "b"}, row))
    assert len(found.rankings) == 1
    assert len(found.rejected) == 1
    assert "line 2" in found.rejected[0]
    assert why in found.rejected[0]


def test_a_missing_file_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(ForageError, match="cannot be read"):
        read_rankings(tmp_path / "none.jsonl")
