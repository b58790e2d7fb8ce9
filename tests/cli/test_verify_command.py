import pytest

from forage.cli import main


def test_a_verifier_is_tried_on_answers(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", "--verifier", "numeric:tolerance=0.01", "--answer", "42", "It is 42.", "41"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split()[:2] == ["response", "value"]
    assert lines[1].split()[:4] == ["It", "is", "42.", "1"]
    assert lines[2].split()[:2] == ["41", "0"]


def test_what_cannot_be_judged_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", "--verifier", "numeric", "--answer", "seven", "7"]) == 0
    said = capsys.readouterr()
    assert "unjudged" in said.out
    assert "is not a number" in " ".join(said.err.split())


@pytest.mark.parametrize(
    ("arguments", "words"),
    [([], "Which responses?"), (["--verifier", "fuzzy", "x"], "There is no verifier 'fuzzy'")],
)
def test_mistakes_are_sentences(arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", *arguments]) == 2
    assert words in capsys.readouterr().err
