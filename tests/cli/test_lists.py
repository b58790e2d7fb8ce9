import pytest

from forage.cli.lists import numbers
from forage.core.errors import ForageError


def test_numbers_between_commas() -> None:
    assert numbers("1,4, 16", "--k", whole=True) == [1, 4, 16]
    assert numbers("1,0.7", "--temperature") == [1.0, 0.7]


@pytest.mark.parametrize(("text", "whole"), [("one", True), ("1,,2", True), ("1.5", True), ("", False), ("nan", False)])
def test_anything_else_names_the_flag(text: str, whole: bool) -> None:
    with pytest.raises(ForageError, match=f"--k takes .*not {text!r}"):
        numbers(text, "--k", whole=whole)
