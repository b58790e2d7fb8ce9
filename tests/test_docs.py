"""What the documents say is executed: a reader can paste it."""

import importlib
import json
import re
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import cast

import pytest

import forage
from forage.base_models.colouring import ColoringBase
from forage.base_models.countdown import SIZES
from forage.base_models.tiny_model import build
from forage.bench.fork_server import ForkServer
from forage.cli import COMMANDS, main
from forage.cli.demo import METHODS as ARMS
from forage.methods import METHODS, parse
from forage.methods.catalogue import Applied
from forage.store.run_directory import RunDirectory
from forage.tasks.colouring import graphs
from forage.tasks.countdown import Countdown
from support import method_map
from support.forked_servers import SetAside

ROOT = Path(__file__).parent.parent


def blocks(document: str, language: str = "python") -> list[str]:
    """The blocks of a language in a Markdown file, in order."""
    return re.findall(rf"^```{language}\n(.*?)^```", (ROOT / document).read_text(), re.MULTILINE | re.DOTALL)


def commands(document: str) -> list[list[str]]:
    """The words of every `forage` command in the shell blocks of a Markdown file."""
    lines = [line for block in blocks(document, "sh") for line in block.replace("\\\n", " ").splitlines()]
    return [words[1:] for line in lines if (words := shlex.split(line, comments=True))[:1] == ["forage"]]


@pytest.fixture(scope="module")
def coloring(tmp_path_factory: pytest.TempPathFactory) -> Path:
    settings = ColoringBase(steps=8, traces=768, layers=1, hidden=32, heads=2, head_dim=16, inner=48)
    return build(settings, tmp_path_factory.mktemp("coloring") / "base", progress=False)


@pytest.fixture
def lab(tiny_base: Path, coloring: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache in which models of seconds stand in for the bases of toy tasks; returns that of the demo's size."""
    for settings, model in ((ColoringBase(), coloring), (SIZES["demo"], tiny_base)):
        place = tmp_path / "home" / f"{settings.label}-{settings.digest()}"
        shutil.copytree(model, place)
        record = json.loads((place / "base.json").read_text())
        (place / "base.json").write_text(json.dumps({**record, "digest": settings.digest()}))
    monkeypatch.setenv("FORAGE_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    return place


def run(source: str, name: str, namespace: dict[str, object]) -> None:
    code = compile(source, name, "exec")
    exec(code, namespace)


def test_the_readme_example_runs(lab: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (example,) = blocks("README.md")
    assert len(example.strip().splitlines()) <= 12
    assert "steps=64)" in example
    run(example.replace("steps=64)", "steps=4, threads=1)"), "README.md", {})
    assert "problems solved at least once in 64 samples" in capsys.readouterr().out
    assert Path("runs/readme/report.html").exists()


def test_the_calculator_answers(lab: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page's example as a module, whose last lines run with fewer steps; the calculator is always right."""
    (example,) = blocks("docs/turns.md")
    source = example.replace('if __name__ == "__main__":', "def main():").replace("steps=60", "steps=1, threads=1")
    (tmp_path / "calculating.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    importlib.import_module("calculating").main()
    rows = RunDirectory.open(Path("runs/calculator")).rollouts(1)
    replies = [(row["pieces"], first, last) for row in rows for first, last in row["given"]]
    assert len(replies) > 8
    for pieces, first, last in replies:
        *_, left, sign, right, _ = "".join(pieces[:first]).split()
        a, b = int(left), int(right)
        assert int("".join(pieces[first:last])) == {"+": a + b, "-": a - b, "*": a * b}[sign]


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


PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
README_LINES = 80
LINE = 120
LABELS = ("Equation", "Use", "Parts", "When it fails", "Measured")
"""What the section of every method has, in this order, after the idea and before the controls."""


def prose(page: Path) -> list[str]:
    """The lines of a page outside fenced blocks."""
    return re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL).splitlines()


def method_sections() -> dict[str, str]:
    """The text of the section whose heading names a method."""
    return {name: section for page in method_map.pages() for name, section in method_map.sections(page).items()}


@pytest.mark.parametrize("name", [name for name, method in METHODS.items() if method.kind != "control"])
def test_every_method_has_a_section_with_all_that_a_reader_asks_for(name: str) -> None:
    section = method_sections()[name]
    labels = re.findall(r"^\*\*([\w ]+)\.\*\*", section, re.MULTILINE)
    controls = [other for other, method in METHODS.items() if method.control_of == name]
    assert tuple(labels) == ((*LABELS, "Controls") if controls else LABELS)
    idea = section.split("\n", 1)[1].split("**Equation.**")[0]
    assert idea.strip().endswith("."), "a section opens with the idea"
    assert f"--method {name}" in section
    assert re.search(r"`methods\.\w+\(", section)
    missing = [other for other in controls if not re.search(rf"^- `{other}`: ", section, re.MULTILINE)]
    assert not missing, "a control is one line in the section of its method"


def test_the_settings_of_methods_that_documents_type_exist() -> None:
    typed = [text for page in PAGES for text in re.findall(r"--method ([\w:=.,+\-]+)", page.read_text())]
    added_by_the_worked_example = ("late_credit", "late_credit:gain=0.1")
    assert len(typed) > 60
    for text in typed:
        if (name := text.rstrip(".,")) not in added_by_the_worked_example:
            parse(name, METHODS)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_page_opens_with_what_it_is_for_and_keeps_to_the_width(page: Path) -> None:
    title, blank, first, *_ = page.read_text().split("\n")
    assert title.startswith("# ")
    assert not blank
    assert re.match(r"[A-Z*\[]", first), "a sentence comes right after the title"
    assert re.search(r"[.:]$", page.read_text().split("\n\n")[1].strip("*")), "the first paragraph is no sentence"
    # A row of a table is one line in Markdown, however long.
    too_long = [n for n, line in enumerate(page.read_text().split("\n"), 1) if len(line) > LINE and line[0] != "|"]
    assert not too_long, f"lines of more than {LINE} characters: {too_long}"


def test_the_readme_fits_on_a_screen() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= README_LINES


def slug(heading: str) -> str:
    """The anchor that GitHub gives a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def test_files_that_documents_name_exist() -> None:
    """A path is from the root of the repository, or from the package's."""
    worked_example = "late_credit.py"
    missing = [
        (document.name, path)
        for document in PAGES
        for path in re.findall(r"`((?:[\w.-]+/)+[\w.-]+\.(?:py|sh))\b", document.read_text())
        if not path.endswith(worked_example) and not any((ROOT / top / path).exists() for top in (".", "src/forage"))
    ]
    assert not missing


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_between_documents_lead_somewhere(page: Path) -> None:
    for target, _, anchor in re.findall(r"\]\((?!https?:)([^)#]*)(#([^)]+))?\)", "\n".join(prose(page))):
        other = page.parent / target if target else page
        assert other.exists(), f"{page.name} links to {target}"
        headings = [slug(line.lstrip("# ")) for line in prose(other) if line.startswith("#")] if anchor else [""]
        assert anchor in headings, f"{page.name} links to a heading that {other.name} has not: {anchor}"


SMALL = {
    ("prm", "label"): "--problems 8 --solutions 2 --continuations 2 --max-tokens 24 --threads 1",
    ("prm", "train"): "--epochs 1 --held-out 0.5 --threads 1",
    ("eval",): "--n 8 --k 1,8 --max-tokens 12 --threads 1",
    ("prm", "rank"): "--k 1,4,8 --threads 1",
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


def test_the_demo_runs_and_goes_on_where_it_stopped(
    lab: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, set_aside: SetAside
) -> None:
    arms = (ARMS[0], ARMS[-1])  # half of the demo
    monkeypatch.setattr("forage.bench.train.ForkServer", lambda: ForkServer(launch=set_aside.launch))
    monkeypatch.setattr("forage.cli.demo.METHODS", arms)
    monkeypatch.setattr("forage.tasks.colouring.test_graphs", lambda amount: graphs.test_graphs(min(amount, 64)))
    small = ["demo", "--out", "runs/demo", "--steps", "2", "--n", "4", "--json"]
    assert main(small) == 0
    rows = json.loads(capsys.readouterr().out)["exact"]["rows"]
    assert [row["policy"] for row in rows] == ["base", *(name for name, _ in arms)]
    assert all(0 < row["pass@1"][0] < row["pass@8"][0] < row["distinct@8"][0] for row in rows)
    page = Path("runs/demo/report.html")
    first = page.stat().st_mtime_ns
    weights = {path: path.read_bytes() for path in Path("runs/demo").rglob("model.safetensors")}
    assert len(weights) == 2  # one for each run
    assert main(small) == 0
    assert page.stat().st_mtime_ns > first
    assert weights == {path: path.read_bytes() for path in Path("runs/demo").rglob("model.safetensors")}
