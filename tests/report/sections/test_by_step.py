"""Pass@k of checkpoints on the way: their numbers, and when there is no such picture."""

from pathlib import Path

import pytest

from forage.evaluation.estimate import pass_curve
from forage.evaluation.evaluation import Evaluation
from forage.report.blocks import Figure, Figures
from forage.report.group import read_runs
from forage.report.sections import pass_at_k
from forage.report.sections.by_step import figures_by_step
from forage.report.select import gather_results
from report import synthetic

STEPS = {20: 0.2, 40: 0.6}


def saved(run: Path, step: int, *, gain: float, seed: int, n: int = 64, temperature: float = 1.0) -> Evaluation:
    made = synthetic.evaluation(
        "grpo", synthetic.chances(trained=gain, lost=0.05, seed=seed), temperature=temperature, entropy=0.3, length=50,
        step=step, run_seed=seed, n=n,
    )  # fmt: skip
    made.save(run / "evals" / f"test-step{step:06d}-T{temperature:g}-n{n}-seed0.json")
    return made


@pytest.fixture
def runs(tmp_path: Path) -> tuple[list[Path], dict[int, list[Evaluation]]]:
    """A base and two seeds of a method, evaluated after two steps each; one of them at a third and colder too."""
    base = synthetic.write_base(tmp_path / "base", temperatures=(1.0,))
    paths, made = [base], {step: [] for step in STEPS}
    for seed in (1, 2):
        path = synthetic.write_run(tmp_path / f"grpo-{seed}", ["grpo"], seed, steps=40)
        for file in (path / "evals").glob("*.json"):
            file.unlink()
        for step, gain in STEPS.items():
            made[step].append(saved(path, step, gain=gain, seed=seed))
        paths.append(path)
    saved(paths[1], 30, gain=0.9, seed=1)
    saved(paths[1], 20, gain=0.9, seed=1, temperature=0.5)
    return paths, made


def drawn(paths: list[Path]) -> dict[str, Figure]:
    found = read_runs(paths)
    results = gather_results(found)
    assert results is not None
    block = figures_by_step(found, results)
    assert isinstance(block, Figures)
    return {figure.id: figure for figure in block.figures}


def test_steps_that_all_seeds_share(runs: tuple[list[Path], dict[int, list[Evaluation]]]) -> None:
    paths, made = runs
    figures = drawn(paths)
    assert set(figures) == {"pass-1-by-step", "pass-64-by-step"}
    band, line = figures["pass-1-by-step"].traces
    assert line["x"] == [0, 20, 40]
    wanted = [pass_curve(made[step], (1,))[0] for step in STEPS]
    assert line["y"][1:] == pytest.approx([value.estimate for value in wanted])
    assert band["y"][1:3] == pytest.approx([value.high for value in wanted])
    assert line["y"][0] < line["y"][2]
    section = pass_at_k.section(read_runs(paths))
    assert len([block for block in section.blocks if isinstance(block, Figures)]) == 2


def test_one_step_is_no_curve(runs: tuple[list[Path], dict[int, list[Evaluation]]]) -> None:
    paths, _ = runs
    for path in paths[1:]:
        for file in (path / "evals").glob("test-step000020*.json"):
            file.unlink()
    found = read_runs(paths)
    results = gather_results(found)
    assert results is not None
    assert figures_by_step(found, results) is None
