"""Trajectories that go wrong, reflect and go right, worked out by hand."""

from typing import Any

import pytest

from forage.core.errors import ForageError
from forage.tasks.table import Table, TableFile
from forage.tasks.verifiers import parse_verifier
from forage.training.reflections import reflections


def rollout(pieces: list[str], correct: float, group: int = 0, **more: Any) -> dict[str, Any]:
    row = {"step": 1, "group": group, "problem": f"p{group}", "prompt": f"q{group}", "pieces": pieces}
    return row | {"text": "".join(pieces), "correct": correct, "prefix": [], "given": []} | more


WRONG = rollout(["a\n", "b\n", "c\n", "d"], 0.0)
RIGHT = rollout(["e\n", "f"], 1.0)
TASK = Table(train=TableFile(path="unread"), verifier=parse_verifier("math"))


def texts(
    *rows: dict[str, Any], drop: int = 0, alone: float = 0.0, reflect: str = "<|reflect|>", seed: int = 0
) -> list[str]:
    return [text for _, text in reflections(rows, TASK, reflect=reflect, drop=drop, alone=alone, seed=seed)]


def test_a_wrong_response_a_look_and_a_right_sibling() -> None:
    ((row, text),) = reflections([WRONG, RIGHT], TASK, reflect="<|reflect|>", drop=0, alone=0.0)
    assert row is RIGHT
    assert text == "a\nb\nc\nd<|reflect|>e\nf"


def test_siblings_are_paired_in_order_and_each_once() -> None:
    second = rollout(["g"], 1.0)
    other, alone = rollout(["x"], 0.0, group=1), rollout(["y"], 1.0, group=2)
    unjudged, replayed = rollout(["u"], float("nan")), rollout(["r"], 1.0, prefix=[3])
    assert texts(unjudged, replayed, RIGHT, second, WRONG, other, alone) == ["a\nb\nc\nd<|reflect|>e\nf"]
    assert texts(RIGHT, WRONG, RIGHT, WRONG) == ["a\nb\nc\nd<|reflect|>e\nf"]  # the same text twice is one example


def test_last_steps_go_and_the_first_stays() -> None:
    left = {text.partition("<|reflect|>")[0] for seed in range(60) for text in texts(WRONG, RIGHT, drop=9, seed=seed)}
    assert left == {"a\nb\nc\nd", "a\nb\nc\n", "a\nb\n", "a\n"}
    assert texts(WRONG, RIGHT, drop=9, seed=5) == texts(WRONG, RIGHT, drop=9, seed=5)


@pytest.mark.parametrize(("alone", "kept"), [(0.0, "TTTT"), (0.25, "TTTA"), (0.5, "TATA"), (1.0, "AAAA")])
def test_a_share_of_the_right_responses_stands_alone(alone: float, kept: str) -> None:
    rows = [each for n in range(4) for each in (rollout([f"w{n}"], 0.0, group=n), rollout([f"r{n}"], 1.0, group=n))]
    expected = [f"r{n}" if which == "A" else f"w{n}<|reflect|>r{n}" for n, which in enumerate(kept)]
    assert texts(*rows, alone=alone) == expected


def test_what_makes_no_trajectory_is_refused() -> None:
    with pytest.raises(ForageError, match="A reflection has a text"):
        texts(WRONG, RIGHT, reflect=" ")
    with pytest.raises(ForageError, match=r"lies in \[0, 1\], not at 1.5"):
        texts(WRONG, RIGHT, alone=1.5)
    with pytest.raises(ForageError, match="drops 0 steps or more"):
        texts(WRONG, RIGHT, drop=-1)
    with pytest.raises(ForageError, match="text that an environment wrote"):
        texts(WRONG, rollout(["e"], 1.0, given=[[0, 1]]))
