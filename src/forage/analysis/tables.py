"""An analysis as tables for the terminal and the page."""

import math
from collections.abc import Sequence

from forage.analysis.records import Analysis
from forage.diagnostics.contrast import Contrast
from forage.diagnostics.pivotal import SHUFFLED, ClassEntropy
from forage.evals.tables import Cell, Table, interval_text
from forage.ops.resampling import Interval


def entropy_table(analysis: Analysis) -> Table:
    """Classes of tokens and sentences against all others: entropy in nats with 95% intervals."""
    rows = [_contrast_row(_class_name(row), row.contrast) for row in analysis.pivotal]
    rows.append(_contrast_row("sentences that check", analysis.reflective))
    if analysis.rare:
        rows.append(_contrast_row("rarest tenth of sentences", analysis.rare.entropy))
    rows.append(_contrast_row("tokens of right responses", analysis.profile.correctness))
    rows.append(_contrast_row("tokens of responses cut off", analysis.profile.truncated))
    if analysis.strategy:
        at = next((point for point in analysis.strategy if point.step == analysis.step), analysis.strategy[-1])
        rows.append(_contrast_row("planning tokens", at.entropy))
        rows.append(_contrast_row("planning tokens, |A| instead of entropy", at.advantage))
    return Table(("class", "n", "share", "entropy", "of the others", "difference"), tuple(rows))


def strategy_table(analysis: Analysis) -> Table:
    """One row per step with rollouts. Entropies in nats (natural logarithm)."""
    columns = (
        "step", "grams", "bins", "gram entropy", "equal count", "next words", "planning", "strategies",
        "planning ppl", "execution ppl",
    )  # fmt: skip
    rows = [
        (
            Cell(str(point.step), point.step),
            Cell(f"{point.grams:,}", point.grams),
            Cell(str(point.bins), point.bins),
            _cell(point.diversity),
            _plain(point.diversity_at),
            _plain(point.following),
            _estimate(point.planning_share, ".1%"),
            _plain(point.strategies),
            _estimate(point.perplexity_planning, ".3f"),
            _estimate(point.perplexity_execution, ".3f"),
        )
        for point in analysis.strategy
    ]
    notes = []
    if analysis.strategy and analysis.grams:
        point = analysis.strategy[0]
        limit = math.log(max(len(set(analysis.grams.grams)), 1))
        notes.append(
            f"Grams: {analysis.grams.source} (id {analysis.grams.id}), counted by {analysis.grams.support}; "
            f"{len(analysis.grams.grams)} grams allow at most {limit:.2f} nats. Gram entropy is corrected for small "
            f"counts (Miller-Madow). Equal count: {point.at_total} occurrences; next words: entropy of the 3 words "
            f"behind a gram, given it, over {point.at_pairs} pairs; strategies: different sequences of grams among "
            f"{point.siblings} responses to a problem. Perplexities are relative to step {point.step}."
        )
    return Table(columns, tuple(rows), tuple(notes))


def sentences_about(analysis: Analysis) -> list[str]:
    """What the analysis found, as sentences: alarms, phases, rarity, and what is missing."""
    told = [alarm.sentence() for alarm in analysis.alarms]
    if not told:
        told.append("No alarm: no collapse and no explosion of entropy was seen.")
    if analysis.hacking:
        told.append(analysis.hacking.sentence())
    if analysis.phases:
        told.append(analysis.phases.sentence())
    if rare := analysis.rare:
        low, high = rare.beyond.low, rare.beyond.high
        told.append(
            f"Of {rare.sentences} sentences, {rare.beyond.estimate:.1%} [{low:.1%}, {high:.1%}] are rarer than 90% of "
            f"{rare.held_out} held-out base sentences; 10% would be no change. Base: {analysis.base}, "
            f"{rare.base_sentences} sentences; vectors: {rare.embedding}."
        )
    return [*told, *analysis.notes]


def _class_name(row: ClassEntropy) -> str:
    name = {"all": "any listed word", SHUFFLED: "any listed word, shuffled (placebo)"}.get(row.name, row.name)
    return f"{name}, every token" if row.tokens == "every token" else name


def _contrast_row(name: str, found: Contrast) -> tuple[Cell, ...]:
    return (
        Cell(name),
        Cell(f"{found.n:,}", found.n),
        Cell(f"{found.share:.1%}", found.share),
        _cell(found.mean),
        _cell(found.rest),
        _cell(found.difference, signed=True),
    )


def _cell(interval: Interval | None, *, signed: bool = False) -> Cell:
    """Empty where nothing was measured; without brackets where a single problem allows no interval."""
    if interval is None:
        return Cell("")
    if math.isnan(interval.low):
        return Cell(f"{interval.estimate:{'+.3f' if signed else '.3f'}} (one problem)", interval.estimate)
    text = interval_text(interval, signed=signed)
    return Cell(text, interval.estimate, interval.low, interval.high, signed and interval.excludes_zero)


def _estimate(interval: Interval | None, form: str) -> Cell:
    return Cell("") if interval is None else Cell(f"{interval.estimate:{form}}", interval.estimate)


def _plain(value: float | None) -> Cell:
    return Cell("") if value is None or math.isnan(value) else Cell(f"{value:.3f}", value)


def tables_of(analysis: Analysis) -> Sequence[Table]:
    return [entropy_table(analysis), *([strategy_table(analysis)] if analysis.strategy else [])]
