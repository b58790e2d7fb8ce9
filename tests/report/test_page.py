"""The file that `build_report` writes: self-contained, escaped, small, and there even when things are missing."""

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from importlib.resources import files
from pathlib import Path

import pytest

from forage.core.errors import ForageError
from forage.report import build_report
from forage.report.blocks import Figure, Folded, Section
from forage.report.page import figure_data, render
from forage.store.run_directory import RunDirectory
from report import synthetic


class Page(HTMLParser):
    """Elements with their attributes, the scripts' contents, and the text that a reader sees."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.words: list[str] = []
        self.inside = ""
        self.feed(path.read_text(encoding="utf-8"))
        self.text = " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag in ("script", "style"):
            self.inside = tag
            if tag == "script":
                self.scripts.append("")

    def handle_endtag(self, tag: str) -> None:
        if tag in ("script", "style"):
            self.inside = ""

    def handle_data(self, data: str) -> None:
        if self.inside == "script":
            self.scripts[-1] += data
        elif not self.inside:
            self.words.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def test_the_page_is_one_small_file(page: Path) -> None:
    assert page.stat().st_size < 8e6
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")


def test_nothing_is_loaded_from_anywhere(page: Path) -> None:
    parsed = Page(page)
    loads = [
        value
        for _, attributes in parsed.elements
        for name, value in attributes.items()
        if name in ("src", "href", "srcset", "data", "action", "poster", "xlink:href")
    ]
    assert loads
    assert all(value and value.startswith(("#", "data:")) for value in loads)
    style = files("forage.report").joinpath("page.css").read_text(encoding="utf-8")
    assert "url(" not in style
    assert "@import" not in style


def test_the_content_policy_allows_exactly_these_scripts(page: Path) -> None:
    parsed = Page(page)
    policy = next(meta["content"] for meta in parsed.all("meta") if meta.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None
    assert "default-src 'none'" in policy
    allowed = re.findall(r"'sha256-([^']+)'", policy)
    data, *code = parsed.scripts
    assert "figures" in (parsed.all("script")[0].get("id") or "")
    json.loads(data)
    assert allowed == [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in code]
    assert "unsafe" not in policy.split("style-src")[0]


def test_every_figure_has_a_place_and_known_colours(page: Path) -> None:
    parsed = Page(page)
    figures = json.loads(parsed.scripts[0])
    places = {attributes.get("id") for attributes in parsed.all("div") if attributes.get("class") == "plot"}
    assert set(figures) == places
    assert {"pass-at-k", "pass-difference", "temperature-control", "training-reward", "training-bonus-share"} <= places
    style = files("forage.report").joinpath("page.css").read_text(encoding="utf-8")
    script = files("forage.report").joinpath("page.js").read_text(encoding="utf-8")
    named = set(re.findall(r'"\$([a-z0-9]+)(?:@[0-9.]+)?"', parsed.scripts[0] + script))
    assert {"c0", "c1", "ink"} <= named
    for color in named:
        assert len(re.findall(rf"--{color}: #[0-9a-f]{{6}};", style)) == 2, f"{color} in the light and the dark theme"


def test_what_models_and_users_wrote_is_escaped(tmp_path: Path) -> None:
    attack = '</script><img src=x onerror="alert(1)"><script>alert(2)</script>'
    run = synthetic.write_run(tmp_path / "run", [f"grpo{attack}"], 0, steps=4, evaluated=(1.0,))
    rows = [
        row | {"prompt": attack, "pieces": [attack, *row["pieces"][1:]]}
        for row in synthetic.rollout_rows(5, bonus=0, seed=1)
    ]
    with RunDirectory.open(run).lock():
        RunDirectory.open(run).write_rollouts(5, rows)
    parsed = Page(build_report([run], tmp_path / "report.html"))
    assert not parsed.all("img")
    assert len(parsed.scripts) == 3
    assert attack in " ".join(parsed.words)


def test_numbers_that_are_not_finite_become_null() -> None:
    figure = Figure(
        id="f", title="t", traces=[{"y": [1.0, float("nan"), float("inf"), 1 / 3], "name": "</script>&"}], layout={},
        how="", alt="",
    )  # fmt: skip
    text = str(figure_data([figure]))
    assert "<" not in text
    assert "&" not in text
    assert json.loads(text)["f"]["data"][0] == {"y": [1.0, None, None, 0.333333], "name": "</script>&"}


def test_the_same_directories_give_the_same_bytes(lab: list[Path], page: Path, tmp_path: Path) -> None:
    again = build_report(lab, tmp_path / "again.html")
    assert again.read_bytes() == page.read_bytes()


def test_a_section_can_be_added_without_html() -> None:
    section = Section(id="x", title="Mine & yours", blocks=[Folded(title="open", text="<b>")])
    html = render([section], title="t", subject="s")
    assert "Mine &amp; yours" in html
    assert "&lt;b&gt;" in html


# ------------------------------------------------------------------------------------------------------ missing pieces


def test_a_run_that_has_only_begun(tmp_path: Path) -> None:
    run = RunDirectory.create(tmp_path / "run", synthetic.recipe(["grpo"], 0))
    text = Page(build_report([run.path], tmp_path / "report.html")).text
    assert "nothing can be said yet about what training changed" in text
    assert "No metrics have been recorded yet" in text
    assert "No rollouts have been saved yet" in text
    assert "no curves" in text


def test_a_base_alone(tmp_path: Path) -> None:
    base = synthetic.write_base(tmp_path / "base", temperatures=(1.0,))
    parsed = Page(build_report([base], tmp_path / "report.html"))
    assert "without any training run" in parsed.text
    assert "Training" not in [word.strip() for word in parsed.words]


def test_a_torn_last_row_of_metrics_does_not_count(tmp_path: Path) -> None:
    run = synthetic.write_run(tmp_path / "run", ["grpo"], 0, steps=5)
    with (run / "metrics.jsonl").open("a") as file:
        file.write('{"step": 6, "rew')
    text = Page(build_report([run], tmp_path / "report.html")).text
    assert "1 seed, 5 steps" in text
    assert "Left out" not in text


@pytest.mark.parametrize("name", ["metrics.jsonl", "rollouts/step-000005.parquet", "evals/broken.json", "recipe.json"])
def test_what_is_damaged_is_named_and_left_out(tmp_path: Path, name: str) -> None:
    run = synthetic.write_run(tmp_path / "run", ["grpo"], 0, steps=5)
    (run / name).write_text("{broken\n")
    text = Page(build_report([run], tmp_path / "report.html")).text
    assert "could not be read and is left out" in text
    assert Path(name).name in text


def test_directories_without_anything_are_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for directories, said in (
        ([tmp_path / "empty"], "nothing to report"),
        ([tmp_path / "absent"], "is not a directory"),
        ([], "at least one directory"),
    ):
        with pytest.raises(ForageError, match=said):
            build_report(directories, tmp_path / "report.html")
    assert not (tmp_path / "report.html").exists()


def test_an_unwritable_place_is_explained(tmp_path: Path) -> None:
    base = synthetic.write_base(tmp_path / "base", temperatures=(1.0,))
    (tmp_path / "file").write_text("")
    with pytest.raises(ForageError, match=r"report\.html could not be written"):
        build_report([base], tmp_path / "file" / "report.html")
