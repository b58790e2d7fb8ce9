import pytest

from forage.core.spans import Spans, behind, check_spans, cut, inside, own, own_before, own_pieces, steps_around

SPANS: Spans = ((1, 3), (4, 5))
TOKENS = "abcdefg"
"""b, c and e are an environment's."""


def test_what_is_the_policys_own() -> None:
    assert own(TOKENS, SPANS) == ("a", "d", "f", "g")
    assert [own_before(SPANS, end) for end in range(8)] == [0, 1, 1, 1, 2, 2, 3, 4]
    assert [inside(SPANS, place) for place in range(7)] == [False, True, True, False, True, False, False]
    assert own(TOKENS, ()) == tuple(TOKENS)


@pytest.mark.parametrize("spans", [SPANS, (), ((0, 2),), ((0, 1), (2, 6))])
def test_a_part_of_the_own_tokens_is_what_counting_says(spans: Spans) -> None:
    for begin in range(8):
        for end in range(begin, 8):
            mine = [token for place, token in enumerate(TOKENS) if begin <= place < end and not inside(spans, place)]
            assert own(TOKENS, spans, begin, end) == tuple(mine)
            assert own_before(spans, end) - own_before(spans, begin) == len(mine)


def test_texts_break_where_an_environment_wrote() -> None:
    assert own_pieces(TOKENS, SPANS) == ("a\n", "d\n", "f", "g")


def test_spans_of_a_beginning_and_of_what_comes_behind_it() -> None:
    assert [cut(SPANS, end) for end in (1, 2, 3, 4, 7)] == [(), ((1, 2),), ((1, 3),), ((1, 3),), SPANS]
    assert behind(((1, 3),), 4, ((0, 1),)) == SPANS
    assert behind(((1, 3),), 3, ((0, 2), (3, 4))) == ((1, 5), (6, 7)), "a reply that was cut in two is one"
    for end in range(8):
        rest = tuple((max(first, end) - end, last - end) for first, last in SPANS if last > end)
        assert behind(cut(SPANS, end), end, rest) == SPANS


@pytest.mark.parametrize("spans", [((0, 0),), ((2, 1),), ((2, 4), (1, 2)), ((1, 3), (2, 4)), ((1, 5),), ((-1, 2),)])
def test_spans_out_of_order_or_at_the_end_are_refused(spans: Spans) -> None:
    with pytest.raises(ValueError, match="in order"):
        check_spans(spans, 5)


def test_spans_that_are_as_they_should_be() -> None:
    check_spans((), 0)
    check_spans(SPANS, 6)
    check_spans(((0, 2), (2, 4)), 5)


def test_a_reply_belongs_to_the_step_that_it_answers() -> None:
    assert steps_around((7,), SPANS) == (3, 5, 7), "a reply ends a step"
    assert steps_around((1, 2, 4, 7), SPANS) == (3, 5, 7), "no step begins or ends inside of a reply, or before it"
    assert steps_around((6, 7), SPANS) == (3, 5, 6, 7)
    assert steps_around((1, 2, 7), ((0, 2),)) == (7,), "no step is a reply alone"
    assert steps_around((2, 7), ()) == (2, 7)
