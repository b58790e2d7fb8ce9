"""Ways of reasoning as modes: the clusters of strategic grams that a response shows, in order."""

import pytest

from forage.core.errors import ForageError
from forage.core.protocols import Task
from forage.core.serialize import decode_part, encode_part
from forage.grams.gram_list import GramCluster, GramList
from forage.tasks.countdown import Countdown
from forage.tasks.names import file_name
from forage.tasks.steps import Stepwise
from forage.tasks.strategy_modes import NO_GRAMS, StrategyModes, with_strategy_modes
from forage.verification.judge import InlineJudge

GRAMS = GramList(
    clusters=(
        GramCluster(grams=("let me check", "check that"), label="verify"),
        GramCluster(grams=("work backwards", "from the goal"), label="backward"),
    )
)
INNER = Countdown(size="demo", train_problems=4, test_problems=2)
TASK = with_strategy_modes(INNER, GRAMS)
PROBLEM = INNER.problems("test")[0]


@pytest.mark.parametrize(
    ("text", "mode"),
    [
        ("Work backwards. So 7. Let me check: yes.", "backward > verify"),
        ("From the goal: 7. Now check that it fits.", "backward > verify"),
        ("Let me check. Work backwards.", "verify > backward"),
        ("Let me check. Check that. Let me check.", "verify"),
        ("7.", NO_GRAMS),
    ],
)
def test_the_sequence_of_clusters_is_the_mode(text: str, mode: str) -> None:
    assert TASK.mode(PROBLEM, text) == mode


def test_everything_else_is_the_inner_task() -> None:
    assert TASK.has_modes
    assert TASK.problems("test") == INNER.problems("test")
    text = INNER.reference(PROBLEM)
    assert TASK.verify(PROBLEM, text) == INNER.verify(PROBLEM, text)
    assert TASK.step_ends(text.split()) == INNER.step_ends(text.split())
    assert file_name(TASK, "test") == file_name(INNER, "test")


def test_wrappers_compose() -> None:
    text = INNER.reference(PROBLEM)
    for task in (
        Stepwise(task=TASK, words=("try",), steps="words"),
        StrategyModes(task=Stepwise(task=INNER), grams=("try",), bins=("try",)),
    ):
        assert task.has_modes
        assert decode_part(encode_part(task), Task) == task
        with InlineJudge(task) as judge:
            right, wrong = judge.submit(PROBLEM, [text, "so"]).result()
        assert right.mode == ("try" if isinstance(task, StrategyModes) else NO_GRAMS)
        assert wrong.mode is None


def test_modes_need_grams() -> None:
    with pytest.raises(ForageError, match="need grams"):
        with_strategy_modes(INNER, GramList(clusters=()))
