"""What only refuses or lists does not load torch, and the catalogue read from source is the catalogue."""

import subprocess
import sys
from collections import defaultdict
from itertools import pairwise
from pathlib import Path

import pytest

from forage.cli.method_pages import method_pages
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
    "denominator": {"nsr", "psr", "top_entropy_tokens", "weighted_reinforce"},
    "device": {"process_advantage", "process_reward", "reward_model"},
    "encoder": {"embedding_reward", "memory_r", "pessimistic_reward"},
    "equal": {"rrl", "vineppo"},
    "exploration": {"mcts_dpo", "step_dpo"},
    "gap": {"mcts_dpo", "step_dpo"},
    "grams": {"hicra", "hicra_entropy", "strategy_modes"},
    "kappa": {"entropy_advantage", "hicra_entropy"},
    "key": {"cue", "setpo", "uniqueness"},
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
        assert page.parameters == {key: repr(default) for key, default in method.parameters.items()}


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
