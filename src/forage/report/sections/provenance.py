"""How the runs were made: what differs between their recipes, where they lie, and the recipes themselves."""

import json
from typing import Any

from forage.evaluation.pooling import decisive, differing
from forage.report.blocks import Block, Folded, Grid, Section, TableCell
from forage.report.load import RunEntry, Runs
from forage.report.text import count

LONGEST = 60
"""Characters of a setting that are shown in the table of differences; the recipes below are complete."""


def section(runs: Runs) -> Section | None:
    blocks: list[Block] = [_directories(runs)]
    if len(runs.trained) > 1 and (names := differing([group.entries[0].recipe for group in runs.trained])):
        rows = [
            [TableCell(name), *(TableCell(_shown(decisive(group.entries[0].recipe), name)) for group in runs.trained)]
            for name in names
        ]
        blocks.append(
            Grid(
                title="What differs between the recipes",
                align="left",
                columns=["Setting", *(group.label for group in runs.trained)],
                rows=rows,
                how="Every setting that is not the same in all of them, apart from seeds and machine settings. If "
                "something is listed here besides the method, a difference in results may come from it.",
            )
        )
    for group in runs.trained:
        entry = group.entries[0]
        if entry.recipe is not None:
            text = json.dumps(entry.recipe, indent=2, ensure_ascii=False)
            blocks.append(Folded(title=f"recipe.json of {entry.path.name}", text=text))
    return Section(id="provenance", title="How it was made", blocks=blocks)


def _directories(runs: Runs) -> Grid:
    rows = [
        [
            TableCell(group.label, series=group.series),
            TableCell(entry.path.name),
            TableCell("" if entry.seed is None else str(entry.seed)),
            TableCell(_last(entry, "step", "{:,.0f}")),
            TableCell(_last(entry, "tokens", "{:,.0f}")),
            TableCell(_minutes(entry)),
            TableCell(count(len(entry.evaluations), "evaluation")),
        ]
        for group in runs.groups
        for entry in group.entries
    ]
    columns = ["RunGroup", "Directory", "Seed", "Steps", "Sampled tokens", "Training time", "Evaluated"]
    how = "Directories of one group differ in nothing but the seed and the machine; their results are pooled."
    return Grid(title="Directories", columns=columns, rows=rows, how=how, align="left")


def _last(entry: RunEntry, key: str, form: str) -> str:
    value = entry.metrics[-1].get(key) if entry.metrics else None
    return "" if value is None else form.format(value)


def _minutes(entry: RunEntry) -> str:
    seconds = sum(float(row.get("seconds") or 0) for row in entry.metrics)
    return f"{seconds / 60:.1f} min" if entry.metrics else ""


def _shown(flat: dict[str, Any], name: str) -> str:
    if name not in flat:
        return "\N{EM DASH}"
    text = flat[name] if isinstance(flat[name], str) else json.dumps(flat[name])
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "\N{HORIZONTAL ELLIPSIS}"
