"""Samples of other tools. The files in `external/` were written by them (tests/optional/external_samples.py)."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from forage.analysis import Analysis, analysis_file
from forage.cli import main
from forage.core.errors import ForageError
from forage.evaluation.collect import latest_evaluations
from forage.evaluation.external import ExternalSample, SampleColumns, read_samples
from forage.evaluation.external_evaluation import count_problems, external_evaluation, pass_columns
from forage.evaluation.external_run import ExternalRun, sample_files
from forage.ops.passk import pass_at_k

REAL = Path(__file__).parent / "external"


def test_trl_completions() -> None:
    samples = read_samples(REAL / "trl-1.16" / "completions" / "completions_00001.parquet")
    assert len(samples) == 8
    assert samples[0].problem == "What is 7 + 7?"
    assert [sample.correct for sample in samples].count(True) == 1
    assert [one.judged for one in count_problems(samples)] == [4, 4]


def test_lm_eval_samples() -> None:
    samples = read_samples(REAL / "samples_sums_2026.jsonl")
    assert [sample.correct for sample in samples] == [True] * 4 + [False] * 4
    assert {sample.text for sample in samples} == {"lol"}
    assert len({sample.problem for sample in samples}) == 2


def test_an_inspect_log() -> None:
    """Four outputs 2, 3, "no idea" and 7 to two problems in two epochs: the first epoch is right."""
    samples = read_samples(REAL / "inspect-0.3.eval")
    assert [(sample.problem, sample.correct, sample.mode) for sample in samples] == [
        ("sum-1", True, "2"),
        ("sum-2", True, "3"),
        ("sum-1", False, "no idea"),
        ("sum-2", False, "7"),
    ]


def write(path: Path, *rows: dict[str, Any]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def verl_row(**changes: Any) -> dict[str, Any]:
    return {"input": "What is 1 + 1?", "output": "2", "gts": "2", "score": 1.0, "step": 3, "acc": True, **changes}


def test_verl_dumps(tmp_path: Path) -> None:
    file = write(tmp_path / "3.jsonl", verl_row(pred="2"), verl_row(acc=False, score=0.6, pred="3"))
    assert [sample.correct for sample in read_samples(file)] == [True, False]
    assert [sample.correct for sample in read_samples(file, SampleColumns(verdict="score", threshold=0.7))] == [
        True,
        False,
    ]
    assert [sample.mode for sample in read_samples(file)] == ["2", "3"]


def test_rollouts_of_prime_rl_and_open_instruct(tmp_path: Path) -> None:
    turn = [{"role": "user", "content": "1 + 1?"}]
    prime = write(tmp_path / "a.jsonl", {"example_id": 7, "prompt": turn, "completion": turn, "reward": 1.0})
    (sample,) = read_samples(prime)
    assert (sample.problem, sample.correct) == ("7", True)
    row = {"step": 2, "prompt_idx": 5, "prompt_tokens": [1], "response_tokens": [2], "reward": 0.0}
    (sample,) = read_samples(write(tmp_path / "b.jsonl", row))
    assert (sample.problem, sample.correct) == ("step 2, prompt 5", False)


def test_what_was_not_judged_is_not_wrong(tmp_path: Path) -> None:
    rows = [{"prompt": "p", "response": str(n), "correct": verdict} for n, verdict in enumerate((True, None, False))]
    (counted,) = count_problems(read_samples(write(tmp_path / "a.jsonl", *rows)))
    assert (counted.drawn, counted.judged, counted.correct) == (3, 2, 1)
    assert pass_columns([counted], [1, 2, 3])[0, 0].tolist()[:2] == [0.5, 1.0]
    assert np.isnan(pass_columns([counted], [3])).all()


def test_modes_of_right_samples_are_counted() -> None:
    """Two right samples of mode a, one of b, and a wrong one of c, which counts nowhere."""
    samples = [
        ExternalSample("p", "", right, mode) for right, mode in zip((True, True, True, False), "aabc", strict=True)
    ]
    (counted,) = count_problems(samples)
    assert counted.modes == (2, 1)
    (unknown,) = count_problems([*samples, ExternalSample("p", "", True, None)])
    assert unknown.modes is None


def test_pass_at_k_of_ragged_problems() -> None:
    samples = [ExternalSample("a", "", n < 3) for n in range(8)] + [ExternalSample("b", "", False)] * 2
    values = pass_columns(count_problems(samples), [1, 4])
    assert values[0, 0].tolist() == [pass_at_k(8, 3, 1), pass_at_k(8, 3, 4)]
    assert values[0, 1, 0] == 0
    assert np.isnan(values[0, 1, 1])


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ({"a": 1}, "it needs a column problem"),
        ({"prompt": "p", "completion": "c", "advantage": 0.1, "step": 1, "one": 1.0, "two": 0.0}, "`verdict`.: one"),
        ({"prompt": "p", "response": "r", "correct": "yes"}, "neither a number"),
        ({"doc_id": 1, "doc": {}, "resps": [["a", "b"]], "filtered_resps": [["a", "b"]], "target": "a", "f1": 0.5,
          "metrics": ["f1"]}, "one value of f1"),
    ],
)  # fmt: skip
def test_what_cannot_be_known_is_refused_with_its_row(tmp_path: Path, row: dict[str, Any], says: str) -> None:
    with pytest.raises(ForageError, match=says) as caught:
        read_samples(write(tmp_path / "a.jsonl", row))
    assert "a.jsonl, row 1" in str(caught.value)


def test_files_that_are_none(tmp_path: Path) -> None:
    for name, content in (("a.jsonl", "{"), ("a.eval", "PK"), ("a.parquet", "no"), ("b.jsonl", "")):
        (tmp_path / name).write_text(content)
        with pytest.raises(ForageError, match=name):
            read_samples(tmp_path / name)


def test_an_evaluation_takes_as_many_samples_of_each_problem(tmp_path: Path) -> None:
    rows = [
        {"problem": p, "response": "", "correct": n == 0} for p, count in (("a", 4), ("b", 2)) for n in range(count)
    ]
    made = external_evaluation(write(tmp_path / "a.jsonl", *rows), SampleColumns(), temperature=0.7)
    assert made.n == 2
    assert [outcome.correct for outcome in made.problems] == [1, 1]
    assert made.params.temperature == 0.7


def test_the_command_and_a_comparison_of_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [{"problem": f"p{n}", "response": "r", "correct": i < n % 4} for n in range(12) for i in range(4)]
    better = [{**row, "correct": True} for row in rows]
    first, second = write(tmp_path / "first.jsonl", *rows), write(tmp_path / "second.jsonl", *better)
    assert main(["passk", str(first), str(second), "--k", "1,4", "--out", str(tmp_path / "out")]) == 0
    printed = capsys.readouterr().out
    assert "0.375" in printed  # the mean of 0, 1/4, 2/4 and 3/4
    assert main(["compare", str(first), str(second), "--k", "1,4"]) == 0
    assert "+0.625" in capsys.readouterr().out
    assert main(["report", str(tmp_path / "out" / "first"), str(tmp_path / "out" / "second")]) == 0
    assert latest_evaluations([first], temperature=0.3)["first"][0].params.temperature == 0.3


TRL = REAL / "trl-1.16"
VERL = REAL / "verl-0.9"


def test_a_folder_of_trl_is_a_run_of_steps_with_metrics() -> None:
    run = ExternalRun.open(TRL)
    assert run.rollout_steps() == [1, 2, 3, 4]
    assert [len(run.rollouts(step)) for step in run.rollout_steps()] == [8] * 4
    row = run.rollouts(4)[0]
    assert "".join(row["pieces"]) == row["text"]
    assert len(row["entropies"]) == len(row["pieces"])
    logged = json.loads((TRL / "checkpoint-4" / "trainer_state.json").read_text())["log_history"][0]
    first = run.metrics()[0]
    wanted = {"step": 1, "reward": logged["reward"], "entropy": logged["entropy"], "zero_variance": 0.5}
    assert first.items() >= wanted.items()
    assert (first["length"], first["truncated"]) == (8.0, logged["completions/clipped_ratio"])
    with pytest.raises(ForageError, match=r"no samples of step 9, only of: 1, 2, 3, 4"):
        run.rollouts(9)


def test_a_folder_of_verl_holds_dumps_and_a_log() -> None:
    run = ExternalRun.open(VERL)
    assert [file.name for file in run.files] == ["3.jsonl", "6.jsonl"]
    assert run.rollout_steps() == [3, 6]
    first = {"step": 3, "entropy": 5.7, "grad_norm": 0.4, "reward": 0.5, "length": 1.7}
    assert run.metrics() == [first, {**first, "step": 6, "entropy": 5.2}]
    samples = read_samples(VERL / "3.jsonl")
    assert [sample.correct for sample in samples] == [True, False, True, True, False, False]
    assert [sample.mode for sample in samples] == ["2", "3", "2", "3", "4", "5"]


def test_the_last_step_of_a_folder_speaks_for_it(capsys: pytest.CaptureFixture[str]) -> None:
    made = external_evaluation(VERL, SampleColumns())
    assert (made.step, made.n, made.label) == (6, 3, "verl-0.9")
    assert [outcome.correct for outcome in made.problems] == [2, 1]
    assert main(["compare", str(VERL), str(VERL / "3.jsonl"), "--k", "1"]) == 0
    assert "+0.000" in capsys.readouterr().out


@pytest.mark.parametrize("source", ["trl-1.16", "verl-0.9/6.jsonl", "inspect-0.3.eval", "samples_sums_2026.jsonl"])
def test_texts_of_other_tools_are_analyzed_and_reported(
    source: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is measured is in the table; what texts cannot say is said, and no alarm is claimed to be absent."""
    copied = tmp_path / Path(source).name
    (shutil.copytree if (REAL / source).is_dir() else shutil.copy)(REAL / source, copied)
    assert main(["analyze", str(copied), "--grams", "phrases", "--draws", "20"]) == 0
    printed = capsys.readouterr().out
    assert "repetition" in printed
    assert "nothing is known of the entropy" in " ".join(printed.split())
    assert "No alarm" not in printed
    found = Analysis.load(analysis_file(copied))
    samples = ExternalRun.open(copied).samples
    assert [point.responses for point in found.track] == [len(own) for own in samples.values()]
    page = tmp_path / "page.html"
    assert main(["report", str(copied), "--out", str(page)]) == 0
    text = page.read_text()
    assert "Sample responses" in text
    assert ("Gradient norm" in text) == (source == "trl-1.16")


def test_a_reference_text_needs_checkpoints(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--reference", str(tmp_path), "--grams", "phrases"]
    assert main(["analyze", str(VERL / "3.jsonl"), *arguments]) != 0
    assert "have none" in capsys.readouterr().err


def test_folders_that_hold_something_else(tmp_path: Path) -> None:
    assert sample_files(tmp_path) == ()
    (tmp_path / "config.json").write_text("{}")
    shutil.copy(VERL / "3.jsonl", tmp_path)
    assert sample_files(tmp_path) == (), "a model folder is no folder of samples"
    with pytest.raises(ForageError, match="no samples of a known tool"):
        ExternalRun.open(tmp_path)
