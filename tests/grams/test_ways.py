"""Ways by shared word grams: by hand, against the modes of a task, and the names that later groups get again."""

import itertools
import random
from collections.abc import Sequence

import pytest

from forage.core.errors import ForageError
from forage.core.mode_keys import DealtWays, mode_keys
from forage.core.records import Rollout, Score, Start
from forage.grams.ways import GramClusters, gram_set, jaccard, linked
from forage.tasks.colouring import ColoringTask
from forage.tasks.two_ways import TwoWays
from support.builders import problem

CUT = GramClusters()


def said(*texts: str) -> list[Rollout]:
    start = Start(problem())
    return [Rollout(start, (n,), (-0.5,), (0.5,), text, (1,), "eos", 0) for n, text in enumerate(texts)]


def ways(*texts: str, clusters: GramClusters = CUT, known: Sequence[str] = ()) -> tuple[str | None, ...]:
    return clusters(said(*texts), [Score(1.0)] * len(texts), known)


def test_grams_and_their_overlap_by_hand() -> None:
    # Words a, b, c between two ends: the pairs (end a), (a b), (b c), (c end).
    grams = gram_set("A b, c", words=2)
    assert gram_set("a b c", words=2) == {("", "a"), ("a", "b"), ("b", "c"), ("c", "")}
    assert grams == {("", "a"), ("a", "b"), ("b", ","), (",", "c"), ("c", "")}, "signs are words, letters are folded"
    # Of 4 and 5 pairs they share 3: 3 / 6.
    assert jaccard(grams, gram_set("a b c", words=2)) == 0.5
    assert gram_set("", words=2) == {("", "")}
    assert gram_set("one", words=4) == {("", "one", "")}
    assert gram_set("one two", words=1) == {("",), ("one",), ("two",)}


def test_a_chain_of_links_is_one_cluster() -> None:
    # a-b and b-c share half of their grams, a-c share a fifth.
    sets = [
        frozenset({("1",), ("2",), ("3",)}),
        frozenset({("2",), ("3",), ("4",)}),
        frozenset({("3",), ("4",), ("5",)}),
    ]
    assert [jaccard(sets[i], sets[j]) for i, j in ((0, 1), (1, 2), (0, 2))] == [0.5, 0.5, 0.2]
    assert linked(sets, alike=0.5) == [0, 0, 0]
    assert linked(sets, alike=0.51) == [0, 1, 2]
    assert linked([sets[0], sets[2], sets[1]], alike=0.5) == [0, 0, 0], "whatever the order"


def test_ways_do_not_depend_on_the_order_of_siblings_and_wrong_ones_have_none() -> None:
    texts = ["first add 3 and 4 then double", "first add 3 and 4 then double it", "let x be 7", "14", "first add 9"]
    expected = dict(zip(texts, ways(*texts), strict=True))
    assert len(set(expected.values())) == 4
    assert expected[texts[0]] == expected[texts[1]] == texts[0]
    for order in itertools.permutations(texts):
        assert dict(zip(order, ways(*order), strict=True)) == expected
    scores = [Score(1.0), Score(0.0), Score(float("nan"))]
    assert CUT(said("a b", "a b", "a b"), scores) == ("a b", None, None)


def test_a_known_way_gets_its_name_again_and_two_known_ways_stay_two() -> None:
    known = ("first add 3 and 4 then double", "let x be 7")
    again = ways("let x be 7 now", "first add 3 and 4 then double it", "or not", known=known)
    assert again == (known[1], known[0], "or not")
    # "a b c d" links both known ways: it gets the older name, and a response that says the other keeps that.
    assert jaccard(gram_set("a b c d", words=1), gram_set("a b c", words=1)) == 0.8
    linking = GramClusters(words=1, alike=0.6)
    assert ways("a b c d", "b c d", clusters=linking, known=("b c d", "a b c")) == ("b c d", "b c d")
    assert ways("a b c d", "a b c", clusters=linking, known=("b c d", "a b c")) == ("b c d", "a b c")


@pytest.mark.parametrize("task", [ColoringTask(train_problems=64), TwoWays(train_problems=256)], ids=lambda t: t.name)
def test_short_answers_have_exactly_the_modes_of_their_task(task: ColoringTask | TwoWays) -> None:
    """All pairs of right answers, thousands of them, each answer met several times."""
    pairs = 0
    for each in task.problems("train"):
        right = [text for text in task.responses(each) if task.verify(each, text).correct] * 3
        random.Random(each.id).shuffle(right)
        named, modes = ways(*right), [task.mode(each, text) for text in right]
        for (way, mode), (other, second) in itertools.combinations(zip(named, modes, strict=True), 2):
            assert (way == other) == (mode == second)
            pairs += 1
    assert pairs > 3000


def test_long_answers_are_split_by_their_order_and_never_mixed() -> None:
    """Six texts say one coloring and share no word: as many ways, none of which holds two colorings."""
    task = ColoringTask(answers="long", train_problems=8)
    for each in task.problems("train"):
        right = [text for text in task.responses(each) if task.verify(each, text).correct]
        assert len(set(ways(*right))) == len(right) == 6 * len({task.mode(each, text) for text in right})


def test_the_placebo_keeps_the_sizes_and_moves_the_members() -> None:
    rollouts, scores = said(*"aaaabbccde"), [Score(1.0)] * 10
    key, dealt = CUT(rollouts, scores), DealtWays(of=CUT)(rollouts, scores)
    assert sorted(map(str, dealt)) == sorted(map(str, key))
    assert dealt != key
    assert dealt == mode_keys(rollouts, scores, key=DealtWays(of="text"), task=None, wrong=False)
    wrong = [Score(float(n % 2)) for n in range(10)]
    assert [way is None for way in DealtWays(of=CUT)(rollouts, wrong)] == [n % 2 == 0 for n in range(10)]
    with pytest.raises(ForageError, match="give `task`"):
        DealtWays(of="answer")


def test_settings_without_meaning_are_sentences() -> None:
    for wrong in ({"words": 0}, {"alike": 0.0}, {"alike": 1.1}):
        with pytest.raises(ForageError, match="1 or more words"):
            GramClusters(**wrong)  # pyright: ignore[reportArgumentType]
