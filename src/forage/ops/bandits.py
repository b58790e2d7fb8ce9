"""What an episode with a bandit was worth, and how its arms were chosen (arXiv 2504.16078)."""

from collections import Counter
from collections.abc import Mapping, Sequence

from forage.core.errors import ForageError


def episode_score(
    chosen: Sequence[str | None], means: Mapping[str, float], *, pulls: int, penalty: float = 5.0
) -> float:
    """What an episode with a bandit was worth: 1 minus its scaled regret (arXiv 2504.16078).

        1/n sum_t [ (mu(a_t) - mu_min) / (mu_max - mu_min), or - penalty where turn t has no valid action ]

    Args:
        chosen: the arm of every turn, None where it has no valid one; turns that were not taken count 0.
        means: what each arm pays on average, not all equal.
        pulls: n, how many turns there are.
        penalty: the price of an invalid turn, 0 or more; 5 in the paper.

    Returns:
        A float in [0, 1] where every action is valid; 1 for the best arm throughout.

    Raises:
        ForageError: all arms are equal, more turns than `pulls`, or a negative penalty.

    Example:
        >>> episode_score(["a", "b", "b", None], {"a": 0.2, "b": 0.8}, pulls=4, penalty=1.0)
        0.25
    """
    low, high = min(means.values()), max(means.values())
    if not low < high or len(chosen) > pulls or penalty < 0:
        raise ForageError(
            f"An episode of at most {pulls} turns is scored between the worst arm and a better one, with a penalty of "
            f"0 or more, not {len(chosen)} turns, arms of {low} to {high} and {penalty}."
        )
    worth = [-penalty if arm is None else (means[arm] - low) / (high - low) for arm in chosen]
    return sum(worth) / pulls


def shares_of_choices(
    chosen: Sequence[str | None], rewards: Sequence[float | None], means: Mapping[str, float]
) -> dict[str, float]:
    """How the arms of an episode were chosen: how many, and by what they could be preferred (arXiv 2504.16078).

        coverage = |{a: N(a) > 0}| / |A|;  optimal + greedy + other = 1

    optimal: turns that take the arm that pays most; greedy: others that take one of highest mean reward so far; other:
    the rest, turns without an arm included. frequency: among turns in which no arm that was taken most often so far has
    the highest mean reward, those that take one of the former, right or wrong; it is left out where there is no such
    turn. The paper names the shares; which turn counts where is our reading.

    Args:
        chosen: the arm of every turn, None where it has no valid one.
        rewards: what each turn was answered with, None without a reward; later ones may be missing.
        means: what each arm pays on average.

    Returns:
        coverage, optimal, greedy, other and, where defined, frequency, all in [0, 1]; without a turn only coverage, 0.

    Raises:
        Nothing.

    Example:
        >>> shares_of_choices(["a", "a", "b"], [1.0, 0.0], {"a": 0.2, "b": 0.8, "c": 0.1, "d": 0.1})["coverage"]
        0.5
    """
    best = max(means.values())
    counts: Counter[str] = Counter()
    totals: dict[str, float] = dict.fromkeys(means, 0.0)
    kinds: Counter[str] = Counter()
    for turn, arm in enumerate(chosen):
        observed = {tried: totals[tried] / counts[tried] for tried in counts}
        leading = {tried for tried, mean in observed.items() if mean == max(observed.values())}
        usual = {tried for tried, count in counts.items() if count == max(counts.values())}
        if arm is not None and means[arm] == best:
            kinds["optimal"] += 1
        else:
            kinds["greedy" if arm in leading else "other"] += 1
        if leading and not leading & usual:
            kinds["asked"] += 1
            kinds["frequency"] += arm in usual
        reward = rewards[turn] if turn < len(rewards) else None
        if arm is not None:
            counts[arm] += 1
            totals[arm] += reward or 0.0
    shares = {"coverage": len(counts) / len(means)}
    if chosen:
        shares |= {kind: kinds[kind] / len(chosen) for kind in ("optimal", "greedy", "other")}
    if kinds["asked"]:
        shares["frequency"] = kinds["frequency"] / kinds["asked"]
    return shares
