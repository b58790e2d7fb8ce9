import itertools
import statistics

import pytest

from forage.core.errors import ForageError
from forage.core.records import Problem
from forage.core.serialize import decode_part, encode_part
from forage.tasks.colouring import ColoringTask
from forage.tasks.colouring.graphs import COLORINGS, Graph, all_graphs, base_graphs, graph_of
from forage.tasks.colouring.graphs import test_graphs as held_out
from forage.tasks.names import file_name, parse_task

PROMPT = "121|a..|.bc.|a..d.="
"""d beside a; e beside b and c; f beside a and d. So d is 2 or 3, e is 3, and f is what neither 1 nor d is."""


def problem(prompt: str) -> Problem:
    return Problem(id="graph", prompt=prompt, answer="", task="colouring")


def test_a_graph_by_hand() -> None:
    graph = graph_of(PROMPT)
    assert graph == Graph((1, 2, 1), ("a", "bc", "ad"))
    assert graph.prompt == PROMPT
    assert graph.right == ((2, 3, 3), (3, 3, 2))
    assert [coloring for coloring in COLORINGS if graph.allows(coloring)] == [(2, 3, 3), (3, 3, 2)]


def test_the_canonical_order_counts_from_the_color_of_a_and_begins_where_b_says() -> None:
    """With no edges all 27 are right. a is 2: colors count 2, 3, 1; b is 3: f is compared first, then d, then e."""
    order = Graph((2, 3, 1), ("", "", "")).canonical
    assert order[:4] == ((2, 2, 2), (2, 3, 2), (2, 1, 2), (3, 2, 2))
    assert order[9] == (2, 2, 3)


def test_there_are_as_many_graphs_as_the_definition_says() -> None:
    """Counted again without a look at the generator: bit masks of edges, all answers tried."""
    graphs = all_graphs()
    assert len(set(graphs)) == len(graphs) == 33_096
    assert [graph.prompt for graph in graphs[:2]] == ["333|a..|a...|.bcd.=", "311|.bc|..cd|....e="], (
        "the order is part of what base models learned from"
    )
    assert statistics.mean(len(graph.right) for graph in graphs) == pytest.approx(5.928, abs=1e-3)
    edges = [(v, o) for v in (3, 4, 5) for o in range(v)]
    found = 0
    for colors in itertools.product(range(3), repeat=3):
        clashes = [
            sum(1 << bit for bit, (v, o) in enumerate(edges) if (*colors, *rest)[v] == (*colors, *rest)[o])
            for rest in itertools.product(range(3), repeat=3)
        ]
        found += sum(4 <= sum(not clash & mask for clash in clashes) <= 12 for mask in range(1 << len(edges)))
    assert found == len(graphs)


def test_splits_do_not_meet_and_test_problems_do_not_move() -> None:
    task = ColoringTask()
    train, test = task.problems("train"), task.problems("test")
    assert (len(train), len(test)) == (128, 256)
    base = {graph.prompt for graph in base_graphs()}
    assert len(base) == 20_000
    splits = [{each.prompt for each in train}, {each.prompt for each in test}, base]
    assert all(not first & second for first, second in itertools.combinations(splits, 2))
    other = ColoringTask(seed=1)
    assert other.problems("test") == test
    assert other.problems("train") != train
    assert not {each.prompt for each in other.problems("train")} & {graph.prompt for graph in held_out(4096)}


@pytest.mark.parametrize(
    ("answers", "text", "mode"),
    [
        ("short", "233", "233"),
        ("short", "332", "332"),
        ("short", "222", None),
        ("short", "2333", None),
        ("short", "23a", None),
        ("short", "", None),
        ("long", "d2e3f3", "233"),
        ("long", "f3d2e3", "233"),
        ("long", "d3e3f2", "332"),
        ("long", "d2d2f3", None),
        ("long", "d2e3", None),
        ("long", "233", None),
    ],
)
def test_verdicts_and_modes(answers: str, text: str, mode: str | None) -> None:
    task = parse_task(f"colouring:answers={answers}")
    score = task.verify(problem(PROMPT), text)
    assert score.correct == (mode is not None)
    assert score.parts["correct"] == float(mode is not None)
    if mode is not None:
        assert task.mode(problem(PROMPT), text) == mode


@pytest.mark.parametrize(("answers", "amount"), [("short", 27), ("long", 162)])
def test_listed_responses_hold_every_right_one_and_the_reference_is_right(answers: str, amount: int) -> None:
    task = parse_task(f"colouring:answers={answers}")
    assert isinstance(task, ColoringTask)
    for each in task.problems("test")[:20]:
        texts = task.responses(each)
        assert len(set(texts)) == len(texts) == amount
        right = [text for text in texts if task.verify(each, text).correct]
        assert {task.mode(each, text) for text in right} == set(each.answer.split())
        assert len(right) == len(each.answer.split()) * amount // 27
        assert task.reference(each) in right


def test_names_and_settings() -> None:
    task = parse_task("colouring:answers=long,seed=3")
    assert task == ColoringTask(answers="long", seed=3)
    assert decode_part(encode_part(task), ColoringTask) == task
    assert file_name(task, "test") != file_name(ColoringTask(), "test")
    with pytest.raises(ForageError, match="'short' and 'long', not 'medium'"):
        parse_task("colouring:answers=medium")
    with pytest.raises(ForageError, match="train_problems must lie between 1 and 9000"):
        ColoringTask(train_problems=10_000)
    with pytest.raises(ForageError, match="test_problems must lie between 1 and 4096"):
        ColoringTask(test_problems=0)
