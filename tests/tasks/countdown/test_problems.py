"""Splits, pools, the written traces and the tokenizer."""

from collections import Counter
from functools import lru_cache
from itertools import combinations_with_replacement
from typing import Literal

import pytest

from forage.base_models.tiny_model import word_tokenizer
from forage.core.errors import ForageError
from forage.tasks.countdown import Countdown
from forage.tasks.countdown.grammar import END, KEYWORDS, PAD, WORDS, prompt_of
from forage.tasks.countdown.problems import Puzzle
from forage.tasks.countdown.traces import MIXTURE, Trace
from forage.tasks.countdown.verifier import verify

Size = Literal["demo", "experiment"]
SIZES: tuple[Size, ...] = ("demo", "experiment")


@lru_cache(maxsize=4)
def traces(size: Size) -> tuple[Trace, ...]:
    return tuple(Countdown(size=size).traces(8000))


def names_of(task: Countdown, split: Literal["train", "test"]) -> set[str]:
    return {problem.id.removeprefix("countdown:") for problem in task.problems(split)}


def test_splits_have_their_shares() -> None:
    every = [
        Puzzle(numbers, target)
        for numbers in combinations_with_replacement(range(1, 13), 3)
        for target in range(10, 61)
    ]
    shares = Counter(puzzle.split for puzzle in every)
    # 18,564 puzzles: three standard deviations are 0.01 at a share of 0.7.
    assert shares["base"] / len(every) == pytest.approx(0.7, abs=0.01)
    assert shares["train"] / len(every) == pytest.approx(0.2, abs=0.01)
    assert shares["test"] / len(every) == pytest.approx(0.1, abs=0.01)


def test_the_order_of_numbers_decides_nothing() -> None:
    assert Puzzle((3, 8, 10), 26).split == Puzzle((10, 3, 8), 26).split
    assert Puzzle((3, 8, 10), 26).name == Puzzle((10, 3, 8), 26).name == "3,8,10=26"


def test_nothing_leaks_between_splits() -> None:
    base = {trace.puzzle.name for size in SIZES for trace in traces(size)}
    tasks = [Countdown(size=size, seed=seed) for size in SIZES for seed in range(3)]
    train = set[str]().union(*(names_of(task, "train") for task in tasks))
    test = set[str]().union(*(names_of(task, "test") for task in tasks))
    assert base
    assert train
    assert test
    assert not base & train
    assert not base & test
    assert not train & test


@pytest.mark.parametrize("size", SIZES)
def test_pools(size: Size) -> None:
    task = Countdown(size=size)
    train, test = task.problems("train"), task.problems("test")
    assert (len(train), len(test)) == ((160, 64) if size == "demo" else (256, 96))
    for pool in (train, test):
        assert len({problem.id for problem in pool}) == len(pool)
        assert all(len(str(problem.prompt).split()) == 8 for problem in pool)
        rare = sum("4 numbers" in problem.tags for problem in pool)
        assert rare == (round(0.4 * len(pool)) if size == "experiment" else 0)
        limit, largest = (40, 9) if size == "demo" else (60, 12)
        for problem in pool:
            numbers, target = problem.id.removeprefix("countdown:").split("=")
            assert 10 <= int(target) <= limit
            assert max(map(int, numbers.split(","))) <= largest
            assert problem.answer == target


def test_the_seed_selects_training_problems_only() -> None:
    zero, one = Countdown(size="experiment"), Countdown(size="experiment", seed=1)
    assert zero.problems("train") == Countdown(size="experiment").problems("train")
    assert names_of(zero, "train") != names_of(one, "train")
    assert zero.problems("test") == one.problems("test")
    prompts = {p.id: p.prompt for p in zero.problems("train")}
    shared = [p for p in one.problems("train") if p.id in prompts]
    assert shared
    assert all(p.prompt == prompts[p.id] for p in shared)


def test_too_large_a_pool_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("forage.tasks.countdown.problems.PATIENCE", 300)
    with pytest.raises(ForageError, match="too few puzzles of 3 numbers"):
        Countdown(train_problems=5000).problems("train")


@pytest.mark.parametrize("settings", [{"size": "huge"}, {"train_problems": 0}, {"test_problems": -1}])
def test_nonsense_settings_are_refused(settings: dict[str, str | int]) -> None:
    with pytest.raises(ForageError):
        Countdown(**settings)  # pyright: ignore[reportArgumentType]


def test_an_unknown_split_is_refused() -> None:
    with pytest.raises(ForageError, match="'base'"):
        Countdown().problems("base")  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("size", SIZES)
def test_the_mixture_has_its_shares(size: Size) -> None:
    written = traces(size)
    kinds = Counter(trace.kind for trace in written)
    for kind, share in MIXTURE.items():
        # Three standard deviations of a share of 0.3 in 8,000 are 0.015.
        assert kinds[kind] / len(written) == pytest.approx(share, abs=0.016)
    limit = Countdown(size=size).space.limit
    correct = Counter(t.kind for t in written if verify(t.puzzle, " ".join(t.words[:-1]), limit).value == 1)
    commit = Counter(t.kind for t in written if t.words[-2] == "so")
    for kind in ("forward", "backward"):
        # A lucky failed attempt may carry a slip; everything else in these kinds is right.
        assert correct[kind] >= 0.995 * kinds[kind]
        assert commit[kind] == kinds[kind]
    assert 0.15 < correct["search"] / kinds["search"] < 0.4
    assert correct["hasty"] / kinds["hasty"] < 0.2
    assert correct["unfinished"] == commit["unfinished"] == 0
    assert commit["search"] == kinds["search"]


@pytest.mark.parametrize("size", SIZES)
def test_traces_are_well_formed(size: Size) -> None:
    for trace in traces(size):
        assert trace.words[-1] == "<eos>"
        assert set(trace.words) <= set(WORDS)
        assert trace.words[0] in ("try", "let")
        if trace.kind == "backward" and "wait" not in trace.words:
            assert trace.words[0] == "let" or trace.words.count("check") == 1
    opening = Counter(t.words[0] for t in traces(size) if t.kind == "backward" and t.words.count("check") == 1)
    assert opening["let"] > 0.9 * opening.total()


def test_planning_words_are_a_fifth_of_the_tokens() -> None:
    words = Counter(word for trace in traces("experiment") for word in trace.words)
    share = sum(words[word] for word in KEYWORDS) / words.total()
    assert share == pytest.approx(0.20, abs=0.02)
    assert words["let"] / len(traces("experiment")) == pytest.approx(0.65, abs=0.06)


def test_slips_have_their_rate() -> None:
    """In hasty traces every step is random: 3% of the attempts' steps must miscalculate."""
    steps = slips = 0
    for trace in traces("experiment"):
        if trace.kind != "hasty":
            continue
        for at, word in enumerate(trace.words):
            if word == "try":
                left, operator, right, _, result = trace.words[at + 1 : at + 6]
                truth = {"+": int(left) + int(right), "-": int(left) - int(right), "*": int(left) * int(right)}
                steps += 1
                slips += truth[operator] != int(result)
    assert steps > 3000
    assert slips / steps == pytest.approx(0.03, abs=0.01)


def test_traces_repeat_with_the_seed() -> None:
    assert list(Countdown().traces(50)) == list(Countdown().traces(50))
    assert list(Countdown().traces(50)) != list(Countdown(seed=1).traces(50))


def test_every_word_is_one_token() -> None:
    tokenizer = word_tokenizer(WORDS, end=END, pad=PAD)
    assert tokenizer.vocab_size == len(WORDS) == 79
    assert tokenizer.encode(" ".join(WORDS)) == list(range(79))
    for trace in traces("demo")[:50]:
        prompt = tokenizer.encode(prompt_of(trace.puzzle))
        assert len(prompt) == 8
        ids = tokenizer.encode(" ".join(trace.words))
        assert tokenizer.decode(ids, skip_special_tokens=True) == " ".join(trace.words[:-1])


def test_another_language_is_refused() -> None:
    with pytest.raises(Exception, match="UNK"):
        word_tokenizer(WORDS, end=END, pad=PAD).encode("What is 6 times 7?")
