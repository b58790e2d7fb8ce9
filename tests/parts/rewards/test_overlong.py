import math

import pytest

from forage.core.errors import ForageError
from forage.core.records import Score, Start
from forage.parts.rewards import Overlong
from support.builders import problem, rollout


def test_table_by_hand() -> None:
    # limit 10, buffer 4: nothing up to 6 tokens, then a quarter a token, -1 from 10 on.
    reward = Overlong(limit=10, buffer=4)
    start = Start(problem())
    rollouts = [rollout(start, range(1, n + 1)) for n in (1, 6, 7, 9, 10)]
    scores = reward(rollouts, [Score(1.0)] * 5)
    assert [score.value for score in scores] == [1.0, 1.0, 0.75, 0.25, 0.0]
    assert [score.parts["overlong"] for score in scores] == [0.0, 0.0, -0.25, -0.75, -1.0]


def test_the_prefix_counts_and_unjudged_stays_unjudged() -> None:
    member = rollout(Start(problem(), prefix=(1, 2, 3)), (4, 5, 6, 7))
    (score,) = Overlong(limit=10, buffer=4)([member], [Score(math.nan)])
    assert score.parts["overlong"] == -0.25
    assert not score.judged


def test_an_impossible_buffer_is_refused() -> None:
    with pytest.raises(ForageError, match="buffer"):
        Overlong(limit=10, buffer=11)
