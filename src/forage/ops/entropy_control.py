"""A coefficient that follows the entropy of the policy towards a target (Skywork-OR1, arXiv 2505.22312)."""


def adapted_coefficient(
    coefficient: float, entropy: float, *, target: float, step: float, maximum: float
) -> tuple[float, float]:
    """The next coefficient of an entropy bonus, and the one to apply now: the same below the target, 0 from it on.

    c + step where entropy < target, else c - step, held in [0, maximum]; entropies in nats per token.
    """
    below = entropy < target
    following = min(max(coefficient + (step if below else -step), 0.0), maximum)
    return following, following if below else 0.0
