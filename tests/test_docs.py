"""What the documents say is executed: a reader can paste it."""

import json
import re
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import cast

import pytest

import forage
from forage.base_models.countdown import SIZES
from forage.cli import COMMANDS, main
from forage.methods import METHODS
from forage.methods.catalogue import Applied
from forage.tasks.countdown import Countdown

ROOT = Path(__file__).parent.parent


def blocks(document: str, language: str = "python") -> list[str]:
    """The blocks of a language in a Markdown file, in order."""
    return re.findall(rf"^```{language}\n(.*?)^```", (ROOT / document).read_text(), re.MULTILINE | re.DOTALL)


def commands(document: str) -> list[list[str]]:
    """The words of every `forage` command in the shell blocks of a Markdown file."""
    lines = [line for block in blocks(document, "sh") for line in block.splitlines()]
    return [words[1:] for line in lines if (words := shlex.split(line, comments=True))[:1] == ["forage"]]


@pytest.fixture
def lab(tiny_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache in which a model of seconds stands in for the demo's base, and a folder to work in."""
    place = tmp_path / "home" / f"base-demo-{SIZES['demo'].digest()}"
    shutil.copytree(tiny_base, place)
    record = json.loads((place / "base.json").read_text())
    (place / "base.json").write_text(json.dumps({**record, "digest": SIZES["demo"].digest()}))
    monkeypatch.setenv("FORAGE_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    return place


def run(source: str, name: str, namespace: dict[str, object]) -> None:
    code = compile(source, name, "exec")
    exec(code, namespace)


def test_the_readme_example_runs(lab: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (example,) = blocks("README.md")
    assert len(example.strip().splitlines()) <= 12
    run(example, "README.md", {})
    assert "problems solved at least once in 64 samples" in capsys.readouterr().out
    assert Path("runs/readme/report.html").exists()


def test_the_worked_example_adds_a_method(tmp_path: Path) -> None:
    namespace: dict[str, object] = {"__name__": "worked_example"}
    for block in blocks("CONTRIBUTING.md"):
        run(block, "CONTRIBUTING.md", namespace)
    added = cast(Callable[..., Applied], namespace["late_credit"])
    recipe = forage.Recipe(name="toy", model="none", task=Countdown(size="demo"), methods=())
    changed = added(gain=0.1)(METHODS["grpo"]()(recipe))
    assert type(changed.credit.shapes[-1]).__name__ == "LateCredit"


def test_the_readme_names_commands_that_exist() -> None:
    text = (ROOT / "README.md").read_text()
    named = set(re.findall(r"^forage (\w+)", text, re.MULTILINE))
    assert named
    assert named <= set(COMMANDS)


def test_every_method_has_a_page() -> None:
    text = "".join(page.read_text() for page in sorted((ROOT / "docs" / "methods").glob("*.md")))
    assert not [name for name in METHODS if f"`{name}`" not in text]


def test_files_that_documents_name_exist() -> None:
    """A path is from the root of the repository, or from the package's."""
    worked_example = "late_credit.py"
    missing = [
        (document.name, path)
        for document in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")]
        for path in re.findall(r"`((?:[\w.-]+/)+[\w.-]+\.(?:py|sh))\b", document.read_text())
        if not path.endswith(worked_example) and not any((ROOT / top / path).exists() for top in (".", "src/forage"))
    ]
    assert not missing


def test_links_between_documents_lead_somewhere() -> None:
    for document in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")]:
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", document.read_text()):
            assert (document.parent / target).exists(), f"{document.name} links to {target}"


SMALL = {
    ("prm", "label"): "--problems 8 --solutions 2 --continuations 2 --max-tokens 24 --threads 1",
    ("prm", "train"): "--epochs 1 --held-out 0.5 --threads 1",
    ("eval",): "--max-tokens 12 --threads 1",
    ("prm", "rank"): "--threads 1",
    ("train",): "--steps 1 --groups 2 --group-size 4 --max-tokens 24 --threads 1",
}
"""What makes the commands of a page a matter of seconds."""


def test_the_life_cycle_of_a_process_model_runs_as_written(lab: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(lab, "runs/prm/base")
    for words in commands("docs/process-rewards.md"):
        less = next((flags for name, flags in SMALL.items() if tuple(words[: len(name)]) == name), "")
        assert main([*words, *less.split()]) == 0, capsys.readouterr().err
    page = Path("runs/prm/raft/report.html").read_text()
    for told in ("Choosing one of n samples", "Do the scores mean what they say?", "held-out labels", "puts first"):
        assert told in page
    assert "too few steps to say" in page


def test_the_demo_runs_and_goes_on_where_it_stopped(lab: Path) -> None:
    small = ["demo", "--out", "runs/demo", "--steps", "2", "--n", "4"]
    assert main(small) == 0
    page = Path("runs/demo/report.html")
    first = page.stat().st_mtime_ns
    weights = {path: path.read_bytes() for path in Path("runs/demo").rglob("model.safetensors")}
    assert len(weights) == 4
    assert main(small) == 0
    assert page.stat().st_mtime_ns > first
    assert weights == {path: path.read_bytes() for path in Path("runs/demo").rglob("model.safetensors")}
