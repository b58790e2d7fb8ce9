import math

import pytest

from forage.core.errors import ForageError
from forage.ops.answer_progress import answer_progress


def test_by_hand_and_it_telescopes() -> None:
    chances = [0.1, 0.4, 0.3, 0.9]
    logprobs = [math.log(chance) for chance in chances]
    progress = answer_progress(logprobs, 3)
    assert progress == pytest.approx([0.3, -0.1, 0.6])
    assert sum(progress) == pytest.approx(chances[-1] - chances[0])
    for count in range(1, 5):
        some = answer_progress(logprobs[:count], 5)
        assert len(some) == 5
        assert some[: count - 1] == pytest.approx(progress[: count - 1])
        assert not any(some[count - 1 :])
        assert sum(some) == pytest.approx(chances[count - 1] - chances[0])


def test_an_impossible_answer_stays_finite() -> None:
    assert answer_progress([-math.inf, -1000.0, 0.0], 2) == pytest.approx([0.0, 1.0])


def test_states_must_fit_steps() -> None:
    for logprobs, steps in (([], 3), ([0.0] * 5, 3)):
        with pytest.raises(ForageError, match="1 to 4 states"):
            answer_progress(logprobs, steps)
