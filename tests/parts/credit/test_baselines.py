"""Tables worked by hand. The laws of all baselines are in test_laws.py."""

import pytest
import torch

from forage.core.errors import ForageError
from forage.parts.credit.baseline.leave_one_out import LeaveOneOut
from forage.parts.credit.baseline.mean_centre import MeanCentre
from forage.parts.credit.baseline.pass_at_k import PassAtK
from forage.parts.credit.baseline.std_scale import StdScale

GROUP = torch.zeros(4, dtype=torch.int64)
REWARD = torch.tensor([1.0, 0.0, 0.0, 0.0])


def test_one_right_of_four() -> None:
    # Mean .25. Others' mean: 0 for the right one, 1/3 for a wrong one.
    assert MeanCentre()(REWARD, GROUP).tolist() == [0.75, -0.25, -0.25, -0.25]
    assert LeaveOneOut()(REWARD, GROUP).tolist() == pytest.approx([1, -1 / 3, -1 / 3, -1 / 3])
    # Variance .75^2 + 3 * .25^2 = .75: over 3 = .25, std .5; over 4 = .1875, std .4330.
    centered = MeanCentre()(REWARD, GROUP)
    assert StdScale()(centered, GROUP).tolist() == pytest.approx([1.5, -0.5, -0.5, -0.5], rel=1e-5)
    assert StdScale(ddof=0)(centered, GROUP).tolist() == pytest.approx([1.7321, -0.5774, -0.5774, -0.5774], rel=1e-4)
    # 3 of 6 pairs hold the right one: 1 - 1/2 and 1/3 - 1/2.
    assert PassAtK(k=2)(REWARD, GROUP).tolist() == pytest.approx([1 / 2, -1 / 6, -1 / 6, -1 / 6])


def test_pass_at_k_cares_for_hard_problems() -> None:
    # 7 right of 8, k = 4: every four hold a right one, so nothing is left to gain.
    assert (PassAtK(k=4)(torch.tensor([0.0] + [1.0] * 7), torch.zeros(8, dtype=torch.int64)) == 0).all()


def test_wrong_settings_are_refused() -> None:
    with pytest.raises(ForageError, match="ddof"):
        StdScale(ddof=3)
    with pytest.raises(ForageError, match="eps"):
        StdScale(eps=-1e-3)
    with pytest.raises(ForageError, match="k counts"):
        PassAtK(k=0)
