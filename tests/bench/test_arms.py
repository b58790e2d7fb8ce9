"""Arms as they are typed, and the controls beside them."""

from pathlib import Path

import pytest

from forage.bench.arms import control_pairs, parse_arm, read_arms, with_controls
from forage.core.errors import ForageError
from forage.methods import METHODS


def labels(arms: list[str], *controls: str) -> list[str]:
    found = with_controls([parse_arm(arm, METHODS) for arm in arms], controls, METHODS)
    return ["+".join(applied.label for applied in arm) for arm in found]


def test_an_arm_is_split_at_the_names_of_methods_only() -> None:
    (arm,) = labels(["grpo + hicra:grams=a+b/grams.json,alpha=0.1+kl_penalty"])
    assert arm == "grpo+hicra:grams=a+b/grams.json,alpha=0.1+kl_penalty"
    assert len(parse_arm(arm, METHODS)) == 3


def test_a_control_stands_behind_its_arm_with_the_settings_that_both_have() -> None:
    assert labels(["grpo", "grpo+rrl:share=0.5,continuations=4"], "rrl_oracle", "rrl_random_cuts") == [
        "grpo",
        "grpo+rrl:share=0.5,continuations=4",
        "grpo+rrl_oracle:share=0.5",
        "grpo+rrl_random_cuts:share=0.5,continuations=4",
    ]


def test_all_controls_of_what_is_there_each_once() -> None:
    found = labels(["grpo+entropy_advantage", "grpo+shuffled_entropy"], "all")
    assert len(set(found)) == len(found)
    assert set(found) == {
        f"grpo+{name}"
        for name, method in METHODS.items()
        if name == "entropy_advantage" or method.control_of == "entropy_advantage"
    }


def test_every_control_controls_for_a_method() -> None:
    for name, method in METHODS.items():
        assert (method.kind == "control") == (method.control_of in METHODS), name


@pytest.mark.parametrize(
    ("arms", "controls", "sentence"),
    [
        (["grpo"], ["shuffled_entropy"], "a control of entropy_advantage, which no arm has"),
        (["grpo"], ["all"], "which no arm has"),
        (["grpo"], ["grpo"], "grpo is no control"),
        (["grpo+nope"], [], "'nope'|no method"),
    ],
)
def test_mistakes_are_sentences(arms: list[str], controls: list[str], sentence: str) -> None:
    with pytest.raises(ForageError, match=sentence):
        labels(arms, *controls)


def test_arms_are_read_from_lines_with_comments(tmp_path: Path) -> None:
    file = tmp_path / "arms.txt"
    file.write_text("# what is compared\ngrpo\n\n  grpo + hicra:grams=a+b.json  # strategic grams\n")
    assert read_arms(file) == ["grpo", "grpo + hicra:grams=a+b.json"]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [(None, "cannot be read: No such file"), (b"# nothing\n", "names no arm"), (b"\xff", "read")],
)
def test_files_without_arms_are_refused(content: bytes | None, sentence: str, tmp_path: Path) -> None:
    file = tmp_path / "arms.txt"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ForageError, match=sentence):
        read_arms(file)


def test_arms_are_paired_with_those_of_their_controls_that_are_there() -> None:
    texts = (
        "grpo",
        "grpo+rrl:share=0.5",
        "grpo+rrl_oracle:share=0.5",
        "grpo+rrl_random_cuts:share=0.2",
        "grpo+shuffled_entropy",
        "grpo+entropy_advantage",
    )
    pairs = control_pairs([parse_arm(text, METHODS) for text in texts], METHODS)
    found = [["+".join(each.label for each in arm) for arm in pair] for pair in pairs]
    assert found == [[texts[1], texts[2]], [texts[5], texts[4]]], "the random cuts have another share"
