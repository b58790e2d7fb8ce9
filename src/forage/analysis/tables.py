"""An analysis as tables for the terminal and the page."""

import math

from forage.analysis.measures.contrast import Contrast
from forage.analysis.measures.phases import FEWEST
from forage.analysis.measures.pivotal import SHUFFLED, ClassEntropy
from forage.analysis.record import Analysis, Reference
from forage.core.result_table import Cell, ResultTable
from forage.ops.resampling import Interval


def entropy_table(analysis: Analysis) -> ResultTable:
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
    return ResultTable(("class", "n", "share", "entropy", "of the others", "difference"), tuple(rows))


def track_table(analysis: Analysis) -> ResultTable:
    """What texts alone say of each step, with 95% intervals; for samples whose tokens are unknown."""
    best = max((point.k for point in analysis.track), default=1)
    columns = (
        "step",
        "responses",
        "problems",
        "words",
        "repetition",
        "checks",
        "pivotal words",
        "pass@1",
        f"pass@{best}",
    )
    rows = [
        (
            Cell(str(point.step), point.step),
            Cell(str(point.responses), point.responses),
            Cell(str(point.problems), point.problems),
            _cell(point.length, form=".1f"),
            _cell(point.repetition),
            _cell(point.reflective, form=".2f"),
            _cell(point.pivotal, form=".2f"),
            _cell(point.pass_at_1),
            _cell(point.pass_at_k if point.k == best else None),
        )
        for point in analysis.track
    ]
    note = "Per response: words, the share of repeated 4-grams, sentences that check, and pivotal words."
    return ResultTable(columns, tuple(rows), (note,))


def strategy_table(analysis: Analysis) -> ResultTable:
    """How many strategies each step with rollouts shows. Entropies in nats (natural logarithm), with 95% intervals."""
    columns = ("step", "grams", "bins", "gram entropy", "equal count", "next words", "strategies")
    rows = [
        (
            Cell(str(point.step), point.step),
            Cell(f"{point.grams:,}", point.grams),
            Cell(str(point.bins), point.bins),
            _cell(point.diversity),
            _cell(point.diversity_at),
            _cell(point.following),
            _cell(point.strategies, form=".1f"),
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
            f"{point.group_size} responses to a problem."
        )
    return ResultTable(columns, tuple(rows), tuple(notes))


def class_table(analysis: Analysis) -> ResultTable:
    """Planning against execution tokens: shares, and perplexities relative to the first row, with 95% intervals."""
    columns = ("step", "planning", "of those uncertain", "planning ppl", "execution ppl")
    rows = [
        (
            Cell(str(point.step), point.step),
            _cell(point.planning_share, form=".1%"),
            _cell(point.high_planning, form=".1%"),
            _cell(point.perplexity_planning),
            _cell(point.perplexity_execution),
        )
        for point in analysis.strategy
    ]
    first = analysis.strategy[0].step if analysis.strategy else 0
    note = (
        f"Planning: share of tokens inside a gram; uncertain: among the 30% of highest entropy. Perplexity of the "
        f"policy's own texts, relative to step {first}: it moves with the texts as well as with the policy."
    )
    return ResultTable(columns, tuple(rows), (note,))


def reference_table(reference: Reference) -> ResultTable:
    """Perplexity of one fixed text by every policy that was kept, relative to the one before training."""
    rows = [
        (Cell(str(point.step), point.step), _cell(point.planning), _cell(point.execution)) for point in reference.points
    ]
    note = (
        f"The fixed text: {reference.source}, {reference.responses} responses to {reference.problems} problems with "
        f"{reference.planning:,} planning and {reference.execution:,} execution tokens. Below 1: surer than at the "
        "start."
    )
    return ResultTable(("step", "planning ppl, fixed text", "execution ppl, fixed text"), tuple(rows), (note,))


def sentences_about(analysis: Analysis) -> list[str]:
    """What the analysis found, as sentences: alarms, phases, rarity, and what is missing."""
    sentences = [alarm.sentence() for alarm in analysis.alarms]
    if not sentences and knows_entropy(analysis):
        sentences.append("No alarm: no collapse and no explosion of entropy was seen.")
    if analysis.hacking:
        sentences.append(analysis.hacking.sentence())
    if analysis.phases:
        sentences.append(f"On the policy's own texts. {analysis.phases.sentence()}")
    if analysis.reference:
        sentences.append(fixed_text_sentence(analysis.reference))
    if rare := analysis.rare:
        low, high = rare.beyond.low, rare.beyond.high
        sentences.append(
            f"Of {rare.sentences} sentences, {rare.beyond.estimate:.1%} [{low:.1%}, {high:.1%}] are rarer than 90% of "
            f"{rare.held_out} held-out base sentences; 10% would be no change. Base: {analysis.base}, "
            f"{rare.base_sentences} sentences; vectors: {rare.embedding}."
        )
    return [*sentences, *analysis.notes]


def fixed_text_sentence(reference: Reference) -> str:
    """The phases on the fixed text, or why they cannot be determined."""
    if reference.phases:
        return f"On the fixed text. {reference.phases.sentence()}"
    return (
        f"On the fixed text phases cannot be determined from {len(reference.points)} policies: at least {FEWEST} "
        "checkpoints are needed at steps that have rollouts. Train with larger `keep_checkpoints` and smaller "
        "`rollouts_every`."
    )


def _class_name(row: ClassEntropy) -> str:
    name = {"all": "any listed word", SHUFFLED: "any listed word, shuffled (placebo)"}.get(row.name, row.name)
    return f"{name}, every token" if row.tokens == "every token" else name


def _contrast_row(name: str, contrast: Contrast) -> tuple[Cell, ...]:
    return (
        Cell(name),
        Cell(f"{contrast.n:,}", contrast.n),
        Cell(f"{contrast.share:.1%}", contrast.share),
        _cell(contrast.mean),
        _cell(contrast.rest),
        _cell(contrast.difference, signed=True),
    )


def _cell(interval: Interval | None, *, signed: bool = False, form: str = "") -> Cell:
    """Empty where nothing was measured; without brackets where a single problem allows no interval."""
    if interval is None or math.isnan(interval.estimate):
        return Cell("")
    form = form or ("+.3f" if signed else ".3f")
    if math.isnan(interval.low):
        return Cell(f"{interval.estimate:{form}} (one problem)", interval.estimate)
    text = f"{interval.estimate:{form}} [{interval.low:{form}}, {interval.high:{form}}]"
    return Cell(text, interval.estimate, interval.low, interval.high, signed and interval.distinguishable)


def knows_entropy(analysis: Analysis) -> bool:
    return any(point.entropy is not None for point in analysis.track)


def tables_of(analysis: Analysis) -> dict[str, ResultTable]:
    """Name -> table, in the order in which they are shown."""
    tables = {"entropy": entropy_table(analysis)} if knows_entropy(analysis) else {"texts": track_table(analysis)}
    if analysis.strategy:
        tables["strategy"] = strategy_table(analysis)
    if analysis.strategy and knows_entropy(analysis):
        tables["classes"] = class_table(analysis)
    if analysis.reference:
        tables["reference"] = reference_table(analysis.reference)
    return tables
