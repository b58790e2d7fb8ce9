"""`forage bench`: from arms, controls and seeds to differences with intervals."""

import shutil
from pathlib import Path

import pytest

from forage.bench.arms import parse_arm, with_controls
from forage.cli import main
from forage.core.errors import ForageError
from forage.methods import METHODS
from forage.store.run_directory import RunDirectory

SMALL = ["--groups", "2", "--group-size", "2", "--max-tokens", "16", "--threads", "1", "--matmul", "highest"]


def labels(arms: list[str], *controls: str) -> list[str]:
    found = with_controls([parse_arm(arm, METHODS) for arm in arms], controls, METHODS)
    return ["+".join(applied.label for applied in arm) for arm in found]


def test_an_arm_is_split_at_the_names_of_methods_only() -> None:
    (arm,) = labels(["grpo + hicra:grams=a+b/grams.json,alpha=0.1+kl_penalty"])
    assert arm == "grpo+hicra:grams=a+b/grams.json,alpha=0.1+kl_penalty"
    assert len(parse_arm(arm, METHODS)) == 3


def test_a_control_stands_behind_its_arm_with_the_settings_that_both_have() -> None:
    assert labels(["grpo", "grpo+rrl:share=0.5,continuations=4"], "rrl_oracle", "rrl_random_cuts") == [
        "grpo",
        "grpo+rrl:share=0.5,continuations=4",
        "grpo+rrl_oracle:share=0.5",
        "grpo+rrl_random_cuts:share=0.5,continuations=4",
    ]


def test_all_controls_of_what_is_there_each_once() -> None:
    found = labels(["grpo+entropy_advantage", "grpo+shuffled_entropy"], "all")
    assert len(set(found)) == len(found)
    assert set(found) == {
        f"grpo+{name}"
        for name, method in METHODS.items()
        if name == "entropy_advantage" or method.control_of == "entropy_advantage"
    }


def test_every_control_controls_for_a_method() -> None:
    for name, method in METHODS.items():
        assert (method.kind == "control") == (method.control_of in METHODS), name


@pytest.mark.parametrize(
    ("arms", "controls", "sentence"),
    [
        (["grpo"], ["shuffled_entropy"], "a control of entropy_advantage, which no arm has"),
        (["grpo"], ["all"], "which no arm has"),
        (["grpo"], ["grpo"], "grpo is no control"),
        (["grpo+nope"], [], "'nope'|no method"),
    ],
)
def test_mistakes_are_sentences(arms: list[str], controls: list[str], sentence: str) -> None:
    with pytest.raises(ForageError, match=sentence):
        labels(arms, *controls)


@pytest.fixture(scope="module")
def base(tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(shutil.copytree(tiny_base, tmp_path_factory.mktemp("bench-base") / "base"))


def bench(base: Path, out: Path, *more: str) -> int:
    arms = ["--arm", "grpo+entropy_advantage:alpha=0.2", "--control", "shuffled_entropy", "--seeds", "3"]
    kept = ["--out", str(out), "--n", "2", "--k", "1,2"]
    return main(["bench", "countdown", "--model", str(base), "--steps", "1", *SMALL, *arms, *kept, *more])


def test_arms_and_controls_are_trained_compared_and_reported(
    base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert bench(base, tmp_path) == 0
    out = capsys.readouterr().out
    assert "Differences from grpo + entropy_advantage:alpha=0.2" in out
    assert "grpo + shuffled_entropy:alpha=0.2" in out
    runs = sorted(tmp_path.glob("*-seed3"))
    assert [RunDirectory.open(run).recipe()["seed"] for run in runs] == [3, 3]
    assert (tmp_path / "report.html").stat().st_size > 100_000

    before = [(run / "metrics.jsonl").read_bytes() for run in runs]
    assert bench(base, tmp_path) == 0, "given again, it finds all done"
    assert [(run / "metrics.jsonl").read_bytes() for run in runs] == before
    assert capsys.readouterr().out == out

    assert bench(base, tmp_path, "--lr", "0.5") == 2
    assert "other settings" in capsys.readouterr().err


def test_several_runs_at_a_time(base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert bench(base, tmp_path, "--processes", "2") == 0
    assert "Differences from" in capsys.readouterr().out
    runs = sorted(path for path in tmp_path.glob("*-seed3"))
    assert len(runs) == 2
    assert all("Saved:" in run.with_name(f"{run.name}.log").read_text() for run in runs)
