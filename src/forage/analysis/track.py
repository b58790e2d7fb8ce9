"""What is followed over training without a list of grams."""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from forage.analysis.measures.contrast import DRAWS, mean_interval
from forage.analysis.measures.reflective import REFLECTIVE, Sentence
from forage.analysis.measures.responses import Response, flatten, problem_numbers, token_mask
from forage.analysis.measures.token_classes import WordList
from forage.analysis.record import TrackPoint
from forage.ops.passk import pass_at_k
from forage.ops.resampling import Interval

GRAM = 4
LARGEST_K = 8


def track_point(
    responses: Sequence[Response],
    sentences: Sequence[Sentence],
    words: WordList,
    *,
    step: int,
    draws: int = DRAWS,
    seed: int = 0,
) -> TrackPoint:
    """One step, with intervals by resampling its problems. `sentences` are those of the responses."""
    tokens, problems = flatten(responses), problem_numbers(responses)
    pivotal = token_mask(responses, words.find, first_only=True)
    flagged = [bool(REFLECTIVE.search(sentence.text)) for sentence in sentences]
    reflective = np.bincount(
        [s.response for s, flag in zip(sentences, flagged, strict=True) if flag], minlength=len(responses)
    )
    chosen = [s for s, flag in zip(sentences, flagged, strict=True) if flag]

    def over_responses(values: Sequence[float] | np.ndarray) -> Interval | None:
        return mean_interval(np.asarray(values, dtype=np.float64), problems, draws=draws, seed=seed)

    k, first, best = _pass_rates(responses, draws=draws, seed=seed)
    return TrackPoint(
        step=step,
        responses=len(responses),
        problems=len(set(problems.tolist())),
        entropy=mean_interval(tokens.entropy, tokens.problem, draws=draws, seed=seed),
        pivotal=over_responses(np.bincount(tokens.response[pivotal], minlength=len(responses))),
        pivotal_entropy=mean_interval(tokens.entropy[pivotal], tokens.problem[pivotal], draws=draws, seed=seed),
        reflective=over_responses(reflective),
        reflective_entropy=mean_interval(
            np.array([sentence.entropy for sentence in chosen], dtype=np.float64),
            problems[[sentence.response for sentence in chosen]],
            draws=draws,
            seed=seed,
        ),
        length=over_responses([len(response.pieces) for response in responses]),
        repetition=over_responses([repetition(response.text) for response in responses]),
        k=k,
        pass_at_1=first,
        pass_at_k=best,
    )


def repetition(text: str, n: int = GRAM) -> float:
    """1 - distinct / all n-grams of words in the text; 0 where it has none."""
    words = text.split()
    grams = [tuple(words[place : place + n]) for place in range(len(words) - n + 1)]
    return 1 - len(set(grams)) / len(grams) if grams else 0.0


def _pass_rates(
    responses: Sequence[Response], *, draws: int, seed: int
) -> tuple[int, Interval | None, Interval | None]:
    """k (at most 8, and half the fewest judged responses of a problem), pass@1 and pass@k.

    Of responses to the bare problem alone: a replayed prefix has done some of the work.
    """
    verdicts: dict[str, list[float]] = defaultdict(list)
    for response in responses:
        if np.isfinite(response.correct) and not response.replayed:
            verdicts[response.problem].append(response.correct > 0)
    if not verdicts:
        return 1, None, None
    k = max(1, min(LARGEST_K, min(len(judged) for judged in verdicts.values()) // 2))
    rates = [
        [float(pass_at_k(len(judged), int(sum(judged)), wanted)) for judged in verdicts.values()] for wanted in (1, k)
    ]
    numbers = np.arange(len(verdicts), dtype=np.int64)
    first, best = (mean_interval(np.array(rate), numbers, draws=draws, seed=seed) for rate in rates)
    return k, first, best
