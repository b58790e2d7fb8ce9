"""What the package says of evidence and measurements is what the documents say."""

from forage.methods import METHODS
from support import method_map


def test_the_map_is_what_the_pages_say() -> None:
    written = method_map.as_written(method_map.collected())
    kept = method_map.FILE.read_text(encoding="utf-8")
    assert kept == written, f"docs/methods/ and map.json differ. Run: {method_map.COMMAND}"


def test_every_method_but_controls_is_in_the_map() -> None:
    methods = {name for name, method in METHODS.items() if method.kind != "control"}
    assert set(method_map.collected()) == methods


def test_links_are_plain_text_and_intervals_stay() -> None:
    text = "[Graph\ncoloring](../a.md#b), [-.1,\n+.2] beside GRPO ([findings](../c.md))."
    assert method_map.plain(text) == "Graph coloring, [-.1, +.2] beside GRPO (findings)."
    assert not [entry for entry in method_map.collected().values() if "](" in entry["measured"]]


def test_evidence_is_the_marks_before_what_was_measured_in_their_order() -> None:
    entries = method_map.collected()
    assert entries["kl_cov"]["evidence"] == ["P", "M"]
    assert entries["etpo"]["evidence"] == ["P", "O", "M"], "a mark with words, such as [P: smoothing], counts"
    assert entries["zpg"]["evidence"] == ["2nd", "O", "M"], "as [2nd, partly] does"
    assert all(entry["measured"].endswith(".") for entry in entries.values())
