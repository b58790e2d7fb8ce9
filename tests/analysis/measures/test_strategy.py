"""Planning and execution: the golden values of the method's page, laws of entropy estimates, counts by hand."""

import math
from collections import Counter
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forage.analysis.measures.responses import Response
from forage.analysis.measures.strategy import (
    StepStrategy,
    distinct_strategies,
    diversity_at,
    following_entropy,
    relative_perplexity,
    step_strategy,
)
from forage.core.errors import ForageError
from forage.grams.entropy import (
    conditional_draws,
    conditional_entropy,
    conditional_entropy_at,
    entropy_at,
    estimate_entropy,
    miller_madow,
)
from forage.grams.gram_list import GramCluster, GramList
from forage.grams.strategies import Strategies, following_words
from support.made_responses import response, words

LAB = Strategies.of(GramList(clusters=tuple(GramCluster(grams=(word,)) for word in ("try", "let", "check", "wait"))))

counts_lists = st.lists(st.integers(0, 40), min_size=1, max_size=8).filter(lambda counts: sum(counts) > 1)


def test_entropy_golden_values() -> None:
    found = estimate_entropy([5, 3, 2])
    assert found.value == pytest.approx(1.029653, abs=1e-6)
    assert (found.bins, found.total, found.base) == (3, 10, math.e)
    assert estimate_entropy([7] * 6).value == pytest.approx(math.log(6))
    assert estimate_entropy([9, 0]).value == 0
    assert estimate_entropy([0, 0]).value == 0
    assert estimate_entropy([1] * 8, base=2).value == pytest.approx(3)
    assert estimate_entropy([50, 30, 20]).value == pytest.approx(found.value)
    with pytest.raises(ForageError, match="base"):
        estimate_entropy([1], base=1)


def test_corrections_by_hand() -> None:
    # Miller-Madow adds (3 - 1) / 20. Jackknife: 10 H - 9 (0.5 H(4,3,2) + 0.3 H(5,2,2) + 0.2 H(5,3,1)).
    assert estimate_entropy([5, 3, 2], correction="miller-madow").value == pytest.approx(1.129653, abs=1e-6)
    without = [estimate_entropy(left).value for left in ((4, 3, 2), (5, 2, 2), (5, 3, 1))]
    wanted = 10 * estimate_entropy([5, 3, 2]).value - 9 * (0.5 * without[0] + 0.3 * without[1] + 0.2 * without[2])
    assert estimate_entropy([5, 3, 2], correction="jackknife").value == pytest.approx(wanted)
    assert miller_madow(np.array([[5.0, 3, 2], [0, 0, 0]]))[0] == pytest.approx(1.129653, abs=1e-6)
    assert math.isnan(miller_madow(np.array([[0.0, 0, 0]]))[0])


@given(counts_lists)
def test_entropy_lies_between_zero_and_the_log_of_its_bins(counts: list[int]) -> None:
    found = estimate_entropy(counts)
    assert -1e-12 <= found.value <= math.log(found.bins) + 1e-12
    assert estimate_entropy(counts, correction="miller-madow").value >= found.value
    assert entropy_at(counts, sum(counts)) == pytest.approx(found.value)


def test_corrections_remove_most_of_the_bias() -> None:
    rng = np.random.default_rng(0)
    chances = np.array([0.4, 0.2, 0.1, 0.1, 0.1, 0.05, 0.05])
    truth = float(-(chances * np.log(chances)).sum())
    samples = rng.multinomial(40, chances, size=300)
    error = {
        correction: abs(np.mean([estimate_entropy(s, correction=correction).value for s in samples]) - truth)
        for correction in ("none", "miller-madow", "jackknife")
    }
    assert error["none"] > 0.05
    assert error["miller-madow"] < 0.3 * error["none"]
    assert error["jackknife"] < 0.3 * error["none"]


def test_subsamples_of_equal_size_are_comparable() -> None:
    small, large = [12, 6, 3, 3, 3, 1], [1200, 600, 300, 300, 300, 100]
    assert estimate_entropy(large).value == pytest.approx(estimate_entropy(small).value)
    assert entropy_at(large, 28) < entropy_at(large, 280) < estimate_entropy(large).value
    with pytest.raises(ValueError, match="cannot be drawn"):
        entropy_at([1, 1], 3)


def test_conditional_entropy_golden_values() -> None:
    pairs = [("a", "x")] * 2 + [("a", "y")] * 2 + [("b", "x")] * 4
    given_gram, marginal = conditional_entropy(pairs)
    assert given_gram == pytest.approx(0.346574, abs=1e-6)
    assert marginal == pytest.approx(0.562335, abs=1e-6)
    assert conditional_entropy([]) == (0.0, 0.0)
    assert conditional_entropy_at(pairs, 8) == pytest.approx((given_gram, marginal))


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("xyz")), min_size=1, max_size=30))
def test_knowing_the_gram_never_adds_entropy(pairs: list[tuple[str, str]]) -> None:
    given_gram, marginal = conditional_entropy(pairs)
    assert given_gram <= marginal + 1e-12


def test_what_follows_a_gram() -> None:
    text = "try 8 - 6 = 2 check 2 wait try 8 + 6"
    assert following_words(text, LAB.occurrences(text)) == [("try", "8 - 6"), ("try", "8 + 6")]


def planned(text: str, *, problem: str = "p", planning: float = 1.0, execution: float = 0.2) -> Response:
    """Planning words have their own entropy, log-probability and advantage."""
    flags = [word in ("try", "let", "check", "wait") for word in text.split(" ")]
    return words(
        text,
        [planning if flag else execution for flag in flags],
        problem=problem,
        logprobs=[-planning if flag else -execution for flag in flags],  # type: ignore[arg-type]
        advantages=[-1.2 if flag else 1.0 for flag in flags],  # type: ignore[arg-type]
    )


def test_a_step_by_hand() -> None:
    step = step_strategy(
        [planned("try 8 - 6 = 2 check 2"), planned("try try 8 + 6 = 14", problem="q")], LAB, step=3, draws=50
    )
    assert step.bins == ("check", "try")
    assert step.counts.tolist() == [[1, 1], [0, 2]]
    assert step.total == 4
    assert step.planning_share is not None
    assert step.planning_share.estimate == pytest.approx(4 / 15)
    assert step.entropy.mean is not None
    assert step.entropy.rest is not None
    assert (step.entropy.mean.estimate, step.entropy.rest.estimate) == pytest.approx((1.0, 0.2))
    assert step.advantage.difference is not None
    assert step.advantage.difference.estimate == pytest.approx(0.2)
    assert step.diversity is not None
    assert step.diversity.estimate == pytest.approx(estimate_entropy([1, 3], correction="miller-madow").value)
    # The 70% quantile of the entropies is 0.2, so every token counts as high: a quarter of them plan.
    assert step.high_planning is not None
    assert step.high_planning.estimate == 1.0
    assert step.planning_high is not None
    assert step.planning_high.estimate == pytest.approx(4 / 15)
    assert step.distinct is not None
    assert step.distinct.estimate == 1.5
    assert step.strategies == ((1,), (1,))


def test_bins_by_list_or_by_cluster() -> None:
    grams = GramList(
        clusters=(GramCluster(grams=("let us check", "let me check"), label="checking"), GramCluster(grams=("wait",)))
    )
    text = "Let us check. Wait, let me check."
    assert [name for name, _ in Strategies.of(grams).occurrences(text)] == ["checking", "wait", "checking"]
    by_gram = Strategies.of(grams, support="list").occurrences(text)
    assert [name for name, _ in by_gram] == ["let us check", "wait", "let me check"]
    assert [text[slice(*span)] for _, span in by_gram] == ["Let us check", "Wait", "let me check"]


def test_relative_perplexity_golden_values() -> None:
    def at(number: int, logprobs: Sequence[float]) -> object:
        rows = [response(["try", " a", " b"], logprobs=logprobs, problem=f"p{n}") for n in range(3)]
        return step_strategy(rows, LAB, step=number, draws=50)

    # Execution tokens with negative log-likelihoods (0.5, 1.5), later (0, 1): exp(0.5 - 1) = 0.606531.
    start, later = at(0, [-2.0, -0.5, -1.5]), at(9, [-1.0, 0.0, -1.0])
    planning, execution = relative_perplexity(later, start)  # type: ignore[arg-type]
    assert execution.estimate == pytest.approx(0.606531, abs=1e-6)
    assert planning.estimate == pytest.approx(math.exp(-1))
    for itself in relative_perplexity(start, start):  # type: ignore[arg-type]
        assert (itself.estimate, itself.low, itself.high) == (1.0, 1.0, 1.0)


def test_distinct_strategies_against_enumeration() -> None:
    texts = ["try 1", "try 2", "let 1", "try 3 check 2"]  # sequences: try, try, let, try-check
    step = step_strategy([words(text) for text in texts], LAB, step=1, draws=20)
    assert Counter(step.strategies[0]) == Counter([2, 1, 1])
    kinds = "ttlc"
    pairs = [(a, b) for i, a in enumerate(kinds) for b in kinds[i + 1 :]]
    wanted = sum(len({a, b}) for a, b in pairs) / len(pairs)
    for siblings, number in ((2, wanted), (4, 3)):
        found = distinct_strategies(step, siblings)
        assert found is not None
        assert found.estimate == pytest.approx(number)
    assert distinct_strategies(step, 5) is None


def test_draws_of_the_conditional_entropy_against_copying_the_pairs() -> None:
    pairs = [("a", "x"), ("a", "y"), ("b", "x"), ("b", "x"), ("a", "x")]
    cluster, weights = np.array([0, 0, 1, 1, 2]), np.array([[1.0, 1, 1], [2, 0, 1], [0, 3, 0], [0, 0, 0]])
    given, marginal = conditional_draws(pairs, cluster, weights)
    for draw in range(3):
        copied = [pair for pair, at in zip(pairs, cluster, strict=True) for _ in range(int(weights[draw, at]))]
        assert (given[draw], marginal[draw]) == pytest.approx(conditional_entropy(copied), abs=1e-12)
    assert math.isnan(given[3])


def test_intervals_at_equal_counts_cover_the_truth() -> None:
    # Problems prefer grams, and what follows them, differently; the truth is what 200 problems give at the same counts.
    names, tails = ["try", "let", "check"], ["1 2 3", "4 5 6", "7 8 9"]

    def step(rng: np.random.Generator, problems: int) -> StepStrategy:
        rows = []
        for number in range(problems):
            gram, tail = rng.dirichlet([3, 2, 1]), rng.dirichlet([2, 1, 1])
            text = " ".join(f"{rng.choice(names, p=gram)} {rng.choice(tails, p=tail)}" for _ in range(8))
            rows.append(words(text, problem=f"p{number}"))
        return step_strategy(rows, LAB, step=1, draws=10)

    large = step(np.random.default_rng(1000), 200)
    (wanted, _), diversity = following_entropy(large, 200), diversity_at(large, 200)
    assert wanted is not None
    assert diversity is not None
    covered = np.zeros(2)
    for seed in range(30):
        small = step(np.random.default_rng(seed), 30)
        at, (given, _) = diversity_at(small, 200, draws=200), following_entropy(small, 200, draws=200)
        assert at is not None
        assert given is not None
        covered += [at.low <= diversity.estimate <= at.high, given.low <= wanted.estimate <= given.high]
    assert (covered >= 25).all(), covered
    assert diversity_at(large, 0) is None
    assert following_entropy(large, 0) == (None, None)


def test_no_grams_at_all() -> None:
    step = step_strategy([words("nothing here")], LAB, step=1, draws=20)
    assert (step.total, step.diversity, step.entropy.n, step.pairs) == (0, None, 0, ())
    assert step.planning_share is not None
    assert step.planning_share.estimate == 0
    assert step.high_planning is None


def test_the_interval_of_diversity_covers_the_truth() -> None:
    # Gram shares differ from problem to problem; the truth is the entropy of their mean.
    names, covered = ["try", "let", "check", "wait"], 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        rows = [
            words(" ".join(rng.choice(names, p=chances, size=12)), problem=f"p{number}")
            for number, chances in enumerate(rng.dirichlet([4, 2, 1, 1], size=40))
        ]
        found = step_strategy(rows, LAB, step=1, draws=200).diversity
        assert found is not None
        mean = np.array([4, 2, 1, 1]) / 8
        covered += found.low <= -(mean * np.log(mean)).sum() <= found.high
    assert covered >= 34
