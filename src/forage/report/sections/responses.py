"""What the policy writes: a few responses of each run, with every token shaded by entropy or by advantage."""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from statistics import median_low
from typing import Any

from forage.analysis.measures.responses import given_of
from forage.core.spans import inside, own_before
from forage.grams.matching import Matcher, tokens_in_spans
from forage.report.blocks import Prose, ResponseBlock, Responses, ResponsesOf, Section, Token
from forage.report.load import RunEntry, Runs
from forage.report.text import count, number

SHOWN = 700
"""Tokens of a response that are shown: the page stays light, and no reader needs more to see the pattern."""

Row = Mapping[str, Any]


def section(runs: Runs) -> Section | None:
    if not runs.trained and not any(entry.rollouts for entry in runs.entries):
        return None
    chosen = [
        ResponsesOf(
            series=group.series,
            title=f"{entry.path.name}, step {entry.rollout_step}",
            responses=[_response(row, entry.rollouts, planning) for row in choose(entry.rollouts)],
        )
        for group in runs.groups
        for entry in [shown_entry(group.entries)]
        if entry is not None
        for planning in [Matcher(entry.analysis.grams.grams if entry.analysis and entry.analysis.grams else ())]
    ]
    if not chosen:
        text = "No rollouts have been saved yet, so there are no responses to show."
        return Section(id="responses", title="Sample responses", blocks=[Prose(paragraphs=[text])])
    tokens = [token for run in chosen for response in run.responses for token in response.tokens]
    block = Responses(
        runs=chosen,
        entropy_top=_top([token.entropy for token in tokens]),
        advantage_top=_top([abs(token.advantage) for token in tokens]),
        how="Entropy: strongly shaded tokens are where the policy could have continued differently. Advantage: this "
        "step pushed blue tokens to become more likely and orange ones less; a method that does not weigh tokens gives "
        "all tokens of a response one shade. Underlined: tokens of strategic grams, if the run was analyzed with some.",
        misleads="High entropy is not the same as an important choice. Advantages are those settled before the update: "
        "a bonus that is computed during the update (as entropy_advantage does by default) is not in them. A few "
        "responses are anecdotes: do not judge a method by them.",
    )
    lead = (
        "From the last training step whose rollouts were saved, the first seed of each method: a right and a wrong "
        "response to the same problem where there is one, of typical length. Touch a token, or walk with the arrow "
        "keys, to see its numbers."
    )
    return Section(id="responses", title="Sample responses", lead=lead, blocks=[block])


def shown_entry(entries: Sequence[RunEntry]) -> RunEntry | None:
    """The first seed that has rollouts."""
    with_rollouts = [entry for entry in entries if entry.rollouts]
    return min(with_rollouts, key=lambda entry: (entry.seed is None, entry.seed or 0), default=None)


def choose(rows: Sequence[Row]) -> list[Row]:
    """A right and a wrong sibling from the most balanced group; else one of each kind; and one that was cut off."""
    groups: dict[Any, list[Row]] = defaultdict(list)
    for row in rows:
        groups[row["group"]].append(row)
    balance = {key: _share_right(group) for key, group in groups.items()}
    mixed = [key for key in groups if 0 < balance[key] < 1]
    pool = groups[min(mixed, key=lambda key: abs(balance[key] - 0.5))] if mixed else list(rows)
    chosen = [_typical([row for row in pool if right(row) is verdict]) for verdict in (True, False)]
    chosen.append(_typical([row for row in rows if row["stop"] == "length"]))
    if not any(chosen):
        chosen.append(_typical(rows))
    distinct: list[Row] = []
    for row in chosen:
        if row is not None and not any(row is other for other in distinct):
            distinct.append(row)
    return distinct


def right(row: Row) -> bool | None:
    """Whether a row's response is right; None where that could not be judged."""
    value = row.get("correct")
    return None if value is None or math.isnan(value) else value > 0


def _share_right(group: Sequence[Row]) -> float:
    verdicts = [verdict for row in group if (verdict := right(row)) is not None]
    return sum(verdicts) / len(verdicts) if verdicts else 0.0


def _typical(rows: Sequence[Row]) -> Row | None:
    """The row of median length, the first of several."""
    if not rows:
        return None
    middle = median_low(len(row["pieces"]) for row in rows)
    return next(row for row in rows if len(row["pieces"]) == middle)


def _response(row: Row, rows: Sequence[Row], planning: Matcher) -> ResponseBlock:
    group = [other for other in rows if other["group"] == row["group"]]
    solved = sum(right(other) is True for other in group)
    verdict = right(row)
    given = given_of(row)
    facts = [
        count(own_before(given, len(row["pieces"])), "token"),
        f"reward {number(_finite(row['reward'], math.nan))}",
        f"{solved} of {len(group)} siblings right",
    ]
    if row["prefix"]:
        facts.append(f"continues {count(len(row['prefix']), 'replayed token')}")
    if given:
        facts.append(f"answered {count(len(given), 'time')} by the environment")
    title = {True: "Right", False: "Wrong", None: "Could not be judged"}[verdict]
    columns = (row["pieces"], row["entropies"], row["advantages"], row["logprobs"])
    text = "".join(row["pieces"])
    plans = tokens_in_spans(text, row["pieces"], planning.spans(text)).tolist()
    tokens = [
        Token(piece, *(_finite(value) for value in values), planning=plan and not answered, given=answered)
        for place, ((piece, *values), plan) in enumerate(zip(zip(*columns, strict=False), plans, strict=False))
        for answered in [inside(given, place)]
    ]
    return ResponseBlock(
        title=title + (", cut off" if row["stop"] == "length" else ""),
        correct=verdict,
        facts=facts,
        prompt=str(row["prompt"]),
        tokens=tokens[:SHOWN],
        left_out=max(len(tokens) - SHOWN, 0),
    )


def _finite(value: float | None, otherwise: float = 0.0) -> float:
    return float(value) if value is not None and math.isfinite(value) else otherwise


def _top(values: Sequence[float]) -> float:
    """The value of the strongest shade: the 99th percentile, so that one extreme token does not bleach the rest."""
    ranked = sorted(values)
    return ranked[int(0.99 * (len(ranked) - 1))] if ranked and ranked[-1] > 0 else 1.0
