from forage.report.palette import MARKS, SLOTS, Series


def test_slots_go_round_and_color_and_mark_go_together() -> None:
    looks = [(series.color, series.mark) for series in (Series("k", "label", slot) for slot in range(2 * SLOTS))]
    assert len(set(looks)) == SLOTS == len(MARKS)
    assert looks[:SLOTS] == looks[SLOTS:]


def test_an_opacity_stands_behind_the_color() -> None:
    assert Series("k", "label", 3).faded(0.25) == "$c3@0.25"
