"""How responses ended: what is right, what needs a verdict, and which ends say nothing."""

import math
from collections.abc import Sequence
from dataclasses import replace

import pytest

from forage.core.errors import ForageError
from forage.core.records import UNJUDGED, Group, Score, Start
from forage.parts.memory.outcomes import ends_unsaid, require_verdicts, share_right
from support.builders import problem, rollout
from support.coins import Coins

START = Start(problem("a"))


def group(*scores: Score) -> Group:
    return Group(START, tuple(rollout(START, (1,)) for _ in scores), scores)


def test_the_share_of_right_responses_is_of_those_that_were_judged() -> None:
    assert share_right([group(Score(1.0), Score(0.0), UNJUDGED), group(Score(1.0), Score(1.0))]) == 0.75
    assert math.isnan(share_right([group(UNJUDGED)]))
    assert math.isnan(share_right([]))


def test_graded_rewards_are_refused_by_who_needs_a_verdict() -> None:
    require_verdicts([group(Score(1.0), UNJUDGED)], what="A test")
    graded = [group(Score(1.0)), group(replace(Score(0.3), graded=True))]
    with pytest.raises(ForageError, match=r"^A test needs a verdict.*\(outcome=1\)\.$"):
        require_verdicts(graded, what="A test")
    with pytest.raises(ForageError, match=r"\(outcome=1\), or use another\.$"):
        require_verdicts(graded, what="A test", instead="use another")


def test_only_an_end_token_without_a_text_ends_unsaid() -> None:
    class Silent(Coins):
        def pieces(self, tokens: Sequence[int]) -> tuple[str, ...]:
            return tuple("" if token == 9 else str(token) for token in tokens)

    for tokens, stop, unsaid in (((1, 9), "eos", True), ((1, 9), "length", False), ((9, 1), "eos", False)):
        assert ends_unsaid(replace(rollout(START, tokens), stop=stop), Silent()) is unsaid
