import itertools
import math
import random

import pytest

from forage.core.errors import ForageError
from forage.ops.answer_progress import answer_progress, answer_weights, posterior_credit


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


def logs(chances: list[list[float]]) -> list[list[float]]:
    return [[math.log(chance) for chance in row] for row in chances]


def test_posterior_credit_by_hand() -> None:
    # The right answer: r_0 = (.2, .1, 0); the other: r_1 = (-.1, .3, -.4). They differ by .3, .2 and .4.
    chances = logs([[0.1, 0.3, 0.4, 0.4], [0.5, 0.4, 0.7, 0.3]])
    right, other = answer_weights(chances, beta=2.0)
    assert right == pytest.approx([0.1, 0.3, 0.4]), "nothing that was observed speaks against the right answer"
    assert other == pytest.approx([0.5, 0.4 * math.exp(-0.6), 0.7 * math.exp(-1.0)])
    # Q_0 = (.3, .1, 0), Q_1 = (-.2, -.1, -.4) with discount 1; the fourth step was not asked about.
    credit = posterior_credit(chances, 4, beta=2.0)
    expected = [0.03 - 0.1, 0.03 - 0.04 * math.exp(-0.6), -0.28 * math.exp(-1.0), 0]
    assert credit == pytest.approx(expected)
    # discount 1/2: Q_0 = (.25, .1, 0), Q_1 = (-.05, .1, -.4)
    halved = posterior_credit(chances, 3, beta=0.0, discount=0.5)
    assert halved == pytest.approx([0.025 - 0.025, 0.03 + 0.04, -0.28])


def test_what_the_posterior_becomes_at_its_ends() -> None:
    draw = random.Random(0)
    for _ in range(50):
        steps, count = draw.randint(1, 5), draw.randint(1, 4)
        chances = logs([[draw.uniform(0.01, 1) for _ in range(steps + 1)] for _ in range(count)])
        beliefs = [[math.exp(value) for value in row] for row in chances]
        (alone,) = answer_weights(chances[:1], beta=9.0)
        assert alone == pytest.approx(beliefs[0][:-1])
        assert posterior_credit(chances[:1], steps) == pytest.approx(
            [(beliefs[0][-1] - before) * before for before in beliefs[0][:-1]]
        ), "Q pi(y*), and Q telescopes"
        for row, belief in zip(answer_weights(chances, beta=0.0), beliefs, strict=True):
            assert row == pytest.approx(belief[:-1])
        for row, belief in zip(answer_weights(chances, beta=1.5), beliefs, strict=True):
            factors = [weight / chance for weight, chance in zip(row, belief, strict=False)]
            assert factors[0] == pytest.approx(1)
            assert all(later <= before * (1 + 1e-12) for before, later in itertools.pairwise(factors))
        myopic = [
            sum(row[step] * q[step] for row, q in zip(beliefs, own(chances), strict=True)) for step in range(steps)
        ]
        assert posterior_credit(chances, steps, beta=0.0, discount=0.0) == pytest.approx(myopic)
        twin = answer_weights([chances[0], chances[0]], beta=3.0)
        assert twin[0] == pytest.approx(twin[1]), "as observed: no evidence against it"


def own(chances: list[list[float]]) -> list[list[float]]:
    return [answer_progress(row, len(row) - 1) for row in chances]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (([[0.0, 0.0]], 1, {"beta": -1.0}), "0 or more"),
        (([[0.0, 0.0]], 1, {"beta": math.inf}), "0 or more"),
        (([[0.0, 0.0]], 1, {"discount": 1.5}), "between 0 and 1"),
        (([[0.0, 0.0], [0.0]], 1, {}), "the same states"),
        (([], 1, {}), "one or more"),
        (([[]], 1, {}), "one or more"),
        (([[0.0, 0.0, 0.0]], 1, {}), "1 to 2 states"),
    ],
)
def test_what_is_no_posterior(arguments: tuple[list[list[float]], int, dict[str, float]], sentence: str) -> None:
    logprob, steps, settings = arguments
    with pytest.raises(ForageError, match=sentence):
        posterior_credit(logprob, steps, **settings)
