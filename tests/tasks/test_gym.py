"""reasoning-gym tasks. The split and scoring rules are tested for real where the extra is installed."""

import json
import sys

import pytest

from forage.core.errors import ForageError
from forage.core.protocols import Task
from forage.core.serialize import decode_part, encode_part
from forage.tasks.gym import Gym
from forage.tasks.names import parse_task
from forage.verification.judge import WorkerJudge


def test_without_the_extra_a_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    from forage.tasks import gym

    gym._datasets.cache_clear()
    monkeypatch.setitem(sys.modules, "reasoning_gym.factory", None)
    monkeypatch.setitem(sys.modules, "reasoning_gym", None)
    with pytest.raises(ForageError, match=r"pip install forage-rl\[gym\]"):
        parse_task("gym:countdown")
    gym._datasets.cache_clear()


@pytest.mark.parametrize("specification", ["chain_sum:max_terms=3", "leg_counting", "countdown:max_numbers=4"])
def test_data_sets_by_name(specification: str) -> None:
    pytest.importorskip("reasoning_gym")
    task = parse_task(f"gym:{specification}" + (":" if ":" not in specification else ",") + "train_problems=20")
    assert isinstance(task, Gym)
    assert decode_part(encode_part(task), Task) == task
    train, test = task.problems("train"), task.problems("test")
    assert (len(train), len(test)) == (20, 64)
    assert not {problem.prompt for problem in train} & {problem.prompt for problem in test}
    assert task.problems("test") == test
    assert parse_task(f"gym:{specification.partition(':')[0]}:seed=1").problems("test")[0].id != train[0].id
    with WorkerJudge(task, workers=1, deadline=60.0) as judge:
        for problem in test[:3]:
            answer = json.loads(problem.answer)["answer"]
            texts = [answer, f"Thinking. <answer>{answer}</answer>", "nothing"]
            right, tagged, wrong = judge.submit(problem, texts).result()
            assert (right.parts["correct"], tagged.parts["correct"]) == (1, 1)
            assert wrong.parts["correct"] == 0
            assert wrong.value < 1
        assert judge.failures.counts == {}


def test_mistakes_are_explained() -> None:
    pytest.importorskip("reasoning_gym")
    for specification, words in [
        ("nothing", "no gym data set 'nothing'"),
        ("countdown:nothing=1", "not a setting of countdown"),
        ("countdown:min_numbers=9,max_numbers=2", "refuses its parameters"),
    ]:
        with pytest.raises(ForageError, match=words):
            parse_task(f"gym:{specification}")
