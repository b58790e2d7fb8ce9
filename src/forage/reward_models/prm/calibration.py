"""Whether predicted step scores mean what they say.

Axes: N steps.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from forage.core.errors import ForageError
from forage.ops.resampling import Floats


@dataclass(frozen=True, slots=True)
class Calibration:
    """Of N predicted probabilities and their labels.

    `brier` is the mean squared distance (0 is best); `ece` the expected calibration error over bins of equal width,
    weighted by their steps; `accuracy` how often both lie on the same side of 0.5 (0.5 counts as right); `curve` has
    (mean prediction, mean label, steps) of every bin that is not empty.
    """

    brier: float
    ece: float
    accuracy: float
    curve: tuple[tuple[float, float, int], ...]


def calibrate(predicted: Floats, label: Floats, *, bins: int = 10) -> Calibration:
    """predicted and label (N,) float64 in [0, 1]. Raises ForageError where there is nothing to compare."""
    predicted, label = np.asarray(predicted, dtype=np.float64), np.asarray(label, dtype=np.float64)
    if not len(predicted) or len(predicted) != len(label):
        raise ForageError(f"Calibration needs a label for every prediction: {len(predicted)} and {len(label)} given.")
    place = np.minimum((predicted * bins).astype(np.int64), bins - 1)
    amount = np.bincount(place, minlength=bins)
    full = amount > 0
    mean_predicted = np.bincount(place, predicted, bins)[full] / amount[full]
    true = np.bincount(place, label, bins)[full] / amount[full]
    return Calibration(
        brier=float(np.square(predicted - label).mean()),
        ece=float((np.abs(mean_predicted - true) * amount[full]).sum() / len(label)),
        accuracy=float(((predicted >= 0.5) == (label >= 0.5)).mean()),
        curve=tuple(zip(mean_predicted.tolist(), true.tolist(), amount[full].tolist(), strict=True)),
    )


@dataclass(frozen=True, slots=True)
class FirstErrors:
    """How well first errors are located, as ProcessBench counts it (arXiv 2412.06559).

    `located`: of the `wrong` solutions (some step below the threshold by its label), the share whose first such step
    is named exactly; `accepted`: of the `clean` ones, the share in which no step is suspected; NaN where there are
    none. `f1` is the harmonic mean of the two; `exact` the share of all solutions.
    """

    located: float
    accepted: float
    f1: float
    exact: float
    wrong: int
    clean: int


def locate_errors(
    predicted: Sequence[Sequence[float]], labels: Sequence[Sequence[float]], *, threshold: float = 0.5
) -> FirstErrors:
    """Compares the first error by the scores with that by the labels, solution by solution.

    A step without a label (NaN) is no error. Raises ForageError where there is nothing to compare.
    """
    if not labels or len(predicted) != len(labels):
        raise ForageError(f"Locating errors needs labels for every solution: {len(predicted)} and {len(labels)} given.")
    pairs = [
        (first_error(scores, threshold=threshold), first_error(true, threshold=threshold), len(true))
        for scores, true in zip(predicted, labels, strict=True)
    ]
    wrong = [named == true for named, true, size in pairs if true < size]
    clean = [named == true for named, true, size in pairs if true == size]
    located, accepted = (sum(hits) / len(hits) if hits else math.nan for hits in (wrong, clean))
    total = located + accepted
    return FirstErrors(
        located=located,
        accepted=accepted,
        f1=2 * located * accepted / total if total else 0.0,
        exact=(sum(wrong) + sum(clean)) / len(pairs),
        wrong=len(wrong),
        clean=len(clean),
    )


def first_error(values: Sequence[float], *, threshold: float = 0.5) -> int:
    """The first step whose value lies below `threshold`; the number of steps where none does."""
    return next((step for step, value in enumerate(values) if value < threshold), len(values))
