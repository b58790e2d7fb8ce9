"""The pictures of replay, of values along responses and of what learning cost, against numbers put in by hand."""

import json
import math
import statistics
from pathlib import Path
from typing import Any

import pytest

from forage.cli.costs import cost_table, run_cost
from forage.evaluation.collect import gather_arms
from forage.report.blocks import Figure, Figures, Grid, Section
from forage.report.group import read_runs
from forage.report.sections import cost, replay
from forage.store.run_directory import RunDirectory
from report import synthetic


def metrics(path: Path, rows: list[dict[str, Any]]) -> Path:
    (path / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def made(path: Path, methods: list[str], seed: int, rows: list[dict[str, Any]]) -> Path:
    RunDirectory.create(path, synthetic.recipe(methods, seed))
    return metrics(path, rows)


def figures(section: Section | None) -> dict[str, Figure]:
    assert section is not None
    return {one.id: one for block in section.blocks if isinstance(block, Figures) for one in block.figures}


def remembered(seed: int) -> list[dict[str, Any]]:
    """Three steps of a run with a memory; the seed shifts every number by itself."""
    names = ("replay_entries", "replay_value_then", "replay_value_now", "first_solved_fresh", "first_solved_replayed")
    return [
        {"step": step, "replay_correct": math.nan if step == 1 else 0.5, "fresh_correct": 0.25, "carried_over": 0,
         "replay_age": step - 1.0, **{name: place + step + seed for place, name in enumerate(names)}}
        for step in (1, 2, 3)
    ]  # fmt: skip


def test_what_the_memory_held_is_the_mean_of_the_seeds(tmp_path: Path) -> None:
    paths = [made(tmp_path / f"s{seed}", ["ppo", "rrl"], seed, remembered(seed)) for seed in (0, 2)]
    paths.append(made(tmp_path / "plain", ["ppo"], 0, [{"step": 1, "reward": 1.0}]))
    shown = figures(replay.section(read_runs(paths)))
    assert set(shown) == {f"replay-{name}" for name in ("entries", "age", "value", "success", "solvable")}
    (entries,) = shown["replay-entries"].traces
    assert (entries["x"], entries["y"]) == ([1, 2, 3], [2, 3, 4]), "0 + step and 2 + step"
    then, now = shown["replay-value"].traces
    assert (then["y"], now["y"]) == ([3, 4, 5], [4, 5, 6])
    assert then["line"]["dash"] != now["line"]["dash"]
    again, fresh = shown["replay-success"].traces
    assert (again["x"], again["y"]) == ([2, 3], [0.5, 0.5]), "no share where nothing was replayed"
    assert fresh["y"] == [0.25] * 3
    assert [trace["y"][-1] for trace in shown["replay-solvable"].traces] == [7, 8, 0]


def test_without_a_memory_and_values_there_is_no_such_section(tmp_path: Path) -> None:
    path = synthetic.write_run(tmp_path / "grpo", ["grpo"], 0, steps=4)
    assert replay.section(read_runs([path])) is None


def test_values_along_responses(tmp_path: Path) -> None:
    path = made(tmp_path / "ppo", ["ppo"], 0, [{"step": 1, "reward": 1.0}])
    with RunDirectory.open(path).lock():
        rows = synthetic.rollout_rows(1, bonus=0.0, seed=1, groups=2, group_size=4)
        for number, row in enumerate(rows):
            row["values"] = [number / 64 + index / 1024 for index in range(len(row["tokens"]))]
        replayed = next(row for row in rows if row["group"] == 1 and row["correct"] == 0)
        replayed["prefix"] = [5, 6, 7]
        RunDirectory.open(path).write_rollouts(1, rows)
    (figure,) = figures(replay.section(read_runs([path]))).values()
    assert [trace["name"].split(",")[0] for trace in figure.traces][:2] == ["right", "wrong"]
    by_first = {row["values"][0]: row for row in rows}
    for trace in figure.traces:
        row = by_first[trace["y"][0]]
        assert trace["y"] == row["values"]
        assert trace["x"][0] == len(row["prefix"])
        assert trace["customdata"] == row["pieces"]
        assert trace["line"]["dash"] == ("solid" if row["correct"] else "dot")
    assert any("replayed" in trace["name"] for trace in figure.traces)


def test_values_where_replay_looked(tmp_path: Path) -> None:
    # Steps 2 and 4 were written down; states were looked at in step 2 only. Of problem 0 two responses: the one that
    # rises by .5 is shown, and not the one that rises by .25; of problem 1 one that falls. One known value is no line.
    path = made(tmp_path / "rrl", ["grpo", "rrl"], 0, remembered(0))
    nan = math.nan
    with RunDirectory.open(path).lock():
        rows = synthetic.rollout_rows(2, bonus=0.0, seed=1, groups=3, group_size=4)
        for row in rows:
            row["values"] = [nan] * len(row["tokens"])
            row["values"][0] = 0.25
        for number, value in ((0, 0.5), (1, 0.75), (4, 0.125)):
            rows[number]["values"][7] = value
        RunDirectory.open(path).write_rollouts(2, rows)
        RunDirectory.open(path).write_rollouts(4, synthetic.rollout_rows(4, bonus=0.0, seed=1, groups=3, group_size=4))
    (entry,) = read_runs([path]).entries
    assert (entry.rollout_step, entry.valued_step) == (4, 2)
    figure = figures(replay.section(read_runs([path])))["values-" + read_runs([path]).groups[0].series.key]
    assert "step 2" in figure.how
    assert "replay looked at" in figure.how
    for trace, row, value in zip(figure.traces, (rows[1], rows[4]), (0.75, 0.125), strict=True):
        assert trace["x"] == [0, 7, len(row["tokens"])]
        assert trace["y"] == [0.25, value, row["reward"]]
        assert trace["customdata"] == [row["pieces"][0], row["pieces"][7], "the end"]
        assert "markers" in trace["mode"]


def test_kept_responses_are_drawn_without_kept_states(tmp_path: Path) -> None:
    rows = [
        {"step": step, "exemplars": 6.0 * step, "exemplars_per_problem": 2.0, "likelihood_penalty": 0.5 + step}
        for step in (1, 2, 3)
    ]
    section = replay.section(read_runs([made(tmp_path / "kept", ["dr_grpo", "mode_replay"], 0, rows)]))
    shown = figures(section)
    assert set(shown) == {"replay-exemplars", "replay-exemplars-each", "replay-exemplars-likelihood"}
    assert shown["replay-exemplars"].traces[0]["y"] == [6, 12, 18]
    assert shown["replay-exemplars-each"].traces[0]["y"] == [2, 2, 2]
    assert section is not None
    assert section.blocks[0].legend, "the method is in the legend"  # pyright: ignore[reportAttributeAccessIssue]


def test_rewards_of_restarts_are_drawn_where_there_are_some(tmp_path: Path) -> None:
    rows = [row | {"replay_reward": 1.0 + row["step"], "fresh_reward": 0.5} for row in remembered(0)]
    shown = figures(replay.section(read_runs([made(tmp_path / "rrl", ["grpo", "rrl"], 0, rows)])))
    again, fresh = shown["replay-reward"].traces
    assert len(again["y"]) == len(fresh["y"]) == 3


def spent(tokens: int, seconds: float, shares: list[float], **more: float) -> list[dict[str, Any]]:
    return [
        {"step": step, "tokens": tokens * step, "seconds": seconds, "correct": share, "reward": share, **more}
        for step, share in enumerate(shares, 1)
    ]


def test_learning_is_laid_out_by_what_it_cost(tmp_path: Path) -> None:
    # One method takes a million tokens and a minute a step, the other twice the tokens and half the time. All runs
    # reach 3 million tokens (the first ends there) and 2 minutes (the second ends there, after 4 steps).
    slow = made(tmp_path / "slow", ["grpo"], 0, spent(1_000_000, 60, [0.1, 0.2, 0.6]))
    dear = made(tmp_path / "dear", ["vineppo"], 0, spent(2_000_000, 30, [0.3, 0.4, 0.5, 0.7]))
    section = cost.section(read_runs([slow, dear]))
    shown = figures(section)
    assert [trace["x"] for trace in shown["cost-tokens"].traces] == [[1, 2, 3], [2, 4, 6, 8]]
    assert [trace["x"] for trace in shown["cost-minutes"].traces] == [[1, 2, 3], [0.5, 1, 1.5, 2]]
    assert section is not None
    (grid,) = (block for block in section.blocks if isinstance(block, Grid))
    assert grid.columns[2::2] == ["Right at 3.00M", "Right at 2.0 min"]
    assert [[cell.main for cell in row[1:]] for row in grid.rows] == [
        ["3.00", "60.0%", "3.00", "20.0%"],
        ["8.00", "30.0%", "2.00", "70.0%"],
    ]


def test_replayed_starts_are_no_part_of_what_was_learned(tmp_path: Path) -> None:
    path = made(tmp_path / "rrl", ["rrl"], 0, spent(10, 1, [0.9, 0.9], fresh_correct=0.5))
    assert figures(cost.section(read_runs([path])))["cost-tokens"].traces[0]["y"] == [0.5, 0.5]


def test_runs_that_wrote_no_tokens_down_have_no_cost(tmp_path: Path) -> None:
    path = made(tmp_path / "old", ["grpo"], 0, [{"step": 1, "reward": 1.0, "correct": 1.0, "seconds": 1.0}])
    assert cost.section(read_runs([path])) is None


def test_gain_for_a_million_tokens_and_for_an_hour(tmp_path: Path) -> None:
    base = synthetic.write_base(tmp_path / "base", temperatures=(1.0,))
    runs = [synthetic.write_run(tmp_path / f"grpo-{seed}", ["grpo"], seed, steps=40) for seed in (1, 2)]
    for path in runs:  # 2 million tokens and 30 minutes by step 40, and steps after the evaluated one
        metrics(path, spent(50_000, 45, [0.5] * 60))
    arms, _ = gather_arms([base, *runs])
    evaluations = {arm.label: arm.runs for arm in arms}
    of_base, of_grpo = evaluations["base (experiment)"], evaluations["grpo"]
    found = run_cost(runs[0], of_grpo[0])
    assert found is not None
    assert (found.tokens, found.minutes) == (2_000_000, 30)
    assert run_cost(base, of_base[0]) is None
    table = cost_table(arms, of_base, draws=50, seed=0)
    assert table is not None
    ((_, tokens, minutes, by_token, by_hour),) = table.rows
    assert (tokens.value, minutes.value) == (2, 30)
    share = {
        label: statistics.mean(o.correct / o.n for e in es for o in e.problems) for label, es in evaluations.items()
    }
    gained = 100 * (share["grpo"] - share["base (experiment)"])
    assert (by_token.value, by_hour.value) == pytest.approx((gained / 2, gained / 0.5))
    assert by_token.low < by_token.value < by_token.high
    assert cost_table(gather_arms([base])[0], of_base, draws=50, seed=0) is None
