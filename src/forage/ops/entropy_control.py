"""A coefficient that follows the entropy of the policy toward a target (Skywork-OR1, arXiv 2505.22312)."""

from forage.core.errors import ForageError


def adapted_coefficient(
    coefficient: float, entropy: float, *, target: float, step: float, maximum: float
) -> tuple[float, float]:
    """A coefficient of the entropy bonus that follows a target (Skywork-OR1, arXiv 2505.22312).

        c' = c + step where entropy < target, else c - step, held in [0, maximum]; applied only below the target

    Args:
        coefficient: the coefficient c of the last optimizer step.
        entropy: the mean entropy of the policy now, in nats per token.
        target: the entropy to stay above, 0 or more.
        step: by how much the coefficient moves, above 0.
        maximum: the largest coefficient, above 0.

    Returns:
        following: the coefficient to carry on.
        applied: the one to use now: the same below the target, 0 from it on.

    Raises:
        ForageError: a target below 0, or a step or maximum that is not above 0.

    Example:
        >>> adapted_coefficient(0.25, 0.1, target=0.2, step=0.25, maximum=1.0)
        (0.5, 0.5)
        >>> adapted_coefficient(0.5, 0.3, target=0.2, step=0.25, maximum=1.0)
        (0.25, 0.0)
    """
    check_controller(target, step, maximum)
    below = entropy < target
    following = min(max(coefficient + (step if below else -step), 0.0), maximum)
    return following, following if below else 0.0


def check_controller(target: float, step: float, maximum: float) -> None:
    """Raises ForageError unless target >= 0, step > 0 and maximum > 0."""
    if not (target >= 0 and step > 0 and maximum > 0):
        raise ForageError(
            f"An entropy controller needs a target of 0 or more and a step and a maximum above 0, not {target}, {step} "
            f"and {maximum}."
        )
