"""reasoning-gym tasks. The split and scoring rules are tested for real where the extra is installed."""

import json
import sys
from pathlib import Path

import pytest

from forage.core.errors import ForageError
from forage.core.protocols import Task
from forage.core.records import Message
from forage.core.serialize import decode_part, encode_part
from forage.tasks.gym import AnswerFormat, Gym
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


class Sums:
    """A data set as reasoning-gym makes them; its scorer forgives spaces."""

    def __init__(self, size: int) -> None:
        self.size = size

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, index: int) -> dict[str, str]:
        return {"question": f"What is {index} + {index}?", "answer": str(2 * index)}

    def score_answer(self, answer: str, entry: dict[str, str]) -> float:
        return float(answer.strip() == entry["answer"])


@pytest.fixture
def _sums(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("forage.tasks.gym.open_dataset", lambda name, parameters, *, seed, size: Sums(size))


@pytest.mark.usefixtures("_sums")
def test_a_system_prompt_and_a_way_to_mark_answers() -> None:
    plain = Gym(dataset="sums", test_problems=2, system="Be brief.", answer_format="boxed").problems("test")[1]
    assert plain.prompt == "Be brief.\n\nWhat is 1 + 1?\nGive the final answer as \\boxed{answer}."
    task = Gym(dataset="sums", test_problems=2, chat=True, system="Be brief.", answer_format="tags")
    chat = task.problems("test")[1]
    assert chat.prompt == (
        Message("system", "Be brief."),
        Message("user", "What is 1 + 1?\nGive the final answer as <answer>answer</answer>."),
    )
    assert decode_part(encode_part(task), Task) == task
    assert Gym(dataset="sums", test_problems=2).problems("test")[1].prompt == "What is 1 + 1?"


@pytest.mark.usefixtures("_sums")
def test_a_recipe_states_both_over_the_name(tiny_base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from forage.recipes import gym

    def parse(text: str) -> Gym:
        return Gym(dataset=text, system="In the name.", answer_format="tags")

    monkeypatch.setattr(sys.modules[gym.__module__], "parse_gym", parse)
    named = gym(dataset="gym:sums", model=str(tiny_base)).task
    assert named == parse("sums")
    stated = gym(dataset="sums", model=str(tiny_base), system="Be brief.", answer_format="boxed").task
    assert stated == Gym(dataset="sums", system="Be brief.", answer_format="boxed")


@pytest.mark.usefixtures("_sums")
@pytest.mark.parametrize(
    ("text", "any_way", "boxed", "tags"),
    [
        ("2", 1, 0, 0),
        ("So \\boxed{2}", 1, 1, 0),
        ("<answer>2</answer>", 1, 0, 1),
        ("<answer>3</answer> or \\boxed{2}", 1, 1, 0),
        ("\\boxed{3}, the answer is 2", 0, 0, 0),
        ("", 0, 0, 0),
    ],
)
def test_only_what_is_marked_as_asked_counts(text: str, any_way: int, boxed: int, tags: int) -> None:
    formats: tuple[tuple[AnswerFormat, int], ...] = (("any", any_way), ("boxed", boxed), ("tags", tags))
    for answer_format, right in formats:
        task = Gym(dataset="sums", test_problems=2, answer_format=answer_format)
        problem = task.problems("test")[1]
        if text or answer_format != "any":
            assert task.verify(problem, text).parts["correct"] == right, answer_format


def test_another_way_to_mark_answers_is_refused() -> None:
    other: dict[str, str] = {"answer_format": "bold"}
    with pytest.raises(ForageError, match="one of any, boxed, tags, not 'bold'"):
        Gym(dataset="sums", **other)  # pyright: ignore[reportArgumentType]
