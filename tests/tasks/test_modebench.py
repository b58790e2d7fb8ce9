"""ModeBench's problems, verdicts and modes: for real where the extra is installed, on problems in its schema."""

import itertools
import operator
import random
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from forage.core.errors import ForageError
from forage.core.protocols import Task
from forage.core.records import Message, Problem
from forage.core.serialize import decode_part, encode_part
from forage.tasks.colouring import ColoringTask
from forage.tasks.colouring.graphs import COLORINGS, VERTICES, graph_of
from forage.tasks.countdown import Countdown
from forage.tasks.countdown.grammar import prompt_of
from forage.tasks.countdown.problems import Puzzle
from forage.tasks.modebench import ModeBench
from forage.tasks.names import file_name, parse_task
from support.modebench_problems import DOMAINS, rows_of, write_data


def test_without_the_extra_a_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    from forage.tasks import modebench

    modebench._api.cache_clear()
    monkeypatch.setitem(sys.modules, "modebench.api", None)
    with pytest.raises(ForageError, match=r"pip install forage-rl\[modebench\]"):
        parse_task("modebench:level1_countdown")
    modebench._api.cache_clear()


def test_settings_that_make_no_sense() -> None:
    with pytest.raises(ForageError, match="0 takes all"):
        ModeBench(dataset="level1_countdown", test_problems=-1)
    with pytest.raises(ForageError, match="give data_root"):
        parse_task("modebench:mine:frozen=false")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("modebench")
    return write_data(tmp_path_factory.mktemp("modebench"))


@pytest.mark.parametrize("domain", DOMAINS)
def test_problems_verdicts_and_modes_of_every_domain(domain: str, data: Path) -> None:
    """The references and responses that the problems were made from; the grader is ModeBench's own."""
    pytest.importorskip("datasets")
    task = parse_task(f"modebench:level1_{domain}:frozen=false,data_root={data}")
    assert decode_part(encode_part(task), Task) == task
    assert file_name(task, "test") == f"modebench-level1_{domain}"
    assert task.has_modes
    train, test = task.problems("train"), task.problems("test")
    assert [problem.id for problem in test] == [f"modebench:level1_{domain}/eval/{number}" for number in range(4)]
    assert len({problem.id for problem in (*train, *test)}) == 8
    for problem, (asked, _, (one, other, wrong)) in zip(test, rows_of(domain, "eval", 4), strict=True):
        system, user = problem.prompt
        assert isinstance(system, Message)
        assert isinstance(user, Message)
        assert (system.role, user.role) == ("system", "user")
        assert asked.partition("\n")[0] in user.content
        assert [task.verify(problem, text).value for text in (one, other, wrong)] == [1, 1, 0]
        modes = {task.mode(problem, one), task.mode(problem, other)}
        assert len(modes) == 2
        assert None not in modes
        assert task.mode(problem, wrong) is None
        malformed = task.verify(problem, "")
        assert (malformed.value, malformed.parts["correct"]) == (0, 0)


def test_plain_prompts_and_the_first_problems(data: Path) -> None:
    pytest.importorskip("datasets")
    task = parse_task(f"modebench:level1_countdown:frozen=false,data_root={data},chat=false,train_problems=2")
    first, second = task.problems("train")
    chat = parse_task(f"modebench:level1_countdown:frozen=false,data_root={data}")
    turns = chat.problems("train")[0].prompt
    assert first.prompt == "\n\n".join(turn.content for turn in turns if isinstance(turn, Message))
    assert second.id.endswith("train/1")


def test_what_cannot_be_judged_is_unjudged(data: Path) -> None:
    """A reference that the grader refuses, and a response beyond its limit of length."""
    task = ModeBench(dataset="level1_countdown")
    broken = Problem(id="x", prompt="", answer='{"level": 1, "domain": "countdown", "answer": {}}', task="modebench")
    assert not task.verify(broken, "1+1").judged
    (problem, *_) = _countdown_problem((1, 2, 3), 6)
    assert not task.verify(problem, "1" * 200_000).judged


def test_frozen_splits_are_not_mistaken_for_problems_of_ones_own(data: Path) -> None:
    with pytest.raises(ForageError, match=r"registry.*data_root"):
        ModeBench(dataset="level1_countdown", data_root=str(data)).problems("test")
    with pytest.raises(ForageError, match=r"no data set 'level9_countdown'.*level1_countdown"):
        parse_task("modebench:level9_countdown")
    with pytest.raises(ForageError, match="cannot load level1_countdown/train"):
        ModeBench(dataset="level1_countdown", data_root=str(data.parent / "nothing")).problems("train")


# ------------------------------------------------------------------------------------- our own keys of modes and theirs


def test_colorings_have_the_same_verdicts_and_modes() -> None:
    """All 27 answers to 120 graphs: the same are right, and our mode is theirs without the given colors."""
    pytest.importorskip("modebench")
    task, theirs = ColoringTask(), ModeBench(dataset="level1_graph_coloring")
    right = 0
    for ours in task.problems("test")[:120]:
        assert isinstance(ours.prompt, str)
        graph = graph_of(ours.prompt)
        edges = [
            [VERTICES.index(vertex) + 1, VERTICES.index(other) + 1]
            for vertex, known in zip("def", graph.neighbors, strict=True)
            for other in known
        ]
        partial = [*graph.colors, None, None, None]
        other = _problem("graph_coloring", n=6, edges=edges, partial_colors=partial)
        for coloring in COLORINGS:
            text = "".join(map(str, coloring))
            whole = "".join(map(str, (*graph.colors, *coloring)))
            assert task.verify(ours, text).correct == theirs.verify(other, text).correct
            if task.verify(ours, text).correct:
                right += 1
                assert theirs.mode(other, text) == theirs.mode(other, whole) == f"graph_coloring:{whole}"
                assert task.mode(ours, text) == whole[3:]
    assert right > 500


def test_calculations_have_the_same_modes_up_to_brackets() -> None:
    """Thousands of right calculations: equal under theirs are equal under ours, and ours is theirs with sums and
    products made flat, `a + (b + c)` and `(a + b) + c` being two modes there and one here.
    """
    pytest.importorskip("modebench")
    task, theirs, rng = Countdown(size="experiment"), ModeBench(dataset="level1_countdown"), random.Random(0)
    answers = apart = 0
    while answers < 3000:
        numbers = tuple(rng.sample(range(1, 13), rng.choice((3, 4))))
        found = list(itertools.islice(_calculations(numbers, rng), 40))
        for target in {value for value, _, _ in found}:
            same = [(trace, text) for value, trace, text in found if value == target]
            ours = Problem(id="p", prompt=prompt_of(Puzzle(numbers, target)), answer=str(target), task="countdown")
            (other,) = _countdown_problem(numbers, target)
            keys = []
            for trace, text in same:
                assert task.verify(ours, trace).correct
                assert theirs.verify(other, text).correct
                keys.append((task.mode(ours, trace), theirs.mode(other, text)))
                answers += 1
            for (mine, key), (mine_too, key_too) in itertools.combinations(keys, 2):
                assert key is not None
                assert key_too is not None
                assert (mine == mine_too) == (_flat(key) == _flat(key_too))
                if key == key_too:
                    assert mine == mine_too
                apart += key != key_too and mine == mine_too
    assert apart > 0


OPERATIONS = {"+": operator.add, "-": operator.sub, "*": operator.mul}


def _calculations(numbers: tuple[int, ...], rng: random.Random) -> Iterator[tuple[int, str, str]]:
    """Random ones: what they reach, their trace and their expression. Values at hand always differ."""
    for _ in range(200):
        hand, steps = {value: str(value) for value in numbers}, []
        while len(hand) > 1:
            left, right = rng.sample(sorted(hand), 2)
            sign = rng.choice("+-*")
            value = OPERATIONS[sign](left, right)
            rest = {key: text for key, text in hand.items() if key not in (left, right)}
            if not 0 <= value <= 60 or value in rest or (sign == "*" and 1 in (left, right)):
                break
            text = f"({hand[left]}{sign}{hand[right]})"
            steps.append(" ".join(["try", str(left), sign, str(right), "=", str(value), *map(str, rest)]))
            hand = {**rest, value: text}
        else:
            ((value, text),) = hand.items()
            yield value, " ".join([*steps, "so"]), text


def _flat(key: str) -> tuple[object, ...]:
    """A key of ModeBench as the terms or factors of its calculation, brackets of sums and products taken away."""
    calls = {"add": ("+", 1), "sub": ("+", -1), "mul": ("*", 1)}

    def parts(text: str) -> list[str]:
        name, _, inside = text.partition("(")
        depth, split = 0, [""]
        for character in inside[:-1]:
            depth += {"(": 1, ")": -1}.get(character, 0)
            if character == "," and not depth:
                split.append("")
            else:
                split[-1] += character
        return [name, *split]

    def terms(text: str, sign: int) -> list[tuple[int, str]]:
        if text[:3] not in ("add", "sub"):
            return [(sign, product(text))]
        name, left, right = parts(text)
        return terms(left, sign) + terms(right, sign * calls[name][1])

    def factors(text: str) -> list[str]:
        if text[:3] != "mul":
            return [str(sorted(terms(text, 1)))] if "(" in text else [text]
        _, left, right = parts(text)
        return factors(left) + factors(right)

    def product(text: str) -> str:
        return str(sorted(factors(text)))

    return tuple(sorted(terms(key.removeprefix("countdown:"), 1)))


def _problem(domain: str, **answer: object) -> Problem:
    import json

    known = {"level": 1, "domain": domain, "answer": {"verifier": domain, **answer}}
    return Problem(id="x", prompt="", answer=json.dumps(known), task="modebench")


def _countdown_problem(numbers: tuple[int, ...], target: int) -> list[Problem]:
    return [_problem("countdown", numbers=list(numbers), target=target)]
