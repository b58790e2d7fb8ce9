"""pass@k against enumeration, majority votes by hand, unjudged samples, and the sentences about n and k."""

import dataclasses
import itertools
import math
from collections.abc import Callable, Mapping

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forage.core.errors import ForageError
from forage.core.records import SamplingParams
from forage.evaluation.estimate import (
    check_ks,
    in_order,
    majority_by_problem,
    pass_by_problem,
    pass_curve,
    small_sample_warning,
    summarize,
)
from forage.evaluation.evaluation import Evaluation, ProblemOutcome

Make = Callable[..., Evaluation]
PARAMS = SamplingParams()


def with_answers(answers: Mapping[str, int], right: Mapping[str, int], n: int, unjudged: int = 0) -> ProblemOutcome:
    return ProblemOutcome(
        problem="p0",
        n=n,
        correct=sum(right.values()),
        unjudged=unjudged,
        committed=sum(answers.values()),
        answers=answers,
        right_answers=right,
    )


def one(base: Evaluation, outcome: ProblemOutcome) -> Evaluation:
    return dataclasses.replace(base, n=outcome.n, problems=(outcome,))


def test_pass_at_k_is_the_share_of_subsets_that_hold_a_right_sample(evaluation: Make) -> None:
    n = 7
    some = evaluation(range(n + 1), n)
    ks = list(range(1, n + 1))
    estimated = pass_by_problem(some, ks)
    for c, k in itertools.product(range(n + 1), ks):
        subsets = list(itertools.combinations(range(n), k))
        share = sum(any(sample < c for sample in subset) for subset in subsets) / len(subsets)
        assert estimated[c, k - 1] == pytest.approx(share, abs=1e-12)


def test_one_right_of_four_is_certain_in_four(evaluation: Make) -> None:
    # A bootstrap with replacement would say 1 - (3/4)^4 = 0.684.
    assert pass_by_problem(evaluation([1], 4), [1, 4]).tolist() == [[0.25, 1.0]]


def test_unjudged_samples_are_neither_right_nor_wrong(evaluation: Make) -> None:
    # 2 right, 2 wrong, 4 unjudged of 8: pass@1 = 2/4, pass@2 = 1 - (2*1)/(4*3) = 5/6; pass@8 is read as pass@4 = 1.
    # The second problem was never judged: nothing is known about it, and the mean is that of the first.
    some = evaluation([2, 0], 8, unjudged=[4, 8])
    estimated = pass_by_problem(some, [1, 2, 8])
    assert estimated[0] == pytest.approx([1 / 2, 5 / 6, 1.0])
    assert np.isnan(estimated[1]).all()
    assert [interval.estimate for interval in pass_curve([some], [1, 2])] == pytest.approx([1 / 2, 5 / 6])
    assert summarize([some]).unjudged == 12 / 16
    assert summarize([some]).correct == 1 / 2


def test_nothing_judged_is_nan_not_zero(evaluation: Make) -> None:
    some = evaluation([0, 0], 4, unjudged=[4, 4])
    assert math.isnan(pass_curve([some], [1])[0].estimate)
    assert math.isnan(summarize([some]).correct)


@pytest.mark.parametrize(
    ("answers", "right", "n", "k", "expected"),
    [
        ({"a": 3, "b": 2}, {"a": 3}, 5, 5, 1.0),  # a wins
        ({"a": 3, "b": 2}, {"b": 2}, 5, 5, 0.0),
        ({"a": 2, "b": 2, "c": 1}, {"a": 2}, 5, 5, 0.5),  # a and b share the vote
        ({"a": 2, "b": 2, "c": 2}, {"a": 2, "b": 2}, 6, 6, 2 / 3),
        ({"a": 1}, {"a": 1}, 5, 5, 1.0),  # four samples without an answer do not vote
        ({}, {}, 5, 5, 0.0),  # nobody votes
        ({"a": 4}, {"a": 1}, 4, 4, 0.25),  # one answer, reached correctly once in four
        ({"a": 3, "b": 1}, {"a": 3}, 5, 1, 0.6),  # one vote: 3/5 say a
        ({"a": 1, "b": 2}, {"a": 1}, 3, 2, 1 / 3),  # pairs ab, ab, bb: half, half, none
        ({"a": 1}, {"a": 1}, 5, 2, 0.4),  # 4 of the 10 pairs hold a, and in the others nobody votes
    ],
)
def test_majority_by_hand(
    evaluation: Make, answers: dict[str, int], right: dict[str, int], n: int, k: int, expected: float
) -> None:
    some = one(evaluation([0], 1), with_answers(answers, right, n))
    exact = k in (1, n)
    assert majority_by_problem(some, k)[0] == pytest.approx(expected, abs=1e-12 if exact else 0.05)


@settings(max_examples=60, deadline=None)
@given(
    counts=st.lists(st.integers(1, 3), min_size=1, max_size=3),
    silent=st.integers(0, 2),
    right=st.integers(0, 2),
    k=st.integers(1, 5),
)
def test_majority_agrees_with_enumeration(counts: list[int], silent: int, right: int, k: int) -> None:
    n = sum(counts) + silent
    k = min(k, n)
    right = min(right, len(counts) - 1)
    votes = [name for name, count in enumerate(counts) for _ in range(count)] + [None] * silent
    shares = []
    for subset in itertools.combinations(votes, k):
        tally = {name: subset.count(name) for name in set(subset) - {None}}
        winners = [name for name, count in tally.items() if count == max(tally.values())]
        shares.append(winners.count(right) / len(winners) if winners else 0.0)
    outcome = with_answers({str(i): c for i, c in enumerate(counts)}, {str(right): counts[right]}, n)
    some = Evaluation(label="x", checkpoint="x", task={}, split="test", params=PARAMS, n=n, seed=0, problems=(outcome,))
    assert majority_by_problem(some, k)[0] == pytest.approx(np.mean(shares), abs=0.06)
    assert majority_by_problem(some, k)[0] == majority_by_problem(some, k)[0]


def test_majority_ignores_unjudged_samples_and_tasks_without_answers(evaluation: Make) -> None:
    some = one(evaluation([0], 1), with_answers({"a": 2, "b": 1}, {"a": 2}, 8, unjudged=5))
    assert majority_by_problem(some, 8)[0] == 1.0
    assert math.isnan(majority_by_problem(one(evaluation([0], 1), with_answers({}, {}, 3, unjudged=3)), 3)[0])
    assert np.isnan(majority_by_problem(evaluation([1, 2], 4), 4)).all()


def test_summary_by_hand(evaluation: Make) -> None:
    first = dataclasses.replace(evaluation([1, 3], 4).problems[0], truncated=2)
    some = dataclasses.replace(evaluation([1, 3], 4), problems=(first, evaluation([1, 3], 4).problems[1]))
    summary = summarize([some, evaluation([0, 0], 4)])
    assert summary.correct == pytest.approx((1 / 4 + 3 / 4 + 0 + 0) / 4)
    assert summary.truncated == pytest.approx(2 / 16)
    assert summary.committed == pytest.approx(4 / 16)
    assert summary.length == 10
    assert summary.entropy == pytest.approx(0.4)


def test_order_does_not_matter_but_the_set_does(evaluation: Make) -> None:
    some = evaluation([1, 2, 3], 4)
    turned = dataclasses.replace(some, problems=some.problems[::-1])
    assert in_order(turned, ["p0", "p1", "p2"]) == some
    with pytest.raises(ForageError, match=r"1 problems only in the other \(such as p9\) and 1 problems only in policy"):
        in_order(some, ["p0", "p1", "p9"])


def test_k_beyond_n_is_refused_with_a_way_out() -> None:
    check_ks(4, [1, 4])
    with pytest.raises(ForageError, match=r"pass@8 cannot be estimated from 4 .* --n 16"):
        check_ks(4, [1, 8])
    with pytest.raises(ForageError, match="at least 1, not 0"):
        check_ks(4, [0])
    with pytest.raises(ForageError, match="at least one k"):
        check_ks(4, [])


def test_few_samples_are_warned_about() -> None:
    assert small_sample_warning(256, [1, 128]) is None
    warning = small_sample_warning(256, [256, 64, 129])
    assert warning is not None
    assert warning.startswith("pass@129, pass@256 will be noisy: 256 samples")
    assert "--n 512" in warning
    assert "\n" not in warning
