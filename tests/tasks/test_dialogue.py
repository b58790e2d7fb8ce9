"""The dialogue world: what its listeners like, by hand; how they rank, against exact probabilities."""

import itertools
import math
import random
from collections import Counter

import pytest

from forage.core.errors import ForageError
from forage.tasks.dialogue import Dialogue, rank
from forage.tasks.dialogue.language import BEST, REQUESTS, DialogueRequest, judge, request_of, write

ANN = DialogueRequest("ann", "sad", "tea")


@pytest.mark.parametrize(
    ("text", "utility"),
    [
        ("", 0.0),
        ("hello ann . sorry to hear that . try mint . it is calm .", 1 + 1 + 2 + 0.5),
        ("hello ben . how nice for you . try leek . it is calm .", -1 - 1 - 1 + 0),
        ("hello ann . hello ann . hello ann .", 1.0),  # a kind counts once
        ("try mint . try oolong . it is calm .", 2 + 0.5),
        ("it is calm . try mint .", 2.0),  # a reason for nothing
        ("go away . hello ann .", -1.5 + 1),
        ("hello ann . ask me again . ask me again . ask me again . ask me again .", 1 - 0.5),
        ("ann ann . try mint .", 2 - 0.5),
        ("try mint", 2.0),  # the last full stop may be missing
    ],
)
def test_utility_by_hand(text: str, utility: float) -> None:
    assert judge(ANN, text).utility == pytest.approx(utility)


def test_scores() -> None:
    task, problem = Dialogue(), next(p for p in Dialogue().problems("train"))
    request = request_of(problem.prompt)
    item = {"tea": "mint", "song": "waltz"}.get(request.topic)
    assert item
    comfort = "sorry to hear that" if request.mood == "sad" else ""
    score = task.verify(problem, f"hello {request.name} . {comfort} . try {item} . it is new .")
    assert score.value == pytest.approx(1.0 if comfort else 3.5 / BEST)
    assert score.parts["correct"] == float(bool(comfort))
    assert task.verify(problem, "go away .").value == pytest.approx(-1.5 / BEST)


def test_splits_share_no_request() -> None:
    splits = Counter(request.split for request in REQUESTS)
    assert set(splits) == {"base", "train", "test"}
    assert min(splits.values()) > 40
    prompts = {split: {p.prompt for p in Dialogue().problems(split)} for split in ("train", "test")}
    assert not prompts["train"] & prompts["test"]
    asked = {prompt for prompt, _ in Dialogue().written(500)}
    assert all(request_of(prompt).split == "base" for prompt in asked)


def test_writers_are_careless_but_not_hopeless() -> None:
    utilities = [judge(ANN, write(ANN, random.Random(number))).utility for number in range(2000)]
    mean = sum(utilities) / len(utilities)
    assert 0.2 < mean < 1.5
    assert 0.005 < sum(u >= 4 for u in utilities) / 2000 < 0.1


def test_rankings_are_draws_from_plackett_luce() -> None:
    prompt, texts = ANN.prompt, ("try mint .", "hello ann .", "go away .")
    drawn = Counter(rank(prompt, texts, noise=1.0, seed=seed) for seed in range(4000))
    strength = {text: math.exp(judge(ANN, text).utility) for text in texts}
    for order in itertools.permutations(texts):
        left, chance = sum(strength.values()), 1.0
        for text in order:
            chance *= strength[text] / left
            left -= strength[text]
        assert abs(drawn[order] / 4000 - chance) < 4 * math.sqrt(chance * (1 - chance) / 4000) + 1e-9
    assert rank(prompt, texts, noise=0, seed=0) == ("try mint .", "hello ann .", "go away .")


def test_steps_are_sentences() -> None:
    pieces = ("hello", " ann", " .", " try", " mint", " .", "")
    assert Dialogue().step_ends(pieces) == (3, 7)


def test_other_prompts_are_refused() -> None:
    with pytest.raises(ForageError, match="not a request"):
        request_of("what is 3 times 4 ?")
