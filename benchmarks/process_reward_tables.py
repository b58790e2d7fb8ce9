"""The tables of `process_rewards.py`, of what it has finished so far.

    python benchmarks/process_reward_tables.py OUT/GENERATOR

Intervals are 95%, over problems and over seeds of the process model (the pigeonhole bootstrap). Differences are paired:
the same problems, samples, labels and training order on both sides.
"""

import json
import math
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from forage.evaluation.bootstrap import intervals
from forage.ops.resampling import Floats, Interval
from forage.ops.step_scores import Aggregator, aggregate
from forage.reward_models.prm.formats import read_labels

RULES: tuple[Aggregator, ...] = ("min", "last", "mean", "product")
NS = (1, 4, 16, 64, 256)
Row = Sequence[str]


def write_tables(folder: Path, *, full: int, etas: Sequence[float]) -> str:
    """Markdown. Arms without a finished seed are left out; seeds that all arms of a difference have are compared."""
    every = [json.loads(path.read_text()) for path in sorted((folder / "ranked").glob("*.json"))]
    few = min(each["n"] for each in every)
    found = [each for each in every if each["n"] == few]
    controls = json.loads((folder / "controls.json").read_text())["values"]
    parts = [
        ("Chosen by (min of the step scores)", list(_main(every, controls, full, etas))),
        ("Differences from soft labels, best of 64", list(_differences(found, full, etas, 0.0))),
        ("Differences from hard labels, best of 64", list(_differences(found, full, etas, math.inf))),
        ("Best of 64 by min, by M", list(_grid(found, etas, "min"))),
        ("Best of 64 by product, by M", list(_grid(found, etas, "product"))),
        ("Rank correlation with the reference success rates, by M", list(_correlations(found, etas))),
        ("The labels themselves as scores, last step left out", list(_exact(folder, etas))),
    ]
    return "\n\n".join(f"**{title}**\n\n{_markdown(rows)}" for title, rows in parts if len(rows) > 1) + "\n"


def _main(found: list[Any], controls: Any, full: int, etas: Sequence[float]) -> Iterator[Row]:
    """From the largest pool that an arm has chosen from: its n are estimated from all of the pool."""
    ns = NS[: len(controls["oracle"][0])]
    yield ("chosen by", *(f"n={n}" for n in ns))
    arms = [(_name(eta), {"eta": eta}) for eta in etas]
    arms += [("outcome model", {"objective": "outcome"}), ("PQM ranking", {"objective": "ranking"})]
    arms += [("placebo: permuted labels", {"placebo": True})]
    for title, more, rule in (
        *((name, more, "min") for name, more in arms),
        *((f"{_name(1)}, {rule}", {"eta": 1.0}, rule) for rule in RULES[1:]),
        *((f"votes weighted by {_name(eta)}", {"eta": eta}, "weighted vote") for eta in (0.0, 1.0)),
    ):
        rows = _largest(_of(found, m=full, **more))
        if rows:
            cells = [_text(each) for each in intervals(_values(rows, rule))]
            yield (f"{title} ({len(rows)} seeds)", *cells, *[""] * (len(ns) - len(cells)))
    for name, values in controls.items():
        yield (name, *map(_text, intervals(np.array(values)[None])))


def _largest(rows: Sequence[Any]) -> list[Any]:
    """The rows of the largest pool that as many seeds have as of any."""
    pools = {n: [row for row in rows if row["n"] == n] for n in sorted({row["n"] for row in rows}, reverse=True)}
    return max(pools.values(), key=len, default=[]) if pools else []


def _differences(found: list[Any], full: int, etas: Sequence[float], against: float) -> Iterator[Row]:
    yield ("", *RULES)
    base = _of(found, eta=against, m=full)
    others = [(_name(eta), _of(found, eta=eta, m=full)) for eta in etas if eta != against]
    others.append(("outcome model", _of(found, m=full, objective="outcome")))
    for name, rows in others:
        both = _paired(base, rows)
        if both:
            yield (name, *(_text(_difference(both, rule), signed=True) for rule in RULES))


def _grid(found: list[Any], etas: Sequence[float], rule: str) -> Iterator[Row]:
    ms = sorted({each["m"] for each in found})
    yield ("", *(f"M={m}" for m in ms), "all M together, minus soft")
    for eta in etas:
        cells, pairs = [], []
        for m in ms:
            rows = _of(found, eta=eta, m=m)
            cells.append(_text(intervals(_values(rows, rule)[:, :, :4][:, :, -1:])[0]) if rows else "")
            pairs.append(_paired(_of(found, eta=0.0, m=m), rows))
        whole = "" if eta == 0 or not all(pairs) else _text(_mean_difference(pairs, rule), signed=True)
        yield (_name(eta), *cells, whole)


def _correlations(found: list[Any], etas: Sequence[float]) -> Iterator[Row]:
    ms = sorted({each["m"] for each in found})
    yield ("", *(f"M={m}" for m in ms))
    for eta in etas:
        yield (_name(eta), *(_spread([row["spearman"] for row in _of(found, eta=eta, m=m)]) for m in ms))
    for name, more in (("PQM ranking", {"objective": "ranking"}), ("placebo", {"placebo": True})):
        yield (name, *(_spread([row["spearman"] for row in _of(found, m=m, **more)]) for m in ms))


def _exact(folder: Path, etas: Sequence[float]) -> Iterator[Row]:
    """Whether the order of a problem's solutions depends on eta when the labels are the scores."""
    yield ("", *(f"{rule}: other order than soft, other choice" for rule in ("min", "mean", "product")))
    path = folder / "reference" / "labels.jsonl"
    scores = {eta: _label_scores(path, eta) for eta in etas}
    soft = scores[0.0]
    for eta in etas:
        cells = []
        for rule in ("min", "mean", "product"):
            other = [_order(a[rule]) != _order(b[rule]) for a, b in zip(scores[eta], soft, strict=True)]
            choice = [_best(a[rule]) != _best(b[rule]) for a, b in zip(scores[eta], soft, strict=True)]
            cells.append(f"{np.mean(other):.1%}, {np.mean(choice):.1%} of {len(other)}")
        yield (_name(eta), *cells)


def _label_scores(path: Path, eta: float) -> list[dict[str, list[float]]]:
    """By problem: aggregated labels of its solutions that have two steps or more."""
    groups: dict[str, list[tuple[float, ...]]] = {}
    for each in read_labels(path, eta=eta).solutions:
        if len(each.steps) > 1:
            groups.setdefault(each.prompt, []).append(each.values[:-1])
    return [{rule: [aggregate(row, rule) for row in rows] for rule in RULES} for rows in groups.values()]


def _order(scores: Sequence[float]) -> list[int]:
    """Dense ranks; scores that differ by rounding alone tie."""
    return np.unique(np.round(scores, 12), return_inverse=True)[1].tolist()


def _best(scores: Sequence[float]) -> list[bool]:
    rounded = np.round(scores, 12)
    return (rounded == rounded.max()).tolist()


def _of(
    found: list[Any], *, m: int, eta: float | None = None, objective: str = "steps", placebo: bool = False
) -> list[Any]:
    wanted = {"m": m, "objective": objective, "placebo": placebo}
    return [
        each
        for each in found
        if all(each[key] == value for key, value in wanted.items()) and (eta is None or float(each["eta"]) == eta)
    ]


def _values(rows: Sequence[Any], rule: str) -> Floats:
    """(R, P, K) float64."""
    return np.array([row["values"][rule] for row in rows])


def _paired(base: Sequence[Any], other: Sequence[Any]) -> list[tuple[Any, Any]]:
    by_seed = {row["seed"]: row for row in base}
    return [(by_seed[row["seed"]], row) for row in other if row["seed"] in by_seed]


def _at_64(pairs: Sequence[tuple[Any, Any]], rule: str) -> Floats:
    first, second = (_values([pair[side] for pair in pairs], rule) for side in (0, 1))
    return second[:, :, :4][:, :, -1:] - first[:, :, :4][:, :, -1:]


def _difference(pairs: Sequence[tuple[Any, Any]], rule: str) -> Interval:
    return intervals(_at_64(pairs, rule))[0]


def _mean_difference(pairs: Sequence[Sequence[tuple[Any, Any]]], rule: str) -> Interval:
    """Over all M, of the seeds that all of them have."""
    least = min(map(len, pairs))
    return intervals(np.mean([_at_64(some[:least], rule) for some in pairs], axis=0))[0]


def _spread(values: Sequence[float]) -> str:
    return f"{np.mean(values):.3f} ± {np.std(values, ddof=1):.3f}" if len(values) > 1 else ""


def _name(eta: float) -> str:
    return {0.0: "soft (eta 0)", math.inf: "hard (eta inf)"}.get(float(eta), f"ER-PRM, eta {eta:g}")


def _text(found: Interval, *, signed: bool = False) -> str:
    form = "+.3f" if signed else ".3f"
    return f"{found.estimate:{form}} [{found.low:{form}}, {found.high:{form}}]"


def _markdown(rows: Sequence[Row]) -> str:
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([lines[0], "|" + "---|" * len(rows[0]), *lines[1:]])


if __name__ == "__main__":
    print(write_tables(Path(sys.argv[1]), full=16, etas=(0.0, 1.0, 2.0, 5.0, math.inf)))
