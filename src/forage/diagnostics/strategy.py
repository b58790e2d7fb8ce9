"""Planning and execution: what the strategic grams of a list say about a step (HICRA, arXiv 2509.03646, section 2).

Axes: N tokens, P problems, M bins (grams, or clusters of them), D bootstrap draws.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from forage.diagnostics.contrast import DRAWS, Contrast, contrast, mean_draws, mean_interval, problem_weights
from forage.diagnostics.gram_entropy import Pair, miller_madow
from forage.diagnostics.responses import Floats, Response, Span, flatten, problem_numbers
from forage.grams.gram_list import GramList
from forage.grams.matching import Matcher
from forage.ops.passk import pass_at_k
from forage.ops.resampling import Interval, percentile_interval

HIGH_ENTROPY = 0.3
"""Share of tokens that count as high-entropy, as in the fork-token analysis of the paper."""

FOLLOWING = 3
"""Execution words behind a gram that make up what follows it."""

SEEN = 5
"""A gram must occur this often for what follows it to count."""

Occurrence = tuple[str, Span]
Support = Literal["list", "clusters"]

_WORD = re.compile(r"\w+|[^\w\s]")


@dataclass(frozen=True, kw_only=True)
class Strategies:
    """A list of strategic grams in use. `bins` names, for each gram of the matcher, the bin in which it is counted."""

    matcher: Matcher
    bins: tuple[str, ...]

    @classmethod
    def of(cls, grams: GramList, *, support: Support = "clusters") -> "Strategies":
        """Counts each gram by itself ("list"), or all grams of a cluster together; a gram's first cluster counts."""
        cluster_of: dict[str, str] = {}
        for cluster in grams.clusters:
            for gram in cluster.grams:
                cluster_of.setdefault(gram, cluster.label or cluster.grams[0])
        names = grams.grams
        bins = names if support == "list" else tuple(cluster_of[gram] for gram in names)
        return cls(matcher=Matcher(names), bins=bins)

    def occurrences(self, text: str) -> list[Occurrence]:
        """(bin, place) of each match in the text, in order; matches may overlap."""
        return [(self.bins[match.gram], (match.start, match.end)) for match in self.matcher.find(text)]


@dataclass(frozen=True, kw_only=True)
class StepStrategy:
    """What grams say about the responses of one step. Entropies are in nats.

    planning and execution contrast classes of tokens by `entropy` and by |A| (`advantage`). `nll` holds the mean
    negative log-likelihood of (planning, execution) tokens, `nll_draws` (2, D) its draws. `counts` (P, M) float64 are
    gram occurrences by problem, `bins` their names. `diversity`: their entropy, corrected for the sample, with an
    interval, and `diversity_draws` (D,). `high_planning`: share of planning tokens that are among the 30% most
    uncertain; `planning_high`: share of those that are planning. `pairs` are (gram, following words). `distinct`:
    different grams per response. `strategies`: for each problem, how often each sequence of grams occurred.
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
    high_planning: float | None
    planning_high: float | None
    pairs: tuple[Pair, ...]
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
    found = [strategies.occurrences(response.text) for response in responses]
    marks = [r.mark(span for _, span in grams) for r, grams in zip(responses, found, strict=True)]
    planning = np.concatenate(marks) if marks else np.zeros(0, dtype=np.bool_)
    problems = problem_numbers(responses)
    bins, counts = _count(found, problems.tolist())
    diversity, diversity_draws = _diversity(counts, draws=draws, seed=seed)
    nll = [
        mean_draws(-tokens.logprob[side], tokens.problem[side], draws=draws, seed=seed)
        for side in (planning, ~planning)
    ]
    both = {"problem": tokens.problem, "draws": draws, "seed": seed}
    known = np.isfinite(tokens.entropy)
    high = known & (tokens.entropy >= np.quantile(tokens.entropy[known], 1 - HIGH_ENTROPY)) if known.any() else known
    distinct = np.array([len({name for name, _ in grams}) for grams in found], dtype=np.float64)
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
        high_planning=_share(high & planning, known & planning),
        planning_high=_share(high & planning, high),
        pairs=_pairs(responses, found),
        distinct=mean_interval(distinct, problems, draws=draws, seed=seed),
        strategies=_sequences(found, problems.tolist()),
    )


def distinct_strategies(step: StepStrategy, siblings: int) -> float:
    """Expected number of different sequences of grams among `siblings` responses to a problem, mean over problems.

    Of each sequence, the chance to be among them is that of pass@k; problems with fewer responses are left out.
    """
    found = [
        sum(float(pass_at_k(sum(counts), count, siblings)) for count in counts)
        for counts in step.strategies
        if sum(counts) >= siblings
    ]
    return sum(found) / len(found) if found else float("nan")


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


def following_words(text: str, grams: Sequence[Occurrence], *, words: int = FOLLOWING) -> list[tuple[str, str]]:
    """(gram, the next words) where that many words follow before the next gram begins."""
    pairs = []
    begins = [span[0] for _, span in grams[1:]] + [len(text)]
    for (name, span), until in zip(grams, begins, strict=True):
        following = [match.group().lower() for match in _WORD.finditer(text, span[1], max(until, span[1]))][:words]
        if len(following) == words:
            pairs.append((name, " ".join(following)))
    return pairs


def _unpaired(draws: Floats, *, same: bool) -> Floats:
    return draws if same else draws[::-1]


def _pairs(responses: Sequence[Response], found: Sequence[Sequence[Occurrence]]) -> tuple[Pair, ...]:
    seen = Counter(name for grams in found for name, _ in grams)
    pairs = (
        pair
        for response, grams in zip(responses, found, strict=True)
        if grams
        for pair in following_words(response.text, grams)
    )
    return tuple(pair for pair in pairs if seen[pair[0]] >= SEEN)


def _count(found: Sequence[Sequence[Occurrence]], problems: Sequence[int]) -> tuple[tuple[str, ...], Floats]:
    """Names of the M occupied bins, in order, and (P, M) occurrences by problem."""
    names = sorted({name for grams in found for name, _ in grams})
    column = {name: number for number, name in enumerate(names)}
    counts = np.zeros((max(problems, default=-1) + 1, len(names)))
    for problem, grams in zip(problems, found, strict=True):
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
    interval = percentile_interval(estimate, moved)
    return (interval if len(counts) > 1 else Interval(estimate, np.nan, np.nan)), moved


def _sequences(found: Sequence[Sequence[Occurrence]], problems: Sequence[int]) -> tuple[tuple[int, ...], ...]:
    """For each problem, the counts of its different gram sequences; a gram that repeats at once counts once."""
    by_problem: dict[int, Counter[tuple[str, ...]]] = defaultdict(Counter)
    for problem, grams in zip(problems, found, strict=True):
        names = [name for name, _ in grams]
        by_problem[problem][tuple(b for a, b in zip([None, *names], names, strict=False) if a != b)] += 1
    return tuple(tuple(counts.values()) for _, counts in sorted(by_problem.items()))


def _share(part: np.ndarray, whole: np.ndarray) -> float | None:
    return float(part.sum() / whole.sum()) if whole.any() else None
