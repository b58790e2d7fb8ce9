"""The result in plain words. Every sentence is derived from an interval, and says no more than the interval does."""

import math
from collections.abc import Sequence

from markupsafe import Markup

from forage.evaluation.compare import Comparison, compare, match_pass_at_1
from forage.evaluation.diversity import compare_diversity, measure_diversity
from forage.evaluation.estimate import summarize
from forage.report.blocks import Block, Prose, Section, Statement, Statements, Text
from forage.report.load import Runs
from forage.report.select import PolicyGroup, Results, gather_results
from forage.report.text import SETTLED, SHOWN_K, count, difference, listing, name, number, percent, tone_of, verdict

SHORT_OF_SEEDS = 3
"""With fewer seeds a method's difference is not called one: the spread between seeds is hardly known."""


def section(runs: Runs) -> Section:
    results = gather_results(runs)
    blocks: list[Block] = [Prose(paragraphs=[_what_was_run(runs)])]
    if results is None:
        blocks.append(Prose(paragraphs=[
            "None of these directories has been evaluated, so nothing can be said yet about what training changed. "
            "`forage eval DIR` makes the samples that pass@k needs; build the report again after it."
        ]))  # fmt: skip
    else:
        blocks.append(Prose(paragraphs=_how_measured(results)))
        blocks.extend(_against_base(results, results.base, policy) for policy in results.trained if results.base)
        if additions := _additions(results):
            blocks.append(Statements(title="What each addition did", items=additions))
        if cautions := _cautions(results):
            blocks.append(Statements(title="Before you believe it", items=cautions))
    if notes := [*runs.notes, *(results.notes if results else ())]:
        blocks.append(Statements(title="Left out", items=[Statement(note, "caution") for note in notes]))
    return Section(id="summary", title="Summary", blocks=blocks)


def _what_was_run(runs: Runs) -> Text:
    bases = [group.label for group in runs.groups if group.is_base]
    if not runs.trained:
        return f"This report is about {listing(bases)}, without any training run."
    parts = []
    for group in runs.trained:
        steps = sorted({int(entry.metrics[-1].get("step", 0)) for entry in group.entries if entry.metrics})
        length = "no steps yet" if not steps else f"{steps[0]}" if len(steps) == 1 else f"{steps[0]} to {steps[-1]}"
        unit = "" if not steps else " steps"
        parts.append(Markup("{} ({}, {})").format(name(group.label), count(len(group.entries), "seed"), length + unit))
    text = Markup("Trained: {}.").format(Markup(", ").join(parts))
    return text + Markup(" Measured against {}.").format(listing(bases)) if bases else text


def _how_measured(results: Results) -> list[Text]:
    samples = sorted({policy.n for policy in results.policies})
    spread = f"{samples[0]:,}" if len(samples) == 1 else f"{samples[0]:,} to {samples[-1]:,}"
    return [
        f"All numbers below come from {spread} samples of each of {results.problems} {results.split} problems at "
        f"temperature {results.temperature:g}. pass@k is the chance that at least one of k samples is right. Brackets "
        "are 95% intervals: over problems, and over training seeds where there are several."
    ]


def _against_base(results: Results, base: PolicyGroup, policy: PolicyGroup) -> Statements:
    ks = results.ks
    comparison = compare(base.runs, policy.runs, ks=ks)
    items = [_level(comparison, 0)]
    if len(ks) > 1:
        items.append(_level(comparison, len(ks) - 1))
        items.append(_crossover(comparison))
    if control := _temperature_control(results, policy):
        items.append(control)
    if ways := _ways(base, policy):
        items.append(ways)
    items.append(_entropy(base, policy))
    title = f"{policy.label} against {base.label}"
    return Statements(title=title, items=items, series=policy.series)


def _level(comparison: Comparison, index: int) -> Statement:
    k, change = comparison.ks[index], comparison.difference[index]
    text = Markup("pass@{}: {} {} {}, {}. {}.").format(
        k,
        percent(comparison.base[index].estimate),
        "\N{RIGHTWARDS ARROW}",
        percent(comparison.other[index].estimate),
        difference(change),
        verdict(change)[0].upper() + verdict(change)[1:] + (" from the base" if not change.distinguishable else "")
        + (_in_this_run(comparison) if change.distinguishable else ""),
    )  # fmt: skip
    return Statement(text, tone_of(change))


def _ways(base: PolicyGroup, policy: PolicyGroup) -> Statement | None:
    """How many right answers a few samples hold; None where the task distinguishes none."""
    k = max(k for k in base.curve_ks if k <= min(SHOWN_K, policy.n))
    sides = [measure_diversity(each.runs, (k,)) for each in (base, policy)]
    change = compare_diversity(base.runs, policy.runs, (k,))
    if change is None or sides[0] is None or sides[1] is None:
        return None
    before, after = (number(side.distinct[0].estimate) for side in sides if side)
    low, high = (number(end, "+.2f") for end in (change.distinct[0].low, change.distinct[0].high))
    text = Markup("Different right answers within {}: {} {} {}, <b>{}</b> [{}, {}].").format(
        count(k, "sample"),
        before,
        "\N{RIGHTWARDS ARROW}",
        after,
        number(change.distinct[0].estimate, "+.2f"),
        low,
        high,
    )
    return Statement(text, tone_of(change.distinct[0]))


def _in_this_run(comparison: Comparison) -> str:
    return " in this one run; another seed may differ" if comparison.other_runs == 1 else ""


def _crossover(comparison: Comparison) -> Statement:
    cross, largest = comparison.crossover, comparison.ks[-1]
    if cross.share >= SETTLED and not math.isnan(cross.k):
        bounds = f"k = {cross.k:.0f} [{cross.low:.0f}, {cross.high:.0f}]"
        text = f"The curves cross near {bounds}: with more samples than that, the base solves more."
        return Statement(text, "down")
    if cross.share <= 1 - SETTLED:
        return Statement(f"The base does not overtake it at any k up to {largest}.", "level")
    text = f"Whether the base overtakes it by k = {largest} is not settled: {cross.share:.0%} of resamples say so."
    return Statement(text, "level")


def _temperature_control(results: Results, policy: PolicyGroup) -> Statement | None:
    """Sampling the base colder raises pass@1 too: the nearest temperature is the fairer opponent."""
    controls = [control for control in results.base_controls if control.temperature < results.temperature]
    if not controls:
        return None
    nearest = match_pass_at_1(policy.runs[0], [control.runs[0] for control in controls])
    control = next(control for control in controls if control.runs[0] is nearest)
    comparison = compare(control.runs, policy.runs, ks=[k for k in results.ks if k <= control.n])
    first = comparison.difference[0]
    judged = {
        "up": "training did more for pass@1 than sampling the base colder does",
        "down": "sampling the base colder does more for pass@1 than training did",
    }.get(tone_of(first), "on pass@1, training is not distinguishable from sampling the base colder")
    text = Markup(
        "Control: the untrained base, sampled at temperature {:g}, has pass@1 {}. The policy minus that: {}; {}"
    ).format(control.temperature, percent(comparison.base[0].estimate), difference(first), judged)
    if len(comparison.ks) > 1:
        text += Markup(". pass@{}: {}").format(comparison.ks[-1], difference(comparison.difference[-1]))
    return Statement(text + ".", tone_of(first))


def _entropy(base: PolicyGroup, policy: PolicyGroup) -> Statement:
    before, after = summarize(base.runs), summarize(policy.runs)
    text = (
        f"Entropy {number(before.entropy)} \N{RIGHTWARDS ARROW} {number(after.entropy)} nats per token, "
        f"length {before.length:.0f} \N{RIGHTWARDS ARROW} {after.length:.0f} tokens, cut off by the length limit "
        f"{percent(before.truncated)} \N{RIGHTWARDS ARROW} {percent(after.truncated)}."
    )
    return Statement(text, "level")


def _additions(results: Results) -> list[Statement]:
    items = []
    for reference, method in results.pairs():
        comparison = compare(reference.runs, method.runs, ks=results.ks)
        few = min(comparison.base_runs, comparison.other_runs) < SHORT_OF_SEEDS
        for index in dict.fromkeys((0, len(comparison.ks) - 1)):
            change = comparison.difference[index]
            text = Markup("{} minus {}, pass@{}: {}. {}.").format(
                name(method.label),
                name(reference.label),
                comparison.ks[index],
                difference(change),
                _claim(comparison, index),
            )
            items.append(Statement(text, "level" if few else tone_of(change)))
    return items


def _claim(comparison: Comparison, index: int) -> str:
    seeds = min(comparison.base_runs, comparison.other_runs)
    change = comparison.difference[index]
    if seeds == 1:
        return "With one seed on a side, this compares runs, not methods"
    if not change.excludes_zero:
        return "Not distinguishable: the interval holds 0"
    if not change.distinguishable:
        return "Not distinguishable: the difference is smaller than what is shown"
    if seeds < SHORT_OF_SEEDS:
        return f"The interval leaves out 0, but {seeds} seeds are too few to know how much seeds differ"
    return f"{verdict(change).capitalize()}, beyond the noise of problems and seeds"


def _cautions(results: Results) -> list[Statement]:
    items: list[str] = []
    seeds = {policy.label: len(policy.runs) for policy in results.trained}
    single = [label for label, amount in seeds.items() if amount == 1]
    few = [label for label, amount in seeds.items() if 1 < amount < SHORT_OF_SEEDS]
    if single:
        items.append(
            f"One training seed: {listing(single)}. The intervals then cover the choice of problems only, and the seed "
            "often matters more. Train more seeds before claiming that a method helped."
        )
    if few:
        items.append(f"Only two training seeds: {listing(few)}. Their spread is a guess.")
    if results.base is None and results.trained:
        items.append("No base model was given, so gains cannot be separated from what the base could do already.")
    elif results.trained and not results.base_controls:
        items.append(
            "The base was evaluated at one temperature. Sampling it colder raises pass@1 without any training: "
            "evaluate it at 0.7 and 0.4 as well before crediting training with the gain."
        )
    items.extend(_about_samples(results))
    shown = len(results.trained) * 2 + len(results.pairs()) * 2
    if shown >= 6:
        items.append(
            f"The statements above rest on {shown} comparisons; where nothing differs, about one in twenty looks like "
            "a difference all the same. Decide which one counts before looking."
        )
    if len(results.trained) > 1:
        items.append(
            "A method that learns more slowly also loses less pass@k at large k: compare methods at equal pass@1 as "
            "well as after equally many steps."
        )
    if results.trained:
        items.append(
            "Token entropy is not exploration: a bonus can hold it up while every pass@k falls. Read it beside pass@k "
            "at large k."
        )
        items.append("Differences measured with a tiny model need not carry over to a large one.")
    return [Statement(text, "caution") for text in items]


def _about_samples(results: Results) -> Sequence[str]:
    items = []
    for policy in results.policies:
        summary = summarize(policy.runs)
        if summary.truncated > 0.1:
            items.append(
                f"{percent(summary.truncated)} of the responses of {policy.label} were cut off by the length limit, "
                "and count as wrong: a higher limit might change its curve."
            )
        if summary.unjudged > 0:
            items.append(
                f"{percent(summary.unjudged)} of the responses of {policy.label} could not be judged; they are left "
                "out of pass@k, neither right nor wrong."
            )
    smallest = min(policy.n for policy in results.policies)
    if results.ks and smallest < 2 * results.ks[-1]:
        items.append(
            f"pass@{results.ks[-1]} is estimated from {smallest:,} samples per problem, fewer than twice k: it is "
            "noisy for each problem, and its interval over problems does not show all of that."
        )
    return items
