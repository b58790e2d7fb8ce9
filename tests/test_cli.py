"""The command line as a person meets it: what works, and the sentence for everything that does not."""

import errno
import json
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from forage.cli import COMMANDS, main
from forage.core.errors import DiskFull
from forage.evaluation.collect import latest_evaluations
from forage.evaluation.evaluation import Evaluation
from forage.store.run_directory import RunDirectory
from support.said import Said

SMALL = ["--groups", "2", "--group-size", "2", "--max-tokens", "16", "--threads", "1", "--matmul", "highest"]


@pytest.fixture(scope="module")
def run(tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("cli") / "run"
    arguments = ["--model", str(tiny_base), "--out", str(out), "--steps", "2", *SMALL]
    assert main(["train", "countdown", *arguments, "--method", "grpo", "--method", "entropy_advantage:alpha=0.2"]) == 0
    return out


@pytest.fixture(scope="module")
def base(tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the base, in which nothing may be written."""
    return Path(shutil.copytree(tiny_base, tmp_path_factory.mktemp("cli-base") / "base"))


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Evaluations of model folders go below runs/ of the working directory."""
    monkeypatch.chdir(tmp_path)


def evaluate(path: Path, *more: str) -> int:
    return main(["eval", str(path), "--n", "4", "--k", "1,2", "--max-tokens", "16", "--threads", "1", *more])


def test_help_names_every_command(said: Said) -> None:
    assert main(["--help"]) == 0
    out, _ = said()
    assert all(name in out for name in COMMANDS)


@pytest.mark.parametrize("name", list(COMMANDS))
def test_every_command_explains_itself(name: str, said: Said) -> None:
    assert main([name, "--help"]) == 0
    assert f"forage {name}" in said()[0]


def test_train_writes_the_recipe_that_was_typed(run: Path) -> None:
    recipe = RunDirectory.open(run).recipe()
    assert recipe["methods"] == ["grpo", "entropy_advantage:alpha=0.2"]
    assert recipe["credit"]["shapes"][0]["alpha"] == 0.2


def test_eval_compare_and_report(run: Path, base: Path, tmp_path: Path, said: Said) -> None:
    before = {path: path.stat().st_mtime_ns for path in base.rglob("*")}
    for path in (base, *before):
        path.chmod(0o555 if path.is_dir() else 0o444)
    assert evaluate(base) == 0
    assert evaluate(run) == 0
    out, err = said()
    assert "pass@2" in out
    assert "Saved:" in err
    assert {path: path.stat().st_mtime_ns for path in base.rglob("*")} == before
    assert main(["compare", str(base), str(run), "--k", "1,2"]) == 0
    out, _ = said()
    assert "Differences from" in out
    assert "points per million tokens" in out
    assert "below 0.05" in out, "next to nothing was sampled"
    assert main(["compare", str(base), str(run), "--k", "1,2", "--json"]) == 0
    found = json.loads(said()[0])
    assert [len(row["pass@1"]) for row in found["levels"]["rows"]] == [3, 3]
    assert found["costs"]["rows"][0]["points per million tokens"] is None
    assert 0 < found["costs"]["rows"][0]["million tokens"] < 0.05
    assert main(["report", str(base), str(run), "--out", str(tmp_path / "page.html")]) == 0
    assert (tmp_path / "page.html").stat().st_size > 100_000


def test_an_evaluation_goes_where_it_is_asked_to(run: Path, base: Path, tmp_path: Path, said: Said) -> None:
    arguments = ["--out", str(tmp_path / "out"), "--problems", "3", "--json"]
    assert evaluate(base, *arguments) == 0
    found = json.loads(said()[0])
    (file,) = found["files"]
    assert Path(file) == tmp_path / "out" / "evals" / "test3-countdown-demo-T1-len16-n4-seed0.json"
    assert len(Evaluation.load(file).problems) == 3
    assert Evaluation.load(file).judged_by["code"]
    assert evaluate(base, *arguments, "--stop", "done") == 0
    assert len(json.loads(said()[0])["files"]) == 1
    assert len(list((tmp_path / "out" / "evals").glob("*.json"))) == 2, "other stop texts are another evaluation"
    assert evaluate(base, *arguments[:4], "--max-prompt-tokens", "1") == 2
    assert "Every prompt has more than 1 tokens" in said()[1]
    assert evaluate(base, *arguments[:2], "--problems", "0") == 2


@pytest.mark.parametrize(
    ("name", "advised"), [("report", False), ("eval", False), ("prm", False), ("train", True), ("resume", True)]
)
def test_a_full_disk_is_answered_with_what_helps(
    name: str, advised: bool, monkeypatch: pytest.MonkeyPatch, said: Said
) -> None:
    for error in (OSError(errno.ENOSPC, "No space left on device"), DiskFull("The disk is full.")):

        def full(name: str, argv: Sequence[str], error: Exception = error) -> int:
            raise error

        monkeypatch.setattr("forage.cli._run_module", full)
        assert main([name]) == 2
        _, err = said()
        assert "disk is full" in err
        assert ("forage resume" in err) == advised


def test_eval_warns_about_few_samples_and_refuses_none(run: Path, said: Said) -> None:
    assert main(["eval", str(run), "--n", "4", "--k", "1,4", "--threads", "1"]) == 0
    assert "twice k" in said()[1]
    assert main(["eval", str(run), "--n", "4", "--k", "8"]) == 2
    assert "8" in said()[1]


def test_methods_lists_and_explains(said: Said) -> None:
    assert main(["methods"]) == 0
    assert "entropy_advantage" in said()[0]
    assert main(["methods", "entropy_advantage"]) == 0
    out, _ = said()
    assert re.search(r"kappa +2\.0", out)
    assert "2506.14758" in out


def test_doctor_says_what_is_here(said: Said) -> None:
    assert main(["doctor"]) == 0
    out, _ = said()
    for finding in ("python", "torch", "matrix product", "cores", "cache", "extra peft", "device"):
        assert finding in out


def test_doctor_says_what_a_step_of_a_model_takes(
    tiny_base: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("forage.training.forecast.REPEATED", 0.01)
    small = ["--groups", "2", "--group-size", "3", "--prompt-tokens", "8", "--max-tokens", "9", "--threads", "1"]
    assert main(["doctor", str(tiny_base), *small, "--json"]) == 0
    sampling, update, step = json.loads(capsys.readouterr().out)["step"]["rows"]
    assert step["seconds"] == pytest.approx(sampling["seconds"] + update["seconds"])
    assert step["peak GiB"] == max(sampling["peak GiB"], update["peak GiB"]) > 0.05
    assert main(["doctor", str(tiny_base), *small]) == 0
    assert "2 groups of 3 responses of 9 tokens to prompts of 8" in capsys.readouterr().out
    assert main(["doctor", str(tiny_base), *small, "--groups", "0"]) == 2
    assert "at least 1" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["nope"], "no command 'nope'"),
        (["train"], "Which recipe?"),
        (["train", "nope"], "no recipe 'nope'"),
        (["train", "countdown", "--method", "nope"], "no method 'nope'"),
        (["train", "countdown", "--method", "entropy_advantage:alpha=-1"], "alpha"),
        (["train", "countdown", "--method", "entropy_advantage:kappa=1"], "kappa"),
        (["train", "countdown", "--method", "grpo", "--group-size", "1"], "Raise `group_size`"),
        (["train", "countdown", "--steps", "0"], "at least one step"),
        (["train", "countdown", "--lr", "0"], "learning rate"),
        (["train", "countdown", "--temperature", "0"], "temperature"),
        (["train", "countdown", "--model", "./nowhere"], "no model directory at"),
        (["resume", "nowhere"], "no run nowhere"),
        (["eval", "nowhere"], "nowhere does not exist"),
        (["eval", ".", "--k", "one"], "--k takes whole numbers"),
        (["compare", "nowhere", "nowhere"], "nowhere is not a directory"),
        (["report"], "Name at least one"),
        (["methods", "nope"], "no method 'nope'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_input_is_one_sentence_and_code_2(
    arguments: list[str], sentence: str, said: Said, tiny_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    if arguments[:2] == ["train", "countdown"] and "--model" not in arguments:
        arguments = [*arguments, "--model", str(tiny_base)]
    assert main(arguments) == 2
    _, err = said()
    assert sentence in err
    assert "Traceback" not in err
    assert not list(tmp_path.glob("runs/*/checkpoints/*")), "nothing was trained"


def test_an_existing_run_is_refused(run: Path, tiny_base: Path, said: Said) -> None:
    before = (run / "metrics.jsonl").read_bytes()
    assert main(["train", "countdown", "--model", str(tiny_base), "--out", str(run), *SMALL]) == 2
    assert "forage resume" in said()[1]
    assert (run / "metrics.jsonl").read_bytes() == before


def test_a_damaged_checkpoint_is_named_and_nothing_is_lost(run: Path, tmp_path: Path, said: Said) -> None:
    copy = Path(shutil.copytree(run, tmp_path / "copy"))
    weights = RunDirectory.open(copy).latest_checkpoint() / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    assert main(["resume", str(copy)]) == 2
    _, err = said()
    assert "model.safetensors" in err
    assert RunDirectory.open(copy).metrics()[-1]["step"] == 2


def test_a_damaged_recipe_is_named(run: Path, tmp_path: Path, said: Said) -> None:
    copy = Path(shutil.copytree(run, tmp_path / "copy"))
    recipe = json.loads((copy / "recipe.json").read_text())
    recipe["credit"]["shapes"][0]["alpha"] = "much"
    (copy / "recipe.json").write_text(json.dumps(recipe))
    assert main(["resume", str(copy)]) == 2
    assert "alpha" in said()[1]


def test_seeds_of_the_base_stand_on_its_side(
    run: Path, base: Path, tiny_base: Path, tmp_path: Path, said: Said
) -> None:
    """grpo seeds 0 and 1 against entropy advantage: two runs on the base's side, one on the other."""
    seeds = []
    for seed in ("0", "1"):
        out = tmp_path / f"grpo{seed}"
        assert (
            main(
                [
                    "train",
                    "countdown",
                    "--model",
                    str(tiny_base),
                    "--out",
                    str(out),
                    "--steps",
                    "1",
                    "--seed",
                    seed,
                    *SMALL,
                ]
            )
            == 0
        )
        assert evaluate(out) == 0
        seeds.append(str(out))
    assert evaluate(run) == 0
    said()
    assert main(["compare", *seeds, str(run), "--k", "1"]) == 0
    out, _ = said()
    levels, differences = out.split("Differences from grpo,")
    assert re.search(r"^grpo +2 ", levels, re.MULTILINE)
    assert "entropy_advantage" in differences


def test_truncated_sampling_is_kept_apart(run: Path, said: Said) -> None:
    assert evaluate(run) == 0
    plain = sorted((run / "evals").glob("*.json"))
    assert evaluate(run, "--top-p", "0.5") == 0
    assert set(plain) < set((run / "evals").glob("*.json"))
    (found,) = latest_evaluations([run]).values()
    assert found[0].params.top_p == 1


def test_a_run_goes_on_in_a_copy_where_asked_to(run: Path, tmp_path: Path, said: Said) -> None:
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file() and path.name != ".lock"}
    assert main(["resume", str(run), "--steps", "3", "--out", str(tmp_path / "longer")]) == 0
    assert RunDirectory.open(tmp_path / "longer").metrics()[-1]["step"] == 3
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file() and path.name != ".lock"} == before
    said()
    assert main(["resume", str(run), "--out", str(tmp_path / "longer")]) == 2
    assert "exists already" in said()[1]


def test_a_comparison_is_written_where_asked_to(run: Path, tmp_path: Path, said: Said) -> None:
    assert evaluate(run) == 0
    copy = Path(shutil.copytree(run, tmp_path / "copy"))
    said()
    arguments = ["compare", str(run), str(copy), "--k", "1"]
    assert main(arguments) == 0
    printed, _ = said()
    assert main([*arguments, "--out", str(tmp_path / "table.txt")]) == 0
    assert said()[0] == ""
    assert (tmp_path / "table.txt").read_text() == printed
