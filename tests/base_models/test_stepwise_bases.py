"""The base models of locks and of two ways: what they learn from, against plain counting."""

from collections import Counter
from pathlib import Path

import pytest
import torch

from forage.base_models.bandit import WrittenPulls
from forage.base_models.lock import LockBase, WrittenDials
from forage.base_models.stepwise import END, StepwiseLanguage, mostly
from forage.base_models.tiny_model import TinySettings, build
from forage.base_models.two_ways import TwoWaysBase, WrittenWays
from forage.engines.local.codec import LocalCodec
from forage.training.exact import exact_evaluation

LANGUAGES = [WrittenDials(0, 5), WrittenWays(0), WrittenPulls(0, 3, 4)]


def test_chances_by_hand() -> None:
    assert mostly("1", "01234", 0.6) == pytest.approx({"1": 0.6, "0": 0.1, "2": 0.1, "3": 0.1, "4": 0.1})
    dials = WrittenDials(0, 5)
    assert dials.following("60217=", "60")["2"] == 0.5
    assert dials.following("60217=", "60")["7"] == pytest.approx(0.5 / 7)
    assert dials.following("60217=", "11111") == {END: 1.0}
    pulls = WrittenPulls(0, 3, 4)
    left = (1 - 0.75 - 0.02) / 3
    assert pulls.following("abc=", "") == pytest.approx({"a": 0.75 + left, "b": left, "c": left, "?": 0.02})
    assert pulls.following("abc=", "a>0b>1")["b"] == pytest.approx(0.75 + left), "what has paid leads"
    assert pulls.following("abc=", "a>0b>0?>-")["a"] == pytest.approx(0.375 + left), "two lead alike"
    assert pulls.following("abc=", "a>0b") == {">": 1.0}
    assert pulls.following("abc=", "a>") == {"1": 0.5, "0": 0.5}
    assert pulls.following("abc=", "?>") == {"-": 1.0}
    assert pulls.following("abc=", "a>0b>1a>1c>") == {END: 1.0}
    ways = WrittenWays(0)
    assert ways.following("314052=", "") == {"a": 0.85, "b": 0.15}
    for written, sign in (("a", "3"), ("b", "3"), ("b3", "1"), ("b77777", "2")):
        assert ways.following("314052=", written)[sign] == 0.8
    assert ways.following("314052=", "a7") == ways.following("314052=", "b314052") == {END: 1.0}


@pytest.mark.parametrize("language", LANGUAGES)
def test_targets_are_what_might_have_followed(language: StepwiseLanguage) -> None:
    codec = LocalCodec(language.tokenizer())
    targets = language.targets(50)
    for (prompt, response), target in zip(language.written(50), targets, strict=True):
        text, said = codec.decode(prompt), codec.decode(response)
        assert codec.encode(text) == tuple(prompt)
        for place in range(len(response)):
            expected = torch.zeros(targets.shape[2])
            for character, chance in language.following(text, said[:place]).items():
                expected[language.token_of[character]] = chance
            torch.testing.assert_close(target[place], expected)
            assert target[place, response[place]] > 0
        assert target[len(response) :].abs().sum() == 0


def test_what_is_drawn_has_the_chances_that_the_targets_say() -> None:
    language = WrittenWays(0)
    codec = LocalCodec(language.tokenizer())
    ways = Counter(codec.decode(response)[0] for _, response in language.written(4000))
    assert ways["b"] / 4000 == pytest.approx(0.15, abs=4 * (0.15 * 0.85 / 4000) ** 0.5)


@pytest.mark.parametrize("kind", [LockBase, TwoWaysBase])
def test_settings_name_their_model(kind: type[TinySettings], tmp_path: Path) -> None:
    """Seeds differ, and a small one is built, knows its task and is evaluated exactly."""
    assert kind().digest() != kind(seed=1).digest()
    small = kind(traces=640, steps=10, batch=32, layers=1, hidden=16, heads=1, head_dim=16, inner=16)
    place = build(small, tmp_path / "base", progress=False)
    found = exact_evaluation(place, problems=4, threads=1)
    assert found.task["part"] == {"lock": "Lock", "two_ways": "TwoWays"}[small.world.partition(":")[0]]
    assert all(0 < each.correct <= each.listed for each in found.problems)
