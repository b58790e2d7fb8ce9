from dataclasses import dataclass, replace

import pytest

from forage.core.errors import ForageError
from forage.core.turns import environment_of, refuse_environment
from forage.tasks.wrapped import Wrapped
from support.turn_worlds import Guide, Guided
from support.worlds import EASY


@dataclass(frozen=True, kw_only=True)
class Around(Wrapped):
    name = "around"


def test_a_task_and_what_lies_around_it_offer_an_environment() -> None:
    task = Guided(worth=EASY.worth, environment=Guide())
    assert environment_of(task) is environment_of(Around(task=Around(task=task))) is task.environment
    assert environment_of(EASY) is environment_of(Around(task=EASY)) is None


def test_what_is_no_environment_is_refused() -> None:
    task = Guided(worth=EASY.worth, environment=Guide())
    with pytest.raises(ForageError, match="at least 1 turn"):
        environment_of(replace(task, environment=Guide(limit=0)))
    with pytest.raises(ForageError, match=r"no forage\.core\.turns\.Environment"):
        environment_of(replace(task, environment="guide"))  # pyright: ignore[reportArgumentType]
    with pytest.raises(ForageError, match="Labels"):
        refuse_environment(task, "Labels")
    refuse_environment(EASY, "Labels")
