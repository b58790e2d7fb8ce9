import pytest

from forage.evaluation.metrics.entropy_range import Kind, left_range


@pytest.mark.parametrize(
    ("kind", "level", "start", "left"),
    [
        ("collapse", 0.26, 1.0, False),
        ("collapse", 0.24, 1.0, True),  # below a quarter of the start
        ("collapse", 0.019, 0.05, True),  # above a quarter, but below 0.02 nats and half the start
        ("collapse", 0.019, 0.03, False),  # below 0.02 nats, but not below half the start
        ("collapse", 0.0, 0.0, False),  # it began there
        ("explosion", 2.0, 1.0, False),
        ("explosion", 2.1, 1.0, True),
    ],
)
def test_where_an_entropy_has_left_its_range(kind: Kind, level: float, start: float, left: bool) -> None:
    assert left_range(kind, level, start) == left
