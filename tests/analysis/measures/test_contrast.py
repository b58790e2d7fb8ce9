"""A class against the rest: arithmetic by hand, coverage of the intervals, and the placebo."""

import math

import numpy as np
import pytest

from forage.analysis.measures.contrast import contrast, mean_interval, shuffled_within
from forage.analysis.measures.entropy_profile import entropy_profile
from forage.analysis.measures.pivotal import pivotal_tokens
from forage.analysis.measures.responses import flatten
from forage.analysis.measures.token_classes import word_list
from support.made_responses import chatter


def test_means_by_hand() -> None:
    values = np.array([1.0, 3.0, 5.0, 2.0, np.nan])
    member = np.array([True, False, True, False, True])
    found = contrast(values, member, np.array([0, 0, 1, 1, 1]))
    assert (found.n, found.n_rest, found.share) == (2, 2, 0.5)
    assert found.mean is not None
    assert found.rest is not None
    assert found.difference is not None
    assert (found.mean.estimate, found.rest.estimate, found.difference.estimate) == (3.0, 2.5, 0.5)
    # Two clusters: a draw is one of them alone, so the ends are the clusters' own differences, 1 - 3 and 5 - 2.
    assert (found.difference.low, found.difference.high) == (-2.0, 3.0)


def test_an_empty_class_is_none_and_zero() -> None:
    found = contrast(np.ones(3), np.zeros(3, dtype=np.bool_), np.arange(3))
    assert (found.n, found.mean, found.difference, found.share) == (0, None, None, 0.0)
    nothing = contrast(np.zeros(0), np.zeros(0, dtype=np.bool_), np.zeros(0, dtype=np.int64))
    assert (nothing.n, nothing.n_rest, nothing.mean, nothing.rest, nothing.share) == (0, 0, None, None, 0.0)


def test_one_problem_has_no_interval() -> None:
    found = mean_interval(np.array([1.0, 2.0]), np.zeros(2, dtype=np.int64))
    assert found is not None
    assert found.estimate == 1.5
    assert math.isnan(found.low)


def test_intervals_cover_as_often_as_they_say() -> None:
    # Every problem shifts all its tokens, so tokens are no independent draws: an interval over tokens would cover 40%.
    covered = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        problem = np.repeat(np.arange(25), 20)
        level = rng.normal(size=25)[problem]
        found = mean_interval(level + rng.normal(size=500), problem, seed=seed, draws=300)
        assert found is not None
        covered += found.low <= 0 <= found.high
    assert 180 <= covered <= 198


def test_shuffling_stays_within_responses() -> None:
    values, response = np.arange(12.0), np.repeat([2, 0, 1], 4)
    shuffled = shuffled_within(values, response, seed=3)
    assert shuffled.tolist() != values.tolist()
    for number in range(3):
        assert sorted(shuffled[response == number]) == sorted(values[response == number])


def test_pivotal_words_and_their_placebo() -> None:
    responses = chatter(12, 6, seed=1, uncertain=0.5)
    rows = {(row.name, row.tokens): row.contrast for row in pivotal_tokens(responses, word_list())}
    total = len(flatten(responses))
    for found in rows.values():
        assert found.n + found.n_rest == total  # class and rest partition the sampled tokens
    everything = rows["all", "first token"].difference
    assert everything is not None
    assert everything.low > 0.3
    assert rows["reasoning", "first token"].n == 0
    assert rows["reasoning", "first token"].mean is None
    causal, total_pivotal = rows["causal", "first token"], rows["all", "first token"]
    classes = [rows[name, "first token"].n for name in ("causal", "contrastive", "sequential", "reasoning")]
    assert sum(classes) == total_pivotal.n
    assert causal.difference is not None
    # 0.5 more than plain words, and of the other 30 words of a response 6 are pivotal too: 0.5 - 0.5 * 6 / 30.
    assert causal.difference.estimate == pytest.approx(0.4, abs=0.02)


def test_the_placebo_covers_zero_as_often_as_it_says() -> None:
    covered = 0
    for seed in range(40):
        rows = pivotal_tokens(chatter(12, 3, seed=seed, uncertain=0.5), word_list(), draws=200, seed=seed)
        placebo = rows[-1].contrast.difference
        assert placebo is not None
        covered += placebo.low <= 0 <= placebo.high
    assert covered >= 34


def test_profile_by_place_and_correctness() -> None:
    responses = chatter(6, 4, seed=2)
    profile = entropy_profile(responses)
    tokens = flatten(responses)
    assert sum(found.n for found in profile.everything) == len(tokens)
    judged = sum(found.n for found in (*profile.right, *profile.wrong))
    assert judged == int(np.isfinite(tokens.correct).sum()) == profile.correctness.n + profile.correctness.n_rest
    assert profile.everything[0].entropy is not None
    first = tokens.entropy[tokens.place < 0.1]
    assert profile.everything[0].entropy.estimate == pytest.approx(first.mean())
    assert profile.truncated.n == 0
