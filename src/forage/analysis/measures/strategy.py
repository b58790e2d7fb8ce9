"""Planning and execution: what the strategic grams of a list say about a step (HICRA, arXiv 2509.03646, section 2).

Axes: N tokens, P problems, M bins (grams, or clusters of them), D bootstrap draws.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from forage.analysis.measures.contrast import DRAWS, Contrast, contrast, mean_draws, mean_interval, problem_weights
from forage.analysis.measures.responses import Bools, Floats, Ints, Response, flatten, problem_numbers
from forage.grams.entropy import Pair, conditional_draws, conditional_entropy_at, entropy_at, miller_madow
from forage.grams.strategies import Occurrence, Strategies, in_sequence, pairs_of
from forage.ops.passk import pass_at_k
from forage.ops.resampling import Interval, percentile_interval
from forage.ops.semantic import semantic_entropy

HIGH_ENTROPY = 0.3
"""Share of tokens that count as high-entropy, as in the fork-token analysis of the paper."""


@dataclass(frozen=True, kw_only=True)
class StepStrategy:
    """What grams say about the responses of one step. Entropies are in nats.

    planning and execution contrast classes of tokens by `entropy` and by |A| (`advantage`). `nll` holds the mean
    negative log-likelihood of (planning, execution) tokens, `nll_draws` (2, D) its draws. `counts` (P, M) float64 are
    gram occurrences by problem, `bins` their names. `diversity`: their entropy, corrected for the sample, with an
    interval, and `diversity_draws` (D,). `high_planning`: share of planning tokens that are among the 30% most
    uncertain; `planning_high`: share of those that are planning. `pairs` are (gram, following words) and `pair_problem`
    (number of pairs,) int64 their problems. `distinct`: different grams per response. `strategies`: for each problem,
    how often each sequence of grams occurred.
    """

    step: int
    responses: int
    planning_share: Interval | None
    entropy: Contrast
    advantage: Contrast
    nll: tuple[float, float]
    nll_draws: Floats
    bins: tuple[str, ...]
    counts: Floats
    diversity: Interval | None
    diversity_draws: Floats
    high_planning: Interval | None
    planning_high: Interval | None
    pairs: tuple[Pair, ...]
    pair_problem: Ints
    distinct: Interval | None
    strategies: tuple[tuple[int, ...], ...]

    @property
    def total(self) -> int:
        return int(self.counts.sum())


def step_strategy(
    responses: Sequence[Response], strategies: Strategies, *, step: int, draws: int = DRAWS, seed: int = 0
) -> StepStrategy:
    """Everything about one step; intervals by resampling problems."""
    tokens = flatten(responses)
    occurrences = [strategies.occurrences(response.text) for response in responses]
    marks = [r.mark(span for _, span in grams) for r, grams in zip(responses, occurrences, strict=True)]
    planning = np.concatenate(marks) if marks else np.zeros(0, dtype=np.bool_)
    problems = problem_numbers(responses)
    bins, counts = _count(occurrences, problems.tolist())
    diversity, diversity_draws = _diversity(counts, draws=draws, seed=seed)
    nll = [
        mean_draws(-tokens.logprob[side], tokens.problem[side], draws=draws, seed=seed)
        for side in (planning, ~planning)
    ]
    pairs = pairs_of([response.text for response in responses], occurrences)
    both = {"problem": tokens.problem, "draws": draws, "seed": seed}
    known = np.isfinite(tokens.entropy)
    high = known & (tokens.entropy >= np.quantile(tokens.entropy[known], 1 - HIGH_ENTROPY)) if known.any() else known

    def share(part: Bools, whole: Bools) -> Interval | None:
        return mean_interval(part[whole].astype(np.float64), tokens.problem[whole], draws=draws, seed=seed)

    distinct = np.array([len({name for name, _ in grams}) for grams in occurrences], dtype=np.float64)
    return StepStrategy(
        step=step,
        responses=len(responses),
        planning_share=mean_interval(planning.astype(np.float64), **both),
        entropy=contrast(tokens.entropy, planning, **both),
        advantage=contrast(np.abs(tokens.advantage), planning, **both),
        nll=(nll[0][0], nll[1][0]),
        nll_draws=np.stack([nll[0][1], nll[1][1]]),
        bins=bins,
        counts=counts,
        diversity=diversity,
        diversity_draws=diversity_draws,
        high_planning=share(high, known & planning),
        planning_high=share(planning, high),
        pairs=tuple(pair for _, pair in pairs),
        pair_problem=problems[np.array([number for number, _ in pairs], dtype=np.int64)],
        distinct=mean_interval(distinct, problems, draws=draws, seed=seed),
        strategies=_sequences(occurrences, problems.tolist()),
    )


def distinct_strategies(step: StepStrategy, group_size: int, *, draws: int = DRAWS, seed: int = 0) -> Interval | None:
    """Expected number of different sequences of grams among `group_size` responses to a problem, mean over problems.

    Of each sequence, the chance to be among them is that of pass@k; problems with fewer responses are left out.
    """
    by_problem = [
        sum(float(pass_at_k(sum(counts), count, group_size)) for count in counts)
        for counts in step.strategies
        if sum(counts) >= group_size
    ]
    return mean_interval(np.array(by_problem), np.arange(len(by_problem), dtype=np.int64), draws=draws, seed=seed)


def diversity_at(step: StepStrategy, total: int, *, draws: int = DRAWS, seed: int = 0) -> Interval | None:
    """The plug-in entropy (nats) of `total` of the step's gram occurrences, the same number for all steps compared.

    None for `total` 0. The interval is that of the plug-in entropy over resampled problems, moved onto the estimate.
    """
    if not total:
        return None
    estimate = entropy_at(step.counts.sum(axis=0).astype(np.int64), total, seed=seed)
    weights = problem_weights(len(step.counts), draws=draws, seed=seed)
    resampled = semantic_entropy(torch.from_numpy(weights @ step.counts)).numpy()
    return _moved(estimate, resampled, len(step.counts))


def following_entropy(
    step: StepStrategy, total: int, *, draws: int = DRAWS, seed: int = 0
) -> tuple[Interval | None, Interval | None]:
    """Entropy (nats) of the words after a gram, given the gram and without it, over `total` of the step's pairs.

    None for `total` 0. Intervals as in `diversity_at`, from all pairs of the resampled problems.
    """
    if not total:
        return None, None
    estimates = conditional_entropy_at(step.pairs, total, seed=seed)
    weights = problem_weights(len(step.counts), draws=draws, seed=seed)
    resampled = conditional_draws(step.pairs, step.pair_problem, weights)
    problems = len(np.unique(step.pair_problem))
    given, marginal = (_moved(estimates[side], resampled[side], problems) for side in (0, 1))
    return given, marginal


def relative_perplexity(step: StepStrategy, start: StepStrategy) -> tuple[Interval, Interval]:
    """Perplexity exp(mean NLL) of planning and of execution tokens, divided by that of the first step.

    Exactly 1 with a zero-width interval for the first step itself; below 1, the policy is surer of what it writes. The
    two steps are resampled independently, unless they are one.
    """
    planning, execution = (
        percentile_interval(
            float(np.exp(step.nll[side] - start.nll[side])),
            np.exp(step.nll_draws[side] - _unpaired(start.nll_draws[side], same=step is start)),
        )
        for side in (0, 1)
    )
    return planning, execution


def _unpaired(draws: Floats, *, same: bool) -> Floats:
    return draws if same else draws[::-1]


def _count(occurrences: Sequence[Sequence[Occurrence]], problems: Sequence[int]) -> tuple[tuple[str, ...], Floats]:
    """Names of the M occupied bins, in order, and (P, M) occurrences by problem."""
    names = sorted({name for grams in occurrences for name, _ in grams})
    column = {name: number for number, name in enumerate(names)}
    counts = np.zeros((max(problems, default=-1) + 1, len(names)))
    for problem, grams in zip(problems, occurrences, strict=True):
        for name, _ in grams:
            counts[problem, column[name]] += 1
    return tuple(names), counts


def _diversity(counts: Floats, *, draws: int, seed: int) -> tuple[Interval | None, Floats]:
    """The corrected entropy, and draws that are moved so that their mean is the estimate.

    A resample repeats problems, so its entropy is too low; only the spread of the draws is of use.
    """
    if not counts.sum():
        return None, np.full(draws, np.nan)
    estimate = float(miller_madow(counts.sum(axis=0, keepdims=True))[0])
    resampled = miller_madow((problem_weights(len(counts), draws=draws, seed=seed) * len(counts)) @ counts)
    moved = resampled - np.nanmean(resampled) + estimate
    return _moved(estimate, resampled, len(counts)), moved


def _moved(estimate: float, resampled: Floats, problems: int) -> Interval:
    """The interval of draws moved so that their mean is the estimate; its ends are NaN for a single problem."""
    if problems < 2:
        return Interval(estimate, np.nan, np.nan)
    return percentile_interval(estimate, resampled - np.nanmean(resampled) + estimate)


def _sequences(occurrences: Sequence[Sequence[Occurrence]], problems: Sequence[int]) -> tuple[tuple[int, ...], ...]:
    """For each problem, the counts of its different gram sequences; a gram that repeats at once counts once."""
    by_problem: dict[int, Counter[tuple[str, ...]]] = defaultdict(Counter)
    for problem, grams in zip(problems, occurrences, strict=True):
        by_problem[problem][in_sequence(grams)] += 1
    return tuple(tuple(counts.values()) for _, counts in sorted(by_problem.items()))
