"""From counts to estimates: pass@k, majority@k, and the confounds that belong beside them.

Axes: P problems, K values of k.

Samples that could not be judged are left out of every estimate of correctness: a problem with u unjudged samples of n
counts as one with n - u samples. Calling them wrong would make a slow verifier look like a bad policy, and dropping
their problems would favor easy ones; the share that was unjudged is shown beside the result instead. Where fewer than
k samples were judged, pass@k of the problem is estimated by pass@(n - u), which is a lower bound; a problem without any
judged sample is NaN and is excluded.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from forage.core.errors import ForageError
from forage.core.seeds import derive_seed
from forage.evaluation.bootstrap import DRAWS, Interval, intervals
from forage.evaluation.evaluation import Evaluation, ProblemOutcome
from forage.ops.passk import pass_at_k

VOTES = 1024
"""Subsamples drawn per problem for a majority vote of 1 < k < n."""


def pass_by_problem(evaluation: Evaluation, ks: Sequence[int]) -> NDArray[np.float64]:
    """(P, K) float64: the unbiased pass@k of every problem, 1 - C(n-c, k) / C(n, k) over its judged samples.

    Chen et al. 2021 (arXiv 2107.03374), equation 1. Raises ForageError where a k exceeds the number of samples.
    """
    check_ks(evaluation.n, ks)
    judged = np.array([outcome.judged for outcome in evaluation.problems])
    correct = np.array([outcome.correct for outcome in evaluation.problems])
    result = np.full((len(judged), len(ks)), np.nan)
    known = judged > 0
    n, c = judged[known, None], correct[known, None]
    result[known] = pass_at_k(n, c, np.minimum(n, ks))
    return result


def majority_by_problem(evaluation: Evaluation, k: int, *, seed: int = 0) -> NDArray[np.float64]:
    """(P,) float64: how often the most frequent answer of k samples is right (self-consistency, arXiv 2203.11171).

    The k samples are drawn without replacement from the judged ones. Samples without an answer do not vote; where none
    votes the majority is wrong. Answers that tie share the vote equally. An answer counts as right by the share of its
    samples that were judged correct (an answer may be right although one response that reached it was not). Exact for
    k = 1 and k = n; in between, the mean over 1,024 subsamples drawn with `seed`, whose error (at most .016 for one
    problem) is far below that of the samples themselves. NaN for every problem where the task gives no answers.
    """
    check_ks(evaluation.n, [k])
    answered = any(outcome.answers for outcome in evaluation.problems)
    if not answered and any(outcome.correct for outcome in evaluation.problems):
        return np.full(len(evaluation.problems), np.nan)
    rngs = (np.random.default_rng(derive_seed(seed, "votes", outcome.problem)) for outcome in evaluation.problems)
    return np.array([_majority(outcome, k, rng) for outcome, rng in zip(evaluation.problems, rngs, strict=True)])


def _majority(outcome: ProblemOutcome, k: int, rng: np.random.Generator) -> float:
    if outcome.judged == 0:
        return math.nan
    if not outcome.answers:
        return 0.0
    names = sorted(outcome.answers)
    counts = np.array([outcome.answers[name] for name in names])
    worth = np.array([outcome.right_answers.get(name, 0) for name in names]) / counts
    if k == 1:
        return float(counts @ worth) / outcome.judged
    silent = outcome.judged - counts.sum()
    if k >= outcome.judged:
        votes = counts[None, :]
    else:
        # "marginals" costs the number of answers, not of samples.
        votes = rng.multivariate_hypergeometric([*counts, silent], k, size=VOTES, method="marginals")[:, :-1]
    most = votes.max(axis=1, keepdims=True)
    winners = (votes == most) & (most > 0)
    shared = (winners * worth).sum(axis=1) / np.maximum(winners.sum(axis=1), 1)
    return float(shared.mean())


def pass_curve(
    runs: Sequence[Evaluation], ks: Sequence[int], *, draws: int = DRAWS, seed: int = 0
) -> tuple[Interval, ...]:
    """Mean pass@k with its interval, for every k. `runs` are training seeds of one method on the same problems."""
    return intervals(stack_by_problem(runs, ks), draws=draws, seed=seed)


def stack_by_problem(runs: Sequence[Evaluation], ks: Sequence[int]) -> NDArray[np.float64]:
    """(R, P, K) float64: `pass_by_problem` of every run, problems in the order of the first run."""
    reference = [outcome.problem for outcome in runs[0].problems]
    return np.stack([pass_by_problem(in_order(run, reference), ks) for run in runs])


def in_order(evaluation: Evaluation, problems: Sequence[str]) -> Evaluation:
    """The evaluation with its problems in the given order. Raises ForageError where they are not the same problems."""
    outcomes = {outcome.problem: outcome for outcome in evaluation.problems}
    extra, missing = sorted(set(outcomes) - set(problems)), sorted(set(problems) - set(outcomes))
    if extra or missing:
        parts = [
            f"{len(names)} problems only {where} (such as {names[0]})"
            for names, where in ((missing, "in the other"), (extra, f"in {evaluation.label}"))
            if names
        ]
        raise ForageError(
            f"{evaluation.label} cannot be paired by problem: {' and '.join(parts)}. Evaluate both on the same task, "
            "split and number of problems."
        )
    if [outcome.problem for outcome in evaluation.problems] == list(problems):
        return evaluation
    return replace(evaluation, problems=tuple(outcomes[name] for name in problems))


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What may explain a pass@k besides skill; all means over samples, of several runs their plain mean.

    `truncated` and `unjudged` are shares of all samples, `correct` and `committed` of the judged ones, `length` is in
    tokens, `entropy` in nats per token. `correct` is mean@n: the unweighted mean over problems, equal to pass@1.
    """

    correct: float
    committed: float
    truncated: float
    unjudged: float
    length: float
    entropy: float


def summarize(runs: Sequence[Evaluation]) -> Summary:
    """Means over samples, problems and runs."""
    outcomes = [outcome for run in runs for outcome in run.problems]
    samples = sum(outcome.n for outcome in outcomes)
    rates = [outcome.correct / outcome.judged for outcome in outcomes if outcome.judged]
    judged = sum(outcome.judged for outcome in outcomes)
    return Summary(
        correct=math.fsum(rates) / len(rates) if rates else math.nan,
        committed=sum(outcome.committed for outcome in outcomes) / judged if judged else math.nan,
        truncated=sum(outcome.truncated for outcome in outcomes) / samples,
        unjudged=(samples - judged) / samples,
        length=sum(outcome.length_sum for outcome in outcomes) / samples,
        entropy=math.fsum(run.entropy for run in runs) / len(runs),
    )


def check_ks(n: int, ks: Sequence[int]) -> None:
    """Raises ForageError, with a sentence, where pass@k cannot be estimated from n samples."""
    if not ks:
        raise ForageError("Name at least one k, for example --k 1,4,16.")
    if min(ks) < 1:
        raise ForageError(f"k counts samples, so it must be at least 1, not {min(ks)}.")
    if max(ks) > n:
        raise ForageError(
            f"pass@{max(ks)} cannot be estimated from {n} samples per problem. Ask for --n {2 * max(ks)} (twice k "
            f"keeps the estimate steady), or for k up to {n}."
        )


def small_sample_warning(n: int, ks: Sequence[int]) -> str | None:
    """One line that says which pass@k will be noisy because n < 2k, and what would help; None where all is well."""
    noisy = [str(k) for k in sorted(ks) if n < 2 * k]
    if not noisy:
        return None
    return (
        f"pass@{', pass@'.join(noisy)} will be noisy: {n} samples per problem are fewer than twice k. "
        f"Use --n {2 * max(ks)} (samples already drawn are reused), or a smaller k."
    )
