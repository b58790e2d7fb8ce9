import pytest
import torch

from forage.core.errors import ForageError
from forage.ops.weight_average import average_weights


def test_the_mean_of_three_in_the_first_ones_type() -> None:
    states = [
        {"w": torch.tensor([value, 1.0], dtype=torch.bfloat16), "n": torch.tensor(7)} for value in (1.0, 2.0, 6.0)
    ]
    average = average_weights(states)
    assert average["w"].dtype == torch.bfloat16
    torch.testing.assert_close(average["w"], torch.tensor([3.0, 1.0], dtype=torch.bfloat16))
    assert average["n"].item() == 7


def test_the_sum_is_taken_in_float64() -> None:
    large = [{"w": torch.tensor([value])} for value in (1e8, 1.0, -1e8)]
    assert average_weights(large)["w"].item() == pytest.approx(1 / 3), "float32 would lose the 1"


def test_nothing_is_shared_with_the_inputs() -> None:
    state = {"w": torch.ones(2), "n": torch.tensor(1)}
    average = average_weights([state])
    average["w"].add_(1)
    average["n"].add_(1)
    assert state["w"].tolist() == [1, 1]
    assert state["n"].item() == 1


@pytest.mark.parametrize(
    ("states", "sentence"),
    [
        ([], "at least one"),
        ([{"w": torch.ones(2)}, {"w": torch.ones(3)}], "Reward model 2"),
        ([{"w": torch.ones(2)}, {"v": torch.ones(2)}], "Reward model 2"),
        ([{"n": torch.tensor(1)}, {"n": torch.tensor(2)}], "differ in n"),
    ],
)
def test_what_cannot_be_averaged_is_refused(states: list[dict[str, torch.Tensor]], sentence: str) -> None:
    with pytest.raises(ForageError, match=sentence):
        average_weights(states)
