"""What a person who watches a run must hear while there is still time: each thing once, in a sentence.

`analysis/measures/alarms.py` judges a finished run by its trends; this looks at a few steps in a row, as they come.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from forage.evaluation.metrics.entropy_range import left_range

UNIFORM = 0.95
"""The share of ln V, the largest entropy there is, above which responses are noise."""

BLOWN_UP = 100.0
"""How many times the first gradient norm that was not 0."""

PATIENCE = {"uniform": 3, "silent": 5, "collapse": 3, "explosion": 3, "gradient": 3}
"""How many steps in a row must look wrong: a few may by chance."""

SENTENCES = {
    "uniform": "The entropy has been at {entropy:.2f} nats for {rows} steps, and {largest:.2f} is the largest there "
    "is: responses are noise. Either the model was never trained, or the learning rate has destroyed it (`lr`).",
    "silent": "For {rows} steps no group has had two different rewards, so that methods that compare siblings learn "
    "nothing; {correct:.0%} of the responses are correct. Choose easier or harder problems, sample more siblings, or "
    "try the verifier (forage verify).",
    "collapse": "Entropy collapse: {entropy:.3g} nats after {first:.3g} at first. If that was sudden, lower the "
    "learning rate (`lr`); `forage analyze` shows what moved before it.",
    "explosion": "Entropy explosion: {entropy:.3g} nats after {first:.3g} at first. If that was sudden, lower the "
    "learning rate (`lr`); `forage analyze` shows what moved before it.",
    "gradient": "The gradient norm has been above {limit:.3g} for {rows} steps, after {norm:.3g} at first: lower the "
    "learning rate (`lr`).",
}


@dataclass
class Watch:
    """Hears of the metrics of every step. `vocabulary` is the number V of tokens that the policy chooses from.

    Later steps are compared with the first entropy and the first gradient norm that it is given. It keeps no state in
    checkpoints: after `resume` it compares with the steps from there on, and may say again what it said before.
    """

    vocabulary: int | None = None
    _entropy: float = field(default=math.nan, init=False)
    _norm: float = field(default=math.nan, init=False)
    _rows: dict[str, int] = field(default_factory=dict, init=False)
    _reported: set[str] = field(default_factory=set, init=False)

    def note(self, metrics: Mapping[str, float]) -> list[str]:
        """What is to be said after this step; mostly nothing."""
        entropy, norm = metrics.get("entropy", math.nan), metrics.get("grad_norm", math.nan)
        if math.isnan(self._entropy):
            self._entropy = entropy
        if math.isnan(self._norm) and norm > 0:
            self._norm = norm
        largest, limit = math.log(self.vocabulary) if self.vocabulary else math.nan, BLOWN_UP * self._norm
        wrong = {
            "uniform": entropy >= UNIFORM * largest,
            "silent": metrics.get("zero_variance") == 1,
            "collapse": left_range("collapse", entropy, self._entropy),
            "explosion": left_range("explosion", entropy, self._entropy),
            "gradient": norm > limit,
        }
        correct = metrics.get("correct", math.nan)
        sentences = []
        for name, is_wrong in wrong.items():
            self._rows[name] = rows = self._rows.get(name, 0) + 1 if is_wrong else 0
            if rows == PATIENCE[name] and name not in self._reported:
                self._reported.add(name)
                known = {"entropy": entropy, "first": self._entropy, "largest": largest, "correct": correct}
                sentences.append(SENTENCES[name].format(rows=rows, norm=self._norm, limit=limit, **known))
        return sentences
