"""D2: are sentences in which the model checks itself more uncertain? (Cheng et al., arXiv 2506.14758, section 2)

The statistic is published: sentences that match a pattern of words such as "verify" and "check" against the others,
by their mean entropy. The pattern and the splitter are our choice.
"""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from forage.analysis.measures.contrast import DRAWS, Contrast, contrast
from forage.analysis.measures.responses import Floats, Response
from forage.analysis.measures.sentences import sentence_of_tokens, sentence_spans

REFLECTIVE = re.compile(r"\b(verif(y|ies|ied|ying)|((re-?|double-|cross-)?check(s|ed|ing)?))\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sentence:
    """A sentence, the mean entropy of its tokens in nats (NaN: unknown), and the number of its response."""

    text: str
    entropy: float
    response: int
    problem: str


def sentences_of(responses: Sequence[Response], *, starts: Collection[str] = ()) -> list[Sentence]:
    """All sentences that hold a token, in order. `starts` as in `sentence_spans`."""
    sentences = []
    for number, response in enumerate(responses):
        spans = sentence_spans(response.text, starts=starts)
        if not spans:
            continue
        means = _mean_by(sentence_of_tokens(response, spans), response.entropies, len(spans))
        sentences.extend(
            Sentence(text=response.text[start:end].strip(), entropy=mean, response=number, problem=response.problem)
            for (start, end), mean in zip(spans, means.tolist(), strict=True)
            if response.text[start:end].strip()
        )
    return sentences


def reflective_sentences(sentences: Sequence[Sentence], *, draws: int = DRAWS, seed: int = 0) -> Contrast:
    """Mean entropy of the sentences in which the model checks itself against that of all others."""
    entropy = np.array([sentence.entropy for sentence in sentences], dtype=np.float64)
    flagged = np.array([bool(REFLECTIVE.search(sentence.text)) for sentence in sentences], dtype=np.bool_)
    numbers: dict[str, int] = {}
    problem = np.array([numbers.setdefault(s.problem, len(numbers)) for s in sentences], dtype=np.int64)
    return contrast(entropy, flagged, problem, draws=draws, seed=seed)


def _mean_by(index: np.ndarray, values: Floats, size: int) -> Floats:
    known = np.isfinite(values)
    total = np.bincount(index[known], weights=values[known], minlength=size)
    count = np.bincount(index[known], minlength=size)
    return np.divide(total, count, out=np.full(size, np.nan), where=count > 0)
