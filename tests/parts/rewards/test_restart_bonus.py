import math

import pytest

from forage.core.errors import ForageError
from forage.core.records import UNJUDGED, Origin, Score, Start
from forage.parts.rewards import RestartBonus
from support.builders import problem, rollout


@pytest.mark.parametrize(
    ("origin", "right", "expected"),
    [
        (Origin.POLICY, 1, 0.0),
        (Origin.POLICY, 0, -1.0),
        (Origin.RIGHT, 1, 0.0),
        (Origin.RIGHT, 0, -1.5),
        (Origin.WRONG, 1, 0.5),
        (Origin.WRONG, 0, -1.0),
    ],
)
def test_the_table_of_the_paper(origin: Origin, right: int, expected: float) -> None:
    one = rollout(Start(problem(), (1,), origin), (5, 6))
    (score,) = RestartBonus(beta=0.5)([one], [Score(float(right), {"correct": float(right)})])
    assert score.value == expected
    assert score.parts == {"correct": float(right), "restart": expected - (right - 1)}
    (plain,) = RestartBonus(beta=0.0)([one], [Score(float(right))])
    assert plain.value == right - 1


def test_unjudged_stays_and_other_rewards_are_kept() -> None:
    one = rollout(Start(problem(), (1,), Origin.WRONG), (5, 6))
    lost, more = RestartBonus()([one, one], [UNJUDGED, Score(0.75, {"correct": 1.0, "overlong": -0.25})])
    assert math.isnan(lost.value)
    assert more.value == 0.25
    with pytest.raises(ForageError, match="beta"):
        RestartBonus(beta=-1)
