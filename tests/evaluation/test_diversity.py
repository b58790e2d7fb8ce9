"""distinct@k and PCMD from evaluations: golden numbers, what is not known, intervals and pairing."""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest

from forage.core.records import Problem, SamplingParams
from forage.evaluation.compare import compare
from forage.evaluation.diversity import (
    compare_diversity,
    distinct_by_problem,
    extra_by_problem,
    has_modes,
    measure_diversity,
    modes_in_right_by_problem,
    pcmd_by_problem,
)
from forage.evaluation.diversity_tables import diversity_difference_table, diversity_table
from forage.evaluation.estimate import pass_by_problem
from forage.evaluation.evaluation import Evaluation, ProblemOutcome
from forage.evaluation.samples import SCHEMA, Sample, SampleCache, Shard

Counts = Sequence[Sequence[int] | None]


def made(counts: Counts, *, n: int = 16, unjudged: int = 0, label: str = "policy") -> Evaluation:
    """Problem i with right samples by mode counts[i]; None: no modes were counted."""
    return Evaluation(
        label=label, checkpoint="x", task={"part": "toy"}, split="test", params=SamplingParams(), n=n, seed=0,
        problems=tuple(
            ProblemOutcome(
                problem=f"p{place}", n=n, correct=sum(one or ()), unjudged=unjudged,
                modes=None if one is None else {str(mode): count for mode, count in enumerate(one) if count},
            )
            for place, one in enumerate(counts)
        ),
    )  # fmt: skip


def test_golden_numbers() -> None:
    run = made([(5, 2, 1), (8,), (1, 1), (1,), ()])
    assert pcmd_by_problem(run) == pytest.approx([17 / 28, 0, 1, math.nan, math.nan], nan_ok=True)
    distinct = distinct_by_problem(run, (1, 4, 8))
    assert distinct[0] == pytest.approx([0.5, 1.518681, 2.253846], abs=1e-6)
    assert distinct[1] == pytest.approx(pass_by_problem(run, (1, 4, 8))[1])
    assert distinct[2, 2] == pytest.approx(1.0)
    assert distinct[4] == pytest.approx([0, 0, 0])
    assert extra_by_problem(run, (4,))[0] == pytest.approx([1.518681 - 0.961538], abs=1e-6)
    in_right = modes_in_right_by_problem(run, (2, 4))
    assert in_right[0] == pytest.approx([1 + 17 / 28, 2.285714], abs=1e-6)
    assert in_right[2] == pytest.approx([2, math.nan], nan_ok=True)


def test_samples_without_a_verdict_are_left_out() -> None:
    assert distinct_by_problem(made([(5, 2, 1)], n=20, unjudged=4), (4,)) == pytest.approx(
        distinct_by_problem(made([(5, 2, 1)]), (4,))
    )
    assert math.isnan(pcmd_by_problem(made([()], unjudged=16))[0])


def test_without_modes_nothing_is_applicable_and_never_one() -> None:
    run = made([None, None])
    assert not has_modes([run])
    assert np.isnan(distinct_by_problem(run, (1, 4))).all()
    assert np.isnan(pcmd_by_problem(run)).all()
    assert measure_diversity([run], (1, 4)) is None
    assert compare_diversity([run], [made([(1,), (1,)])], (1,)) is None
    table = diversity_table({"policy": [run]}, (1, 4))
    assert {cell.text for cell in table.rows[0][1:]} == {"n/a"}
    assert "names no modes" in table.notes[0]
    assert {cell.text for cell in diversity_difference_table([run], {"x": [run]}, (1,)).rows[0][1:]} == {"n/a"}


def test_intervals_hold_the_truth() -> None:
    rng = np.random.default_rng(0)
    truth = 1 - (0.6**2 + 0.4**2)
    runs = [made([rng.multinomial(16, (0.3, 0.2, 0.5))[:2].tolist() for _ in range(200)]) for _ in range(2)]
    found = measure_diversity(runs, (2,), draws=500)
    assert found is not None
    assert found.pcmd.low < truth < found.pcmd.high
    assert found.distinct[0].estimate == pytest.approx(0.87, abs=0.03)
    assert found.eligible == 200


def test_pcmd_is_compared_where_both_sides_know_it() -> None:
    base, other = made([(4, 4), (8,), (4, 4)]), made([(8,), (1,), (2, 2)])
    change = compare_diversity([base], [other], (1, 4), draws=200)
    assert change is not None
    assert change.eligible == 2
    assert change.base_pcmd.estimate == pytest.approx(4 / 7)
    assert change.other_pcmd.estimate == pytest.approx((0 + 2 / 3) / 2)
    assert change.pcmd.estimate == pytest.approx(change.other_pcmd.estimate - change.base_pcmd.estimate)
    assert change.distinct[0].estimate == pytest.approx(compare([base], [other], ks=[1]).difference[0].estimate)
    same = compare_diversity([base], [base], (4,), draws=200)
    assert same is not None
    assert (same.pcmd.low, same.pcmd.high, same.distinct[0].high) == (0, 0, 0)


def test_modes_are_written_and_older_files_are_read(tmp_path: Path) -> None:
    run = made([(2, 1), ()])
    run.save(tmp_path / "run.json")
    assert Evaluation.load(tmp_path / "run.json") == run
    content = json.loads((tmp_path / "run.json").read_text())
    assert content["problems"][0]["modes"] == {"0": 2, "1": 1}
    for outcome in content["problems"]:
        del outcome["modes"]
    (tmp_path / "old.json").write_text(json.dumps(content))
    assert [outcome.modes for outcome in Evaluation.load(tmp_path / "old.json").problems] == [None, None]


@pytest.mark.parametrize("modes", [{"a": 3}, {"a": 0}])
def test_counts_must_fit(modes: Mapping[str, int]) -> None:
    with pytest.raises(ValueError, match="counts of modes"):
        ProblemOutcome(problem="p", n=4, correct=2, modes=modes)


def test_samples_of_before_modes_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from forage.evaluation import samples

    shard = Shard((Problem("p", "?", "1", "toy"),), 0, 1)
    sample = Sample(
        problem="p", sample=0, text="1", length=1, entropy=0.5, truncated=False, judged=True, correct=True,
        committed=True, answer="1", mode="one",
    )  # fmt: skip
    cache = SampleCache.open(tmp_path, {"seed": 0})
    cache.write(shard, [sample], 1.0)
    assert cache.read(shard) == ((sample,), 1.0)
    with monkeypatch.context() as patched:
        patched.setattr(samples, "SCHEMA", SCHEMA.remove(SCHEMA.get_field_index("mode")))
        cache.write(shard, [sample], 1.0)
    found = cache.read(shard)
    assert found is not None
    assert (found[0][0].correct, found[0][0].mode) == (True, None)
