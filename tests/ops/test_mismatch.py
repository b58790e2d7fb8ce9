import math
from typing import Any

import pytest
import torch

from forage.core.errors import ForageError
from forage.ops.mismatch import importance_weight, known, mismatch

NAN = math.nan

# Row 0: probabilities of the trainer .5 and .2, of the sampler .25 and .4; row 1: the sampler's second is not known.
OURS = torch.tensor([[9.0, math.log(0.5), math.log(0.2)], [9.0, math.log(0.3), math.log(0.7)]])
THEIRS = torch.tensor([[NAN, math.log(0.25), math.log(0.4)], [NAN, math.log(0.3), NAN]])
MASK = torch.tensor([[False, True, True], [False, True, True]])


def test_a_table_by_hand() -> None:
    """|log .5/.25| = |log .2/.4| = log 2 = .693147, and 0: the mean over three known tokens is .462098.

    k3 of a token is r - 1 - log r with r = ours / theirs: 2 - 1 - .693147 = .306853 and .5 - 1 + .693147 = .193147,
    and 0; their mean is .166667. One of four tokens is not known.
    """
    assert torch.equal(known(THEIRS, MASK), torch.tensor([[False, True, True], [False, True, False]]))
    found = mismatch(OURS, THEIRS, MASK)
    assert found["mismatch"] == pytest.approx(0.462098, abs=1e-5)
    assert found["mismatch_max"] == pytest.approx(0.693147, abs=1e-5)
    assert found["mismatch_kl"] == pytest.approx(1 / 6, abs=1e-5)
    assert found["mismatch_unknown"] == 0.25


def test_weights_by_hand() -> None:
    expected = torch.tensor([[1.0, 1.5, 0.5], [1.0, 1.0, 1.0]])
    torch.testing.assert_close(importance_weight(OURS, THEIRS, MASK, cap=1.5), expected)
    torch.testing.assert_close(importance_weight(OURS, THEIRS, MASK, cap=3)[0, 1], torch.tensor(2.0))
    with pytest.raises(ForageError, match="at 1 or more"):
        importance_weight(OURS, THEIRS, MASK, cap=0.9)


def test_engines_that_agree() -> None:
    assert set(mismatch(OURS, OURS, MASK).values()) == {0.0}
    assert torch.equal(importance_weight(OURS, OURS, MASK, cap=1), torch.ones(2, 3))


def test_nothing_known() -> None:
    nothing = torch.full((2, 3), NAN)
    assert mismatch(OURS, nothing, MASK) == {
        "mismatch": 0.0,
        "mismatch_max": 0.0,
        "mismatch_kl": 0.0,
        "mismatch_unknown": 1.0,
    }


def test_the_divergence_in_expectation() -> None:
    """Over tokens of mu the mean of `mismatch_kl` is KL(mu || pi_old), taken here with integer counts of mu."""
    counts = torch.tensor([5, 3, 2])
    mu, ours = counts / counts.sum(), torch.tensor([0.2, 0.3, 0.5])
    tokens = torch.repeat_interleave(torch.arange(3), counts)[None]
    found = mismatch(ours.log()[tokens], mu.log()[tokens], torch.ones_like(tokens, dtype=torch.bool))
    assert found["mismatch_kl"] == pytest.approx(float((mu * (mu / ours).log()).sum()), rel=1e-5)


def test_masks_by_hand() -> None:
    """Ratios 2 and 1/2 (and 1 where nothing is known): IcePop's band keeps what lies in it, and nothing else."""
    one, none = 1.0, 0.0
    cases: list[tuple[dict[str, Any], list[list[float]]]] = [
        ({"cap": 5.0, "floor": 0.5}, [[one, 2.0, 0.5], [one, one, one]]),
        ({"cap": 1.5, "floor": 0.5}, [[one, none, 0.5], [one, one, one]]),
        ({"cap": 5.0, "floor": 0.6}, [[one, 2.0, none], [one, one, one]]),
        ({"cap": 1.5}, [[one, none, 0.5], [one, one, one]]),
    ]
    for bounds, expected in cases:
        torch.testing.assert_close(
            importance_weight(OURS, THEIRS, MASK, rule="mask", **bounds), torch.tensor(expected), rtol=1e-5, atol=1e-6
        )


def test_products_over_sequences_by_hand() -> None:
    # Row 0: 2 * 1/2 = 1. With the second ratio 2 as well the product is 4.
    torch.testing.assert_close(importance_weight(OURS, THEIRS, MASK, cap=3, level="sequence"), torch.ones(2, 3))
    ours = OURS.clone()
    ours[0, 2] = math.log(0.8)
    both = importance_weight(ours, THEIRS, MASK, cap=3, level="sequence")
    torch.testing.assert_close(both, torch.tensor([[1.0, 3, 3], [1, 1, 1]]))
    gone = importance_weight(ours, THEIRS, MASK, cap=3, level="sequence", rule="mask")
    torch.testing.assert_close(gone, torch.tensor([[1.0, 0, 0], [1, 1, 1]]))


def test_a_ratio_that_overflows_is_held_or_masked_and_never_a_nan() -> None:
    far = torch.full((1, 2), -200.0)
    near, mask = torch.zeros(1, 2), torch.tensor([[False, True]])
    assert importance_weight(near, far, mask, cap=2).tolist() == [[1, 2]]
    assert importance_weight(near, far, mask, cap=2, rule="mask").tolist() == [[1, 0]]


@pytest.mark.parametrize("level", ["token", "sequence"])
@pytest.mark.parametrize("rule", ["truncate", "mask"])
def test_weights_of_engines_that_agree_are_exactly_one(rule: Any, level: Any) -> None:
    assert torch.equal(importance_weight(OURS, OURS, MASK, cap=1, rule=rule, level=level), torch.ones(2, 3))


def test_bounds_without_a_meaning_are_refused() -> None:
    for wrong in ({"floor": 0.5}, {"rule": "mask", "floor": 2.0}, {"rule": "nope"}, {"level": "nope"}):
        with pytest.raises(ForageError):
            importance_weight(OURS, THEIRS, MASK, cap=2, **wrong)  # pyright: ignore[reportArgumentType]
