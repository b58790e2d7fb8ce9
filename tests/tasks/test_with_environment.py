from forage.core.serialize import decode_part, encode_part
from forage.core.turns import environment_of
from forage.tasks.bandit import Bandit
from forage.tasks.names import file_name
from forage.tasks.with_environment import WithEnvironment
from support.turn_worlds import Guide
from support.worlds import EASY


def test_any_task_gets_an_environment_and_judges_as_before() -> None:
    task = WithEnvironment(task=EASY, environment=Guide())
    (problem, *_) = task.problems("train")
    assert environment_of(task) is task.environment
    assert task.verify(problem, "north one two") == EASY.verify(problem, "north one two")
    assert task.step_ends(["north", " one"]) == (1, 2)
    assert decode_part(encode_part(task), WithEnvironment) == task
    assert file_name(task, "test") == file_name(EASY, "test")


def test_it_takes_the_place_of_the_task_s_own_environment() -> None:
    task = WithEnvironment(task=Bandit(), environment=Guide())
    assert isinstance(environment_of(task), Guide)
