import pytest

from forage.tasks.verifiers.units import canonical, is_known


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("Kilometers per hour", "km/h"),
        ("km / hr", "km/h"),
        ("square feet", "ft^2"),
        ("cm²", "cm^2"),
        ("cubic meters", "m^3"),
        ("seconds.", "s"),
        ("Apples", "apple"),
        ("glass", "glass"),
    ],
)
def test_a_unit_has_one_name(written: str, name: str) -> None:
    assert canonical(written) == name


def test_units_are_not_converted() -> None:
    assert canonical("inches") != canonical("feet")


@pytest.mark.parametrize(("unit", "known"), [("km/h", True), ("square feet", True), ("apples", False), ("", False)])
def test_what_is_a_unit(unit: str, known: bool) -> None:
    assert is_known(unit) == known
