"""What the sections say, against tables worked by hand: grouping, sentences, curves, chosen responses."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from forage.core.records import SamplingParams
from forage.core.serialize import encode_part
from forage.evaluation.evaluation import Evaluation, ProblemOutcome
from forage.evaluation.pooling import differing, flatten
from forage.recipes import countdown
from forage.report import curves as lines
from forage.report.blocks import Figures, Grid, Responses, Section, Statements
from forage.report.group import read_runs
from forage.report.sections import comparison, pass_at_k, responses, summary, training
from forage.report.select import gather_results
from forage.store.run_directory import RunDirectory
from report import synthetic


def counts(correct: list[int], n: int, *, label: str, problem: str = "p", **changes: Any) -> Evaluation:
    outcomes = tuple(
        ProblemOutcome(problem=f"{problem}{index}", n=n, correct=c, committed=c, length_sum=10 * n)
        for index, c in enumerate(correct)
    )
    values: dict[str, Any] = {"checkpoint": "x", "task": {"part": "toy"}, "split": "test", "seed": 0, **changes}
    temperature = values.pop("temperature", 1.0)
    return Evaluation(label=label, n=n, params=SamplingParams(temperature=temperature), problems=outcomes, **values)


def base_of(folder: Path, correct: list[int], n: int = 8, temperature: float = 1.0, name: str = "base") -> Path:
    made = counts(correct, n, label="the base", temperature=temperature)
    made.save(folder / name / "evals" / f"T{temperature:g}.json")
    return folder / name


def run_of(
    folder: Path, methods: list[str], seed: int, correct: list[int] | None, *, lr: float = 2e-4, n: int = 8
) -> Path:
    path = folder / f"{'-'.join(methods)}-{lr:g}-{seed}"
    RunDirectory.create(path, synthetic.recipe(methods, seed, lr=lr))
    if correct is not None:
        counts(correct, n, label="+".join(methods), step=10, run_seed=seed).save(path / "evals" / "e.json")
    return path


def words(section: Section | None) -> str:
    assert section is not None
    lines = [str(item.text) for block in section.blocks if isinstance(block, Statements) for item in block.items]
    paragraphs = [str(text) for block in section.blocks for text in getattr(block, "paragraphs", ())]
    return "\n".join([*paragraphs, *lines]).replace("<strong>", "").replace("</strong>", "")


# ------------------------------------------------------------------------------------------------------------ grouping


def test_seeds_pool_and_other_settings_do_not(tmp_path: Path) -> None:
    directories = [
        run_of(tmp_path, ["grpo"], 0, None),
        run_of(tmp_path, ["grpo"], 1, None),
        run_of(tmp_path, ["grpo"], 0, None, lr=1e-3),
        run_of(tmp_path, ["rloo"], 0, None),
        base_of(tmp_path, [1, 2]),
    ]
    groups = read_runs(directories).groups
    assert [(group.label, len(group.entries)) for group in groups] == [
        ("the base", 1),
        ("grpo (lr 0.0002)", 2),
        ("grpo (lr 0.001)", 1),
        ("rloo", 1),
    ]
    assert [group.series.slot for group in groups] == [0, 1, 2, 3]
    assert differing([groups[1].entries[0].recipe, groups[2].entries[0].recipe]) == ["optimization.lr"]


def test_a_directory_named_twice_counts_once(tmp_path: Path) -> None:
    base = base_of(tmp_path, [1, 2])
    assert len(read_runs([base, tmp_path / "base" / ".." / "base"]).entries) == 1


def test_models_of_one_name_stay_apart(tmp_path: Path) -> None:
    groups = read_runs([base_of(tmp_path, [1]), base_of(tmp_path, [2], name="other")]).groups
    assert len({group.label for group in groups}) == 2


def test_flatten() -> None:
    assert flatten({"a": [{"b": 1}, 2], "c": {}, "d": None}) == {"a.0.b": 1, "a.1": 2, "d": None}


# ------------------------------------------------------------------------------------------------------------- results


def test_other_problems_are_noted_not_compared(tmp_path: Path) -> None:
    base = base_of(tmp_path, [1, 2])
    run = run_of(tmp_path, ["grpo"], 0, [3, 4])
    counts([1], 8, label="grpo", problem="other", step=10).save(run / "evals" / "zother.json")
    results = gather_results(read_runs([base, run]))
    assert results is not None
    assert [policy.label for policy in results.policies] == ["the base", "grpo"]
    assert any("other problems" in note for note in results.notes)


def test_what_decided_texts_or_verdicts_differently_is_said(tmp_path: Path) -> None:
    def made(stop: str, verifier: str) -> list[str]:
        folder = tmp_path / f"{stop}{verifier}"
        judging = {"task": {"verifier": {"part": verifier}}, "sampled_by": {"dtype": "float32", "stops": [stop]}}
        counts([1, 2], 8, label="the base", **judging).save(folder / "base" / "evals" / "e.json")
        other = {"task": {"verifier": {"part": "numeric"}}, "sampled_by": {"dtype": "float32", "stops": ["a"]}}
        run = run_of(folder, ["grpo"], 0, None)
        counts([3, 4], 8, label="grpo", step=10, run_seed=0, **other).save(run / "evals" / "e.json")
        results = gather_results(read_runs([folder / "base", run]))
        assert results is not None
        return list(results.notes)

    assert made("a", "numeric") == []
    assert ['stops ["b"] / ["a"]' in note for note in made("b", "numeric")] == [True]
    assert "judged by different verifiers" in made("a", "exact")[0]


def test_the_last_shared_step_and_the_training_temperature_are_compared(tmp_path: Path) -> None:
    runs = [run_of(tmp_path, ["grpo"], seed, [seed + 1, 2]) for seed in (0, 1)]
    counts([7, 7], 8, label="grpo", step=20, run_seed=0).save(runs[0] / "evals" / "later.json")
    counts([8, 8], 8, label="grpo", step=10, temperature=0.4).save(runs[0] / "evals" / "cold.json")
    results = gather_results(read_runs(runs))
    assert results is not None
    assert [run.problems[0].correct for run in results.policies[0].runs] == [1, 2]
    assert [(policy.temperature, len(policy.runs)) for policy in results.controls] == [(0.4, 1)]


# ------------------------------------------------------------------------------------------------------------- summary


def test_summary_numbers_by_hand(tmp_path: Path) -> None:
    """pass@1: mean of 2/8, 4/8 = 37.5% and of 4/8, 6/8 = 62.5%. Of pass@4: 1 - C(6,4)/C(8,4) = 55/70 and so on."""
    base, run = base_of(tmp_path, [2, 4] * 10), run_of(tmp_path, ["grpo"], 0, [4, 6] * 10)
    said = words(summary.section(read_runs([base, run])))
    # Every problem gains 2 of 8, so resampling problems cannot move the difference.
    assert "pass@1: 37.5% → 62.5%, +25.0 points [+25.0, +25.0]" in said
    # Base at k = 4: (55/70 + 69/70) / 2 = 88.57%; policy: (69/70 + 1) / 2 = 99.29%.
    assert "pass@4: 88.6% → 99.3%, +10.7 points" in said
    assert "8 samples of each of 20 test problems" in said


def test_a_run_of_before_a_setting_existed_is_a_seed_of_the_same_thing(tmp_path: Path) -> None:
    recipe = countdown(model="none", threads=1, matmul="highest")
    now = encode_part(recipe)
    then = json.loads(json.dumps(encode_part(replace(recipe, seed=1))))
    del then["schedule"]["tokens"], then["engine"]["parallel"], then["critic"]
    for name, content in (("now", now), ("then", then)):
        RunDirectory.create(tmp_path / name, content)
        counts([1, 2], 8, label="grpo", step=10).save(tmp_path / name / "evals" / "e.json")
    assert [len(group.entries) for group in read_runs([tmp_path / "now", tmp_path / "then"]).groups] == [2]


def test_one_seed_is_never_called_beyond_noise(tmp_path: Path) -> None:
    base = base_of(tmp_path, [2, 4] * 10)
    plain, more = run_of(tmp_path, ["grpo"], 0, [3, 4] * 10), run_of(tmp_path, ["grpo", "bonus"], 0, [6, 8] * 10)
    said = words(summary.section(read_runs([base, plain, more])))
    assert "beyond the noise" not in said
    assert "With one seed on a side, this compares runs, not methods" in said
    assert "in this one run; another seed may differ" in said
    assert "One training seed: grpo and grpo + bonus" in said


@pytest.mark.parametrize(("gain", "claim"), [(3, "Higher, beyond the noise"), (0, "Not distinguishable")])
def test_a_difference_is_claimed_where_it_was_planted(tmp_path: Path, gain: int, claim: str) -> None:
    correct = [[2, 4, 3, 1], [3, 3, 2, 2], [1, 4, 4, 2]]
    directories = [run_of(tmp_path, ["grpo"], seed, row * 5) for seed, row in enumerate(correct)]
    for seed, row in enumerate(correct):
        moved = [c + gain for c in row]
        directories.append(run_of(tmp_path, ["grpo", "bonus"], seed, moved * 5))
    said = [line for line in words(summary.section(read_runs(directories))).split("\n") if "minus grpo, pass@1" in line]
    assert len(said) == 1
    assert claim in said[0]


def test_two_seeds_do_not_make_a_method_better(tmp_path: Path) -> None:
    directories = [run_of(tmp_path, ["grpo"], seed, [2, 4] * 10) for seed in (0, 1)]
    directories += [run_of(tmp_path, ["grpo", "bonus"], seed, [6, 8] * 10) for seed in (0, 1)]
    said = words(summary.section(read_runs(directories)))
    assert "2 seeds are too few to know how much seeds differ" in said
    assert "beyond the noise" not in said
    assert "No base model was given" in said


def test_sampling_colder_is_the_control(tmp_path: Path) -> None:
    base = base_of(tmp_path, [2, 4] * 10)
    run = run_of(tmp_path, ["grpo"], 0, [4, 6] * 10)
    assert "evaluated at one temperature" in words(summary.section(read_runs([base, run])))
    base_of(tmp_path, [4, 6] * 10, temperature=0.4)
    said = words(summary.section(read_runs([base, run])))
    assert "evaluated at one temperature" not in said
    assert "sampled at temperature 0.4, has pass@1 62.5%. The policy minus that: +0.0 points" in said
    assert "not distinguishable from sampling the base colder" in said


def test_confounds_are_said(tmp_path: Path) -> None:
    base = base_of(tmp_path, [2, 4] * 5)
    run = run_of(tmp_path, ["grpo"], 0, None)
    outcomes = tuple(
        ProblemOutcome(problem=f"p{index}", n=8, correct=1, unjudged=2, truncated=4, committed=1, length_sum=80)
        for index in range(10)
    )
    replace(counts([0] * 10, 8, label="grpo", step=1), problems=outcomes).save(run / "evals" / "e.json")
    runs = read_runs([base, run])
    said = words(summary.section(runs))
    assert "50.0% of the responses of grpo were cut off" in said
    assert "25.0% of the responses of grpo could not be judged" in said
    table = comparison.section(runs)
    assert table is not None
    assert isinstance(table.blocks[0], Grid)
    assert "Unjudged" in table.blocks[0].columns


# ---------------------------------------------------------------------------------------------------- curves and table


def figure(section: Section | None, name: str) -> Any:
    assert section is not None
    found = [f for block in section.blocks if isinstance(block, Figures) for f in block.figures if f.id == name]
    assert len(found) == 1
    return found[0]


def test_curves_hold_the_estimates_and_their_bands(tmp_path: Path) -> None:
    base, run = base_of(tmp_path, [2, 4] * 10), run_of(tmp_path, ["grpo"], 0, [4, 6] * 10)
    section = pass_at_k.section(read_runs([base, run]))
    lines = [trace for trace in figure(section, "pass-at-k").traces if "markers" in trace["mode"]]
    assert lines[0]["x"] == [1, 2, 4, 8]
    # pass@2: 1 - C(6,2)/C(8,2) = 13/28 and 1 - C(4,2)/C(8,2) = 22/28.
    assert lines[0]["y"] == pytest.approx([0.375, 17.5 / 28, (55 + 69) / 140, 1.0])
    bands = [trace for trace in figure(section, "pass-at-k").traces if trace.get("fill") == "toself"]
    assert len(bands) == 2
    gained = [trace for trace in figure(section, "pass-difference").traces if "markers" in trace["mode"]]
    assert gained[0]["y"][0] == pytest.approx(0.25)
    noisy = figure(section, "pass-at-k").layout["shapes"][0]
    assert (noisy["x0"], noisy["x1"]) == (4, 8)


def test_the_table_marks_what_leaves_out_zero(tmp_path: Path) -> None:
    base, run = base_of(tmp_path, [2, 4] * 10), run_of(tmp_path, ["grpo"], 0, [4, 6] * 10)
    same = run_of(tmp_path, ["rloo"], 0, [4, 2] * 10)
    section = comparison.section(read_runs([base, run, same]))
    assert section is not None
    levels, against = [block for block in section.blocks if isinstance(block, Grid)]
    at = against.columns.index("pass@1")
    assert [(row[0].main, row[at].main, row[at].tone) for row in against.rows] == [
        ("the base", "37.5%", None),
        ("grpo", "+25.0", "up"),
        ("rloo", "+0.0", None),
    ]
    assert {"Length", "Cut off", "Committed", "Entropy"} <= set(levels.columns)
    assert "Unjudged" not in levels.columns


def test_training_curves_skip_what_is_not_a_number(tmp_path: Path) -> None:
    path = run_of(tmp_path, ["grpo"], 0, None)
    with RunDirectory.open(path).lock():
        for step, reward in ((1, 0.25), (2, float("nan")), (3, 0.75)):
            RunDirectory.open(path).append_metrics({"step": step, "reward": reward, "bonus_share": 0.0})
    section = training.section(read_runs([path]))
    thin, thick = figure(section, "training-reward").traces
    assert (thin["x"], thin["y"]) == ([1.0, 3.0], [0.25, 0.75])
    assert thick["y"] == [0.25, 0.75]
    assert "bonus in the advantage" in words(section)
    assert "entropy" in words(section)


def test_long_runs_are_thinned_and_end_at_their_end(tmp_path: Path) -> None:
    path = run_of(tmp_path, ["grpo"], 0, None)
    rows = "".join(f'{{"step": {step}, "reward": {step / 5000}}}\n' for step in range(1, 5001))
    (path / "metrics.jsonl").write_text(rows)
    for trace in figure(training.section(read_runs([path])), "training-reward").traces:
        assert len(trace["x"]) <= lines.POINTS + 1
        assert trace["x"][-1] == 5000


# ----------------------------------------------------------------------------------------------------------- responses


def row(group: int, correct: float, length: int, stop: str = "eos") -> dict[str, Any]:
    return {
        "step": 9, "problem": "p", "prompt": f"prompt {group}", "group": group, "sibling": 0, "prefix": [], "text": "",
        "pieces": ["a"] * length, "tokens": [1] * length, "given": [], "logprobs": [-0.5] * length,
        "entropies": [0.5] * length,
        "advantages": [correct] * length, "values": [], "reward": correct, "correct": correct, "mode": None,
        "stop": stop,
    }  # fmt: skip


def shown(tmp_path: Path, rows: list[dict[str, Any]]) -> Responses:
    path = run_of(tmp_path, ["grpo"], 0, None)
    with RunDirectory.open(path).lock():
        RunDirectory.open(path).write_rollouts(9, rows)
    section = responses.section(read_runs([path]))
    assert section is not None
    block = section.blocks[0]
    assert isinstance(block, Responses)
    return block


def test_a_right_and_a_wrong_response_to_the_same_problem(tmp_path: Path) -> None:
    rows = [row(0, 0, 3), row(0, 0, 3), row(1, 1, 4), row(1, 0, 5), row(1, 0, 9), row(1, 0, 7), row(2, 1, 3)]
    found = shown(tmp_path, rows).runs[0].responses
    assert [(r.title, r.prompt, len(r.tokens)) for r in found] == [("Right", "prompt 1", 4), ("Wrong", "prompt 1", 7)]
    assert "1 of 4 siblings right" in found[0].facts


def test_unjudged_and_cut_off_responses(tmp_path: Path) -> None:
    rows = [row(0, float("nan"), 3), row(0, 0, 1500, stop="length")]
    found = shown(tmp_path, rows).runs[0].responses
    assert [(r.title, len(r.tokens), r.left_out) for r in found] == [("Wrong, cut off", 700, 800)]


def test_responses_that_nobody_could_judge_are_shown_all_the_same(tmp_path: Path) -> None:
    found = shown(tmp_path, [row(0, float("nan"), 3)]).runs[0].responses
    assert [(r.title, r.correct) for r in found] == [("Could not be judged", None)]
