"""Step credit by values: tables worked by hand, and the sums that must come out."""

from dataclasses import replace

import torch

from forage.core.batch import Experience
from forage.parts.credit.assign.value_differences import ValueDifferences
from laws import make_experience


def experience(steps: list[list[int]], values: list[list[float]]) -> Experience:
    """One prompt token, then the learned tokens; `steps` and `values` are per token, -1 is padding."""
    made = make_experience(rows=len(steps), width=10, groups=1, unjudged=0)
    step = torch.full((len(steps), 10), -1)
    signal = torch.zeros(len(steps), 10)
    for row, (numbers, known) in enumerate(zip(steps, values, strict=True)):
        step[row, 1 : 1 + len(numbers)] = torch.tensor(numbers)
        signal[row, 1 : 1 + len(known)] = torch.tensor(known)
    return Experience(replace(made.batch, step=step, loss_mask=step >= 0), {"step_value": signal})


def test_by_hand() -> None:
    # V = .25, .5, .75 before the three steps and R = 1: every step earned .25. Below, the first step loses .5 and the
    # second wins it back; in the last row there is one step only.
    given = experience(
        [[0, 0, 1, 2, 2, 2], [0, 1, 1], [0, 0]], [[0.25, 0.25, 0.5, 0.75, 0.75, 0.75], [0.5, 0.0, 0.0], [0.4, 0.4]]
    )
    result = ValueDifferences()(torch.tensor([1.0, 0.5, 0.0], dtype=torch.float64), given)
    expected = torch.zeros(3, 10, dtype=torch.float64)
    expected[0, 1:7] = 0.25
    expected[1, 1:4] = torch.tensor([-0.5, 0.5, 0.5])
    expected[2, 1:3] = -0.4
    torch.testing.assert_close(result, expected, atol=1e-7, rtol=0)


def test_the_steps_of_a_response_sum_to_return_minus_first_value() -> None:
    draw = torch.Generator().manual_seed(3)
    for _ in range(50):
        count = int(torch.randint(1, 5, (), generator=draw))
        steps = sorted([*range(count), *torch.randint(0, count, (9 - count,), generator=draw).tolist()])
        level = torch.rand(count, generator=draw)
        given = experience([steps], [[float(level[step]) for step in steps]])
        value = torch.rand(1, generator=draw, dtype=torch.float64)
        result = ValueDifferences()(value, given)[0, 1 : 1 + len(steps)]
        first = [steps.index(step) for step in range(count)]
        torch.testing.assert_close(result[first].sum(), value[0] - level[0].double(), atol=1e-6, rtol=0)
        torch.testing.assert_close(result, result[first][torch.tensor(steps)])


def test_values_that_equal_the_return_credit_nothing() -> None:
    given = experience([[0, 0, 1, 2]], [[1.0] * 4])
    assert not ValueDifferences()(torch.ones(1), given).any()
