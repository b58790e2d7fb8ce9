"""The verifier: a table by hand, an independent solver as oracle, and laws over generated traces."""

import random
from collections.abc import Iterator
from functools import lru_cache
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forage.core.errors import ForageError
from forage.core.records import Problem
from forage.tasks.countdown import Countdown
from forage.tasks.countdown.grammar import KEYWORDS, NUMBERS, WORDS, prompt_of, puzzle_of, step_ends
from forage.tasks.countdown.problems import EXPERIMENT, Puzzle
from forage.tasks.countdown.traces import Trace, write_traces
from forage.tasks.countdown.verifier import committed_number, verify

PUZZLE = Puzzle((6, 4, 8, 10), 26)
GOOD = "try 6 * 4 = 24 8 10 try 24 - 8 = 16 10 try 16 + 10 = 26"
BAD = "try 8 - 6 = 2 4 10 try 10 * 2 = 20 4 try 20 + 4 = 24"

RIGHT = {
    "a chain": f"{GOOD} so",
    "a checked chain": f"{GOOD} check 26 26 yes so",
    "operands in the other order": "try 4 * 6 = 24 8 10 try 24 - 8 = 16 10 try 10 + 16 = 26 so",
    "rest in another order": "try 6 * 4 = 24 10 8 try 24 - 8 = 16 10 try 16 + 10 = 26 so",
    "a failed attempt, then wait": f"{BAD} check 24 26 no wait {GOOD} so",
    "wrong arithmetic before wait": f"try 8 - 6 = 3 4 10 wait {GOOD} so",
    "unused numbers dropped before wait": f"try 8 - 6 = 2 wait {GOOD} so",
    "an alien number before wait": f"try 9 - 5 = 4 1 1 wait {GOOD} so",
    "a false check before wait": f"{BAD} check 24 24 yes wait {GOOD} so",
    "a broken step before wait": f"try 8 try - let wait {GOOD} so",
    "stray words before wait": f"yes 7 no wait {GOOD} so",
    "wait at the root": f"wait wait {GOOD} so",
    "back at the root": f"back {GOOD} so",
    "back over the last step": "try 6 * 4 = 24 8 10 try 24 + 8 = 32 10 back try 24 - 8 = 16 10 try 16 + 10 = 26 so",
    "back over a wrong step": "try 6 * 4 = 24 8 10 try 24 - 8 = 17 10 back try 24 - 8 = 16 10 try 16 + 10 = 26 so",
    "back takes the checks of its state with it": (
        "try 6 * 4 = 24 8 10 try 24 - 8 = 16 10 try 16 - 10 = 6 check 6 26 yes check 5 5 no back try 16 + 10 = 26 so"
    ),
    "back twice": "try 6 * 4 = 24 8 10 try 24 + 8 = 32 10 try 32 + 10 = 42 back back "
    "try 24 - 8 = 16 10 try 16 + 10 = 26 so",
    "let, adding": "let 26 - 10 = 16 6 4 8 try 6 * 4 = 24 8 try 24 - 8 = 16 check 16 16 yes so",
    "let after a step": "try 6 * 4 = 24 8 10 let 26 - 10 = 16 24 8 try 24 - 8 = 16 so",
    "let twice": "let 26 - 10 = 16 6 4 8 let 16 + 8 = 24 6 4 try 6 * 4 = 24 check 24 24 yes so",
    "let undone": f"let 26 - 4 = 22 6 8 10 back {GOOD} so",
    "a true check of no, undone": f"{BAD} check 24 26 no back back back {GOOD} so",
}

WRONG = {
    "empty": "",
    "nothing done": "so",
    "no commitment": GOOD,
    "truncated": f"{GOOD} check 26 26",
    "committed twice": f"{GOOD} so so",
    "goes on after committing": f"so {GOOD}",
    "words after committing": f"{GOOD} so 26",
    "gives up": f"{BAD} check 24 26 no so",
    "wrong result": "try 6 * 4 = 25 8 10 try 25 - 8 = 17 10 try 17 + 10 = 27 so",
    "wrong arithmetic that reaches the goal": "try 6 * 4 = 24 8 10 try 24 - 8 = 14 10 try 14 + 10 = 26 so",
    "wrong result that heals itself": "try 6 * 4 = 23 8 10 try 24 - 8 = 16 10 try 16 + 10 = 26 so",
    "a number used twice": "try 10 + 10 = 20 4 8 try 20 + 8 = 28 4 try 28 - 4 = 24 so",
    "only number used twice": "try 10 + 10 = 20 6 4 8 so",
    "a number not at hand": "try 6 * 5 = 30 8 10 try 30 + 8 = 38 10 try 38 - 10 = 28 so",
    "the goal from thin air": "try 26 - 0 = 26 so",
    "unused numbers dropped": "try 10 + 8 = 18 so",
    "dropped on the way": "try 6 * 4 = 24 8 try 24 + 8 = 32 so",
    "remaining list changed": "try 6 * 4 = 24 8 2 try 24 + 2 = 26 8 so",
    "remaining list too long": "try 6 * 4 = 24 8 10 10 try 24 - 8 = 16 10 try 16 + 10 = 26 so",
    "numbers left over": "try 6 * 4 = 24 8 10 so",
    "one left, not the goal": f"{BAD} so",
    "the good chain undone": f"{GOOD} wait so",
    "the last step undone": f"{GOOD} back so",
    "an unknown word": "try 6 * 4 = 24 8 10 hmm try 24 - 8 = 16 10 try 16 + 10 = 26 so",
    "stray words first": f"26 {GOOD} so",
    "stray words after wait": f"wait 26 {GOOD} so",
    "stray words after back": f"try 6 + 4 = 10 8 10 back yes {GOOD} so",
    "an equals sign missing": "try 6 * 4 24 8 10 try 24 - 8 = 16 10 try 16 + 10 = 26 so",
    "division": "try 6 / 4 = 24 8 10 try 24 - 8 = 16 10 try 16 + 10 = 26 so",
    "a negative result": "try 4 - 6 = -2 8 10 so",
    "a leading zero": "try 06 * 4 = 24 8 10 try 24 - 8 = 16 10 try 16 + 10 = 26 so",
    "digits of another script": "try \uff16 * 4 = 24 8 10 try 24 - 8 = 16 10 try 16 + 10 = 26 so",
    "a false check": f"{GOOD} check 26 26 no so",
    "a check of another number": f"{GOOD} check 25 25 yes so",
    "a check of another goal": f"{GOOD} check 26 25 no so",
    "a check too early": f"check 26 26 yes {GOOD} so",
    "an unfinished check": f"{GOOD} check so",
    "let with wrong arithmetic": "let 26 - 10 = 15 6 4 8 try 6 * 4 = 24 8 try 24 - 8 = 16 check 16 16 yes so",
    "let of another goal": "let 27 - 10 = 17 6 4 8 try 6 + 4 = 10 8 try 10 + 8 = 18 so",
    "let keeps its number": "let 26 - 10 = 16 6 4 8 10 try 6 + 10 = 16 4 8 so",
    "let sets aside a number not at hand": "let 26 - 2 = 24 6 4 8 10 try 6 * 4 = 24 8 10 so",
    "let by multiplying": "let 26 * 2 = 52 6 4 8 10 so",
    "the old goal after let": "let 26 - 10 = 16 6 4 8 try 6 * 4 = 24 8 try 24 - 8 = 16 check 16 26 no so",
    "let of the last number": f"{GOOD} let 26 - 26 = 0 so",
}


@pytest.mark.parametrize("text", RIGHT.values(), ids=RIGHT.keys())
def test_right(text: str) -> None:
    score = verify(PUZZLE, text, 60)
    assert (score.value, score.parts["correct"], score.parts["commit"]) == (1, 1, 1)
    assert committed_number(text) == 26


@pytest.mark.parametrize("text", WRONG.values(), ids=WRONG.keys())
def test_wrong(text: str) -> None:
    score = verify(PUZZLE, text, 60)
    assert (score.value, score.parts["correct"]) == (0, 0)


def test_multiplying_by_one_and_exceeding_the_limit_are_illegal() -> None:
    assert verify(Puzzle((1, 4, 6), 24), "try 4 * 1 = 4 6 try 6 * 4 = 24 so", 60).value == 0
    trace = "try 7 * 6 = 42 8 try 42 - 8 = 34 so"
    assert verify(Puzzle((6, 7, 8), 34), trace, 60).value == 1
    assert verify(Puzzle((6, 7, 8), 34), trace, 40).value == 0
    # Planning to subtract 8 from 42 is illegal where 42 is.
    backward = "let 34 + 8 = 42 7 6 try 7 * 6 = 42 so"
    assert verify(Puzzle((6, 7, 8), 34), backward, 60).value == 1
    assert verify(Puzzle((6, 7, 8), 34), backward, 40).value == 0


def test_parts_count_the_words_of_strategy() -> None:
    parts = verify(PUZZLE, f"let 26 - 4 = 22 6 8 10 back {BAD} check 24 26 no wait {GOOD} so", 60).parts
    assert parts == {"correct": 1, "commit": 1, "try": 6, "let": 1, "check": 1, "wait": 1, "back": 1}


@pytest.mark.parametrize(
    ("text", "number"),
    [
        (f"{BAD} so", 24),
        (f"{BAD} check 24 26 no so", 24),
        ("try 6 * 4 = 24 8 10 try 24 - 8 = 14 10 try 14 + 10 = 26 so", 26),  # its own arithmetic, though wrong
        ("let 26 - 10 = 16 6 4 8 try 6 + 4 = 10 8 try 10 + 8 = 18 so", 28),  # 18, and the 10 set aside
        ("let 26 + 4 = 30 6 8 10 try 6 + 8 = 14 10 try 14 + 10 = 24 so", 20),  # 24 minus the 4 set aside
        ("try 6 + 4 = 10 8 10 try 10 + 8 = 18 10 let 26 - 10 = 16 18 so", 28),
        (GOOD, None),
        ("so", None),
        ("", None),
        ("try 6 * 4 = 24 8 10 so", None),
        ("try 6 * 4 = so", None),
        (f"{GOOD} nonsense so", None),
    ],
)
def test_committed_number(text: str, number: int | None) -> None:
    assert committed_number(text) == number


# ---------------------------------------------------------------------------------------------------- oracle and laws


def solve(numbers: tuple[int, ...], target: int, limit: int) -> Iterator[list[str]]:
    """Every solution, written as the words of a forward chain; shares no code with the package."""
    if len(numbers) == 1:
        if numbers[0] == target:
            yield []
        return
    for i, j in combinations(range(len(numbers)), 2):
        high, low = max(numbers[i], numbers[j]), min(numbers[i], numbers[j])
        rest = tuple(n for k, n in enumerate(numbers) if k not in (i, j))
        results = {"+": high + low, "-": high - low}
        if low != 1:
            results["*"] = high * low
        for operator, result in results.items():
            if (result <= limit and high != 1) or (operator != "*" and result <= limit):
                left = (result, *rest)
                for tail in solve(left, target, limit):
                    yield [*f"try {high} {operator} {low} = {' '.join(map(str, left))}".split(), *tail]


puzzles = st.builds(
    Puzzle,
    st.lists(st.integers(1, 12), min_size=3, max_size=4).map(tuple),
    st.integers(10, 60),
)


@settings(max_examples=60, deadline=None)
@given(puzzles, st.randoms(use_true_random=False))
def test_every_solution_of_the_solver_verifies(puzzle: Puzzle, rng: random.Random) -> None:
    solutions = list(solve(puzzle.numbers, puzzle.target, 60))
    for words in rng.sample(solutions, min(20, len(solutions))):
        assert verify(puzzle, " ".join([*words, "so"]), 60).value == 1


@settings(max_examples=60, deadline=None)
@given(puzzles, st.randoms(use_true_random=False))
def test_every_complete_chain_is_judged_by_where_it_ends(puzzle: Puzzle, rng: random.Random) -> None:
    for target in rng.sample(range(61), 8):
        for words in list(solve(puzzle.numbers, target, 60))[:5]:
            assert verify(puzzle, " ".join([*words, "so"]), 60).value == float(target == puzzle.target)


@lru_cache(maxsize=1)
def written() -> tuple[Trace, ...]:
    return tuple(write_traces(EXPERIMENT, 3000, rare_share=0.5, seed=3))


@lru_cache(maxsize=1)
def correct() -> tuple[Trace, ...]:
    return tuple(t for t in written() if verify(t.puzzle, text_of(t.words), 60).value == 1)


def text_of(words: tuple[str, ...] | list[str]) -> str:
    return " ".join(word for word in words if word != "<eos>")


def solver_says(puzzle: Puzzle) -> bool:
    return next(solve(puzzle.numbers, puzzle.target, 60), None) is not None


def test_what_verifies_has_a_solution() -> None:
    assert len(correct()) > 1200
    assert all(solver_says(trace.puzzle) for trace in correct()[:150])


@pytest.mark.parametrize("target", [11, 23, 37, 59])
def test_an_unsolvable_goal_cannot_be_reached(target: int) -> None:
    unsolvable = [Puzzle(t.puzzle.numbers, target) for t in written()[:400]]
    unsolvable = [(p, t) for p, t in zip(unsolvable, written(), strict=False) if not solver_says(p)]
    assert len(unsolvable) > 20
    for puzzle, trace in unsolvable:
        assert verify(puzzle, text_of(trace.words), 60).value == 0


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_corruption_never_crashes(data: st.DataObject) -> None:
    trace = data.draw(st.sampled_from(written()))
    words = list(trace.words)
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(words)))
        words[at : at + data.draw(st.integers(0, 3))] = data.draw(st.lists(st.sampled_from(WORDS), max_size=3))
    score = verify(trace.puzzle, " ".join(words), 60)
    assert score.value in (0, 1)
    assert score.parts["correct"] <= score.parts["commit"]
    committed_number(" ".join(words))
    if words:
        assert step_ends(words)[-1] == len(words)


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=200))
def test_any_text_is_judged(text: str) -> None:
    assert verify(PUZZLE, text, 60).value == 0


def standing(words: list[str]) -> list[int]:
    """Positions of the words that no `wait` and no `back` undid, found from behind; shares no code with the verifier.

    Reading backwards, `wait` hides everything before it and each `back` hides one more step.
    """
    ends = [*step_ends(words)]
    kept: list[int] = []
    hidden = 0
    for start, end in reversed(list(zip([0, *ends[:-1]], ends, strict=True))):
        if words[start] == "wait":
            break
        if words[start] == "back":
            hidden += 1
        elif hidden:
            hidden -= words[start] in ("try", "let")
        else:
            kept.extend(range(start, end))
    return kept


def test_every_single_number_corruption_on_the_surviving_path_is_rejected() -> None:
    corruptions = 0
    rng = random.Random(0)
    for trace in correct()[:500]:
        words = text_of(trace.words).split()
        for at in standing(words):
            if words[at] in NUMBERS:
                for other in rng.sample([n for n in NUMBERS if n != words[at]], 6):
                    changed = [*words[:at], other, *words[at + 1 :]]
                    assert verify(trace.puzzle, " ".join(changed), 60).value == 0, " ".join(changed)
                    corruptions += 1
    assert corruptions > 20_000


def test_number_corruption_off_the_surviving_path_is_forgiven() -> None:
    corruptions = 0
    for trace in correct():
        words = text_of(trace.words).split()
        stands = set(standing(words))
        for at in range(len(words)):
            if at not in stands and words[at] in NUMBERS:
                changed = [*words[:at], "0", *words[at + 1 :]]
                assert verify(trace.puzzle, " ".join(changed), 60).value == 1
                corruptions += 1
    assert corruptions > 2000


# ------------------------------------------------------------------------------------------------- prompts and steps


@given(puzzles)
def test_prompts_are_eight_words_and_read_back(puzzle: Puzzle) -> None:
    prompt = prompt_of(puzzle)
    assert len(prompt.split()) == 8
    assert set(prompt.split()) <= set(WORDS)
    assert puzzle_of(prompt) == puzzle


@pytest.mark.parametrize("prompt", ["", "use 1 2 3", "use 1 2 and x to make 20", "use 1 2 and 3 to make 61"])
def test_alien_prompts_are_refused(prompt: str) -> None:
    problem = Problem(id="x", prompt=prompt, answer="20", task="countdown")
    with pytest.raises(ForageError, match="not a Countdown prompt"):
        Countdown().verify(problem, "so")


def test_step_ends() -> None:
    task = Countdown()
    response = "try 8 - 6 = 2 check 2 26 no wait so <eos>"
    assert task.step_ends(response.split()) == (6, 10, 11, 13)
    # Pieces as a tokenizer writes them, from the middle of a step on.
    assert task.step_ends(["= ", "2 ", "check ", "2 ", "26 ", "no ", "so", ""]) == (2, 6, 8)
    assert task.step_ends(["7"]) == (1,)


@given(st.lists(st.sampled_from(WORDS), min_size=1, max_size=60))
def test_steps_partition_a_response(words: list[str]) -> None:
    ends = step_ends(words)
    assert ends[-1] == len(words)
    assert all(a < b for a, b in zip((0, *ends), ends, strict=False))
    assert all(words[end] in KEYWORDS for end in ends[:-1])
