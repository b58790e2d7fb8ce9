"""Right responses that the task knows: which are shown, and with which weight."""

from collections.abc import Sequence

import pytest

from forage.core.demonstrations import DemonstratingMemory
from forage.core.records import UNJUDGED, Group, Origin, Score, Start
from forage.parts.memory.references import References
from support.builders import problem, rollout


def met(name: str, verdicts: Sequence[float | None], origin: Origin = Origin.POLICY) -> Group:
    start = Start(problem(name), (5,) if origin is not Origin.POLICY else (), origin)
    scores = tuple(UNJUDGED if verdict is None else Score(verdict, {"correct": verdict}) for verdict in verdicts)
    return Group(start, tuple(rollout(start, (6, 1)) for _ in verdicts), scores)


@pytest.mark.parametrize("anywhere", [False, True])
def test_it_weighs_what_one_more_sibling_would_and_moves_nobodys_mean(anywhere: bool) -> None:
    memory = References(anywhere=anywhere).open([problem(name) for name in "abc"], seed=0)
    assert isinstance(memory, DemonstratingMemory)
    assert memory.asks_policy
    groups = [
        met("a", [1.0, 0.0, 0.0, None]),  # 1 - 1/3, of five
        met("b", [1.0, 1.0]),  # nothing left to learn
        met("c", [None, None]),  # nothing is known
        met("b", [0.0, 0.0], Origin.REPLAY),  # a prefix is no question
        met("b", [0.0, 0.0]),
    ]
    assert memory.demonstrate(groups) == (), "nothing is known in the first step"
    known = {"a": [2, 3], "b": [4, 3], "c": [7, 3]}
    memory.restore({**memory.state(), "known": known})
    shown = memory.demonstrate(groups)
    assert [(d.problem.id, d.group) for d in shown] == [("a", 0), ("b", 4)]
    assert [d.weight for d in shown] == pytest.approx([2 / 3 / 5, 1 / 3])
    assert [d.logprobs for d in shown] == [None, None]
    own = [list(d.tokens) == known[d.problem.id] for d in shown]
    assert own == [not anywhere] * 2
    assert all(list(d.tokens) in known.values() for d in shown)
