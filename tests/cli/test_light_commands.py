"""What only refuses or lists does not load torch, and the catalogue read from source is the catalogue."""

import json
import re
import subprocess
import sys
from collections import defaultdict
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from forage.cli.method_pages import MAP, measured_in_short, method_pages
from forage.cli.method_settings import SETTINGS, explained, key_of
from forage.cli.recipe_flags import RECIPE_NAMES
from forage.methods import METHODS
from forage.recipes import RECIPES

LIGHT = """
import sys
from forage.cli import main
print(main({!r}), sorted({{"torch", "transformers"}} & set(sys.modules)))
"""

ALIKE = {
    "at": {"entropy_advantage", "hicra_entropy"},
    "clip": {
        "ce_gppo",
        "clip_cov",
        "dr_grpo",
        "maxrl",
        "nsr",
        "psr",
        "rloo",
        "tailrl",
        "tree_credit",
        "vineppo",
        "weighted_reinforce",
    },
    "clip_high": {"cispo", "dapo", "grpo", "gspo", "ppo"},
    "clip_low": {"cispo", "dapo", "grpo", "gspo", "ppo"},
    "continuations": {"rrl", "vineppo"},
    "critic_epochs": {"etpo", "ppo"},
    "critic_lr_ratio": {"etpo", "ppo"},
    "critic_warmup": {"etpo", "ppo"},
    "denominator": {"nsr", "psr", "top_entropy_tokens", "weighted_reinforce"},
    "device": {"process_advantage", "process_reward", "reward_model", "soft_rllf"},
    "encoder": {"embedding_reward", "memory_r", "pessimistic_reward"},
    "equal": {"rrl", "vineppo"},
    "exploration": {"mcts_dpo", "step_dpo"},
    "gap": {"mcts_dpo", "step_dpo"},
    "grams": {"hicra", "hicra_entropy", "strategy_modes"},
    "kappa": {"entropy_advantage", "hicra_entropy"},
    "key": {"cue", "setpo", "uniqueness"},
    "mark": {"barl", "progress_reward"},
    "model": {"process_advantage", "process_reward", "reward_model"},
    "outcome": {"embedding_reward", "pessimistic_reward", "process_advantage", "process_reward", "reward_model"},
    "power": {"lambda_grpo", "tree_credit"},
    "preferences": {"embedding_reward", "pessimistic_reward"},
    "roots": {"entro_duction", "step_dpo"},
    "scale": {"hicra", "hicra_entropy", "passk", "reinforce_ada"},
    "share": {"mode_coverage", "rrl", "satori"},
    "slots": {"mode_coverage", "mode_replay", "success_replay"},
    "weight": {"embedding_reward", "pessimistic_reward", "process_advantage", "process_reward", "reward_model"},
}
"""Methods that mean the same by a setting of this name."""


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--help"], 0),
        (["--version"], 0),
        (["nosuch"], 2),
        (["methods"], 0),
        (["methods", "rrl"], 0),
        (["methods", "nosuch"], 2),
        (["train"], 2),
        (["train", "--help"], 0),
        (["train", "nosuch"], 2),
        (["train", "table", "--model", "m", "--data", "EMPTY"], 2),
        (["train", "table", "--model", "m", "--data=EMPTY"], 2),
        (["train", "table", "--model", "m", "--data", "nosuch.jsonl"], 2),
        (["train", "table", "--model", "m", "--data", "TABLE", "--answer_column", "nosuch"], 2),
        (["bench"], 2),
        (["bench", "nosuch"], 2),
        (["resume", "nosuch"], 2),
    ],
    ids=lambda each: " ".join(each) if isinstance(each, list) else "",
)
def test_what_refuses_or_lists_does_not_load_torch(arguments: list[str], code: int, tmp_path: Path) -> None:
    (tmp_path / "empty.jsonl").write_text("")
    (tmp_path / "table.jsonl").write_text('{"prompt": "1 + 1", "answer": "2"}\n')
    names = {"EMPTY": "empty.jsonl", "TABLE": "table.jsonl"}
    for name, file in names.items():
        arguments = [each.replace(name, str(tmp_path / file)) for each in arguments]
    done = subprocess.run([sys.executable, "-c", LIGHT.format(arguments)], capture_output=True, text=True)
    assert done.stdout.splitlines()[-1:] == [f"{code} []"], done.stderr
    assert "Traceback" not in done.stderr


def test_a_table_that_can_be_used_is_not_refused_early(tmp_path: Path) -> None:
    from forage.cli.recipe_flags import refuse_table

    (tmp_path / "table.jsonl").write_text('{"q": "1 + 1", "a": "so: 2"}\n{"q": "bad"}\n')
    flags = ["--model", "m", "--prompt-column", "q", "--answer_column=a", "--answer-after", ":", "--skip-bad-rows"]
    refuse_table(["--data", str(tmp_path / "table.jsonl"), "--test-share", "0", *flags, "--steps", "3"])

    (tmp_path / "of_a_spreadsheet.csv").write_bytes("prompt;answer\n1 + 1 für?;2\n".encode("cp1252"))
    written = ["--delimiter", "semicolon", "--encoding=cp1252", "--test_share", "0"]
    refuse_table([f"--data={tmp_path / 'of_a_spreadsheet.csv'}", *written])


def test_the_pages_are_the_catalogue() -> None:
    pages = method_pages()
    assert set(pages) == set(METHODS)
    for name, method in METHODS.items():
        page = pages[name]
        assert (page.kind, page.seam, page.paper) == (method.kind, method.seam, method.paper)
        assert (page.control_of, page.description) == (method.control_of, method.description)
        assert page.needs == method.needs
        assert page.parameters == {key: repr(default) for key, default in method.parameters.items()}


def test_what_was_measured_is_shown_in_short() -> None:
    pages = method_pages()
    short = {name: measured_in_short(page) for name, page in pages.items() if page.kind != "control"}
    assert not [text for text in short.values() if text.count("(") != text.count(")") or "findings" in text]
    assert measured_in_short(replace(pages["satori"], measured="Not measured in training.")) == "no"
    assert re.fullmatch(r"Graph coloring, 5 seeds, minus Dr\. GRPO: pass@1 \S+ \[\S+, \S+\]", short["cue"])
    assert "`" not in short["passk"]
    assert [re.findall(r"`(\w+)`", short[name]) for name in ("nsr", "psr", "weighted_reinforce")] == [
        ["nsr"],
        ["psr"],
        ["weighted_reinforce"],
    ]
    assert short["lambda_grpo"].startswith("Graph coloring, two seeds: no difference from Dr. GRPO")


def test_the_map_of_methods_has_them_all_by_family(capsys: pytest.CaptureFixture[str]) -> None:
    from forage.cli import main

    assert main(["methods", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    algorithms, measured, controls = (shown.pop(name) for name in ("algorithms", "measured", "control"))
    assert next(iter(shown)) == "Algorithms"
    rows = {row["method"]: row for family in shown.values() for row in family["rows"]}
    kinds = {name: method.kind for name, method in METHODS.items()}
    assert set(rows) == set(measured) == {name for name, kind in kinds.items() if kind != "control"}
    assert {row["method"] for row in controls["rows"]} == {name for name, kind in kinds.items() if kind == "control"}
    assert set(algorithms) == {name for name, kind in kinds.items() if kind == "algorithm"}
    for name, row in rows.items():
        assert (row["needs"] or "") == METHODS[name].needs
        own = [other for other, method in METHODS.items() if method.control_of == name]
        assert (row["controls"] or "") == ", ".join(own)
    assert "strategy_modes" in [row["method"] for row in shown["Several right answers"]["rows"]]
    assert rows["kl_cov"]["evidence"] == "P M"


@pytest.mark.parametrize("width", [80, 120])
def test_the_map_of_methods_fits(
    width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from forage.cli import main

    monkeypatch.setenv("COLUMNS", str(width))
    assert main(["methods"]) == 0
    *lines, last = capsys.readouterr().out.splitlines()
    assert "--method NAME" in last
    assert max(map(len, lines)) <= width


def test_a_method_that_no_document_describes_is_shown_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from forage.cli import main

    entries = json.loads(MAP.read_text())
    del entries["rrl"]
    (tmp_path / "map.json").write_text(json.dumps(entries))
    monkeypatch.setattr("forage.cli.method_pages.MAP", tmp_path / "map.json")
    assert main(["methods", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)["Other methods"]["rows"]
    assert (row["method"], row["needs"], row["evidence"], row["measured"]) == ("rrl", "step ends", None, "no")
    assert main(["methods", "rrl"]) == 0
    assert "Family:" not in capsys.readouterr().out


def test_the_page_of_a_method_says_what_surrounds_it(capsys: pytest.CaptureFixture[str]) -> None:
    from forage.cli import main

    assert main(["methods", "satori"]) == 0
    shown = capsys.readouterr().out
    assert "Family: Restarts and replay (docs/methods/replay.md)." in shown
    assert "Needs, beyond a verdict: step ends." in shown
    assert "Measured: Lookup, 5 seeds" in shown
    assert main(["methods", "clip_cov"]) == 0
    shown = capsys.readouterr().out
    assert "Evidence: published [P]." in shown
    assert "Needs" not in shown
    assert main(["methods", "cue_shuffled"]) == 0
    assert "Needs, beyond a verdict: modes." in capsys.readouterr().out


def test_every_setting_is_explained_and_nothing_else() -> None:
    asked = [(key, name, method.control_of) for name, method in METHODS.items() for key in method.parameters]
    assert all(explained(*one) for one in asked)
    assert {key_of(*one) for one in asked} == set(SETTINGS)


def test_settings_of_one_name_mean_one_thing_or_are_explained_apart() -> None:
    """A line without a method's name is read by every method with such a setting, so these have been read together."""
    users: defaultdict[str, set[str]] = defaultdict(set)
    for name, method in METHODS.items():
        for key in method.parameters:
            users[key_of(key, name, method.control_of)].add(method.control_of or name)
    for key, families in users.items():
        assert len(families) == 1 or families == ALIKE[key], key


@pytest.mark.parametrize(
    ("method", "setting", "word"),
    [
        ("top_entropy_tokens", "share", "tokens"),
        ("random_entropy_tokens", "share", "tokens"),
        ("clip_cov", "share", "tokens"),
        ("kl_cov", "share", "tokens"),
        ("cue", "alpha", "frequency"),
        ("uniqueness", "alpha", "cluster"),
        ("mode_diversity", "alpha", "frequency"),
        ("unlikeliness", "beta", "likeliest"),
        ("setpo", "weight", "siblings"),
    ],
)
def test_a_setting_is_explained_by_what_the_method_does_with_it(method: str, setting: str, word: str) -> None:
    assert word in explained(setting, method, METHODS[method].control_of)


@pytest.mark.parametrize("width", [60, 80, 100])
def test_a_page_wraps_its_lines_once(
    width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from forage.cli import main

    monkeypatch.setenv("COLUMNS", str(width))
    assert main(["methods", "rrl"]) == 0
    lines = capsys.readouterr().out.split("\n\n", 1)[1].split("Controls:")[0].strip().splitlines()
    ensure_group = [len(f"{line} {following.split()[0]}") for line, following in pairwise(lines)]
    short = [line for line, length in zip(lines, ensure_group, strict=False) if length <= width]
    assert len(short) <= 1, f"only the end of a paragraph may leave room for the next word: {short}"


def test_the_recipes_have_their_names() -> None:
    assert tuple(RECIPES) == RECIPE_NAMES
