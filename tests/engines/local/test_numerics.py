"""The choice of the matrix product: the rule by table, the measurement by what it must leave alone."""

import math

import pytest
import torch

from forage.engines.local.numerics import MatmulMeasurement, choose_matmul, judge, measure_matmul


@pytest.fixture(autouse=True)
def restored():
    before = torch.get_float32_matmul_precision()
    yield
    torch.set_float32_matmul_precision(before)


@pytest.mark.parametrize(
    ("gflops", "error", "chosen"),
    [
        (200.0, 5e-7, "medium"),
        (110.0, 5e-7, "highest"),
        (50.0, 5e-7, "highest"),
        (400.0, 3e-3, "highest"),
        (400.0, 3e-4, "highest"),
        (400.0, math.nan, "highest"),
    ],
)
def test_medium_must_be_faster_and_float32(gflops: float, error: float, chosen: str) -> None:
    choice = judge(
        (
            MatmulMeasurement(precision="highest", gflops=100.0, error=5e-7),
            MatmulMeasurement(precision="medium", gflops=gflops, error=error),
        )
    )
    assert choice.chosen == chosen
    assert choice.reason
    assert len(choice.measured) == 2


def test_measuring_changes_nothing() -> None:
    torch.set_float32_matmul_precision("high")
    highest, medium = measure_matmul(repetitions=2)
    assert torch.get_float32_matmul_precision() == "high"
    assert (highest.precision, medium.precision) == ("highest", "medium")
    assert 0 < highest.error < 2e-6
    assert highest.gflops > 0


def test_choosing_applies_the_choice() -> None:
    assert choose_matmul(force="medium").chosen == torch.get_float32_matmul_precision() == "medium"
    assert choose_matmul(force="highest").chosen == torch.get_float32_matmul_precision() == "highest"
    assert choose_matmul().chosen == torch.get_float32_matmul_precision()
