"""Samples written by the real tools, as the fixtures of tests/evaluation/test_external.py.

    python tests/optional/external_samples.py [--trl FOLDER] [--verl FOLDER] [--evals FOLDER]

runs each tool in the environment in its folder (made by tests/optional/trl.py and verl.py; `--evals` is made here, with
lm-eval and inspect-ai) on a world of four problems, and writes what it left behind to tests/evaluation/external/.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
OUT = ROOT / "tests" / "evaluation" / "external"

TRL = """
import sys
from pathlib import Path
from trl import GRPOTrainer
from adapters.trl_world import PROMPTS, even, trainer, write_qwen
place = Path(sys.argv[1])
settings = {"max_steps": 4, "num_iterations": 2, "save_strategy": "steps", "save_steps": 4, "save_only_model": True}
made = trainer(GRPOTrainer, write_qwen(place / "model"), place / "out", log_completions=True, **settings)
made.train()
"""

VERL = """
import sys
from verl.trainer.ppo.v1.trainer_base import PPOTrainer
prompts = [f"What is {n} + 1?" for n in (1, 1, 1, 2, 2, 2)]
answers = ["2", "3", "two, so 2", "3", "4", "5"]
scores = [1.0, 0.0, 1.0, 1.0, 0.0, 0.0]
extra = {"reward": scores, "acc": [score == 1.0 for score in scores], "pred": ["2", "3", "2", "3", "4", "5"]}
for step in (3, 6):
    PPOTrainer._write_generations(prompts, answers, ["2"] * 3 + ["3"] * 3, scores, extra, sys.argv[1], step)

import os
from verl.utils.tracking import FileLogger
os.environ["VERL_FILE_LOGGER_PATH"] = sys.argv[2]
logger = FileLogger("world", "run")
for step, entropy in ((3, 5.7), (6, 5.2)):
    found = {"actor/entropy": entropy, "actor/grad_norm": 0.4, "critic/score/mean": 0.5, "response_length/mean": 1.7}
    logger.log(found, step)
logger.finish()
"""

LM_EVAL_TASK = """
task: sums
dataset_path: json
dataset_kwargs: {data_files: {test: DATA}}
test_split: test
output_type: generate_until
doc_to_text: "{{prompt}}"
doc_to_target: "{{answer}}"
repeats: 4
generation_kwargs: {until: ["."], do_sample: true}
filter_list:
  - name: each
    filter: [{function: take_first_k, k: 4}]
metric_list: [{metric: exact_match, aggregation: mean, higher_is_better: true}]
"""

INSPECT = """
import sys
import tiktoken
tiktoken.get_encoding = lambda name: type("Bytes", (), {"encode": lambda self, text, **_: list(text.encode())})()
from inspect_ai import Task, eval
from inspect_ai.dataset import Sample
from inspect_ai.model import ModelOutput, get_model
from inspect_ai.scorer import match
outputs = [ModelOutput.from_content("mockllm/model", text) for text in ("2", "3", "no idea", "7")]
task = Task(dataset=[Sample(input=f"What is {n} + 1?", target=str(n + 1), id=f"sum-{n}") for n in (1, 2)],
            scorer=match(), epochs=2)
eval(task, model=get_model("mockllm/model", custom_outputs=outputs), log_dir=sys.argv[1], display="none", max_samples=1)
"""


def run(python: Path, program: str, *arguments: str | Path, cwd: Path) -> None:
    paths = os.pathsep.join(str(ROOT / part) for part in ("src", "tests"))
    quiet = {"PYTHONPATH": paths, "HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "CI": "1", "OMP_NUM_THREADS": "1"}
    quiet |= {"TRL_EXPERIMENTAL_SILENCE": "1"}
    command = [str(python), "-c", program, *map(str, arguments)]
    subprocess.run(command, cwd=cwd, env=os.environ | quiet, check=True, stdout=subprocess.DEVNULL)


def evals_environment(place: Path) -> Path:
    python = place / "bin" / "python"
    if not python.exists():
        venv.create(place, with_pip=True)
        torch = [line for line in (ROOT / "requirements.txt").read_text().splitlines() if line.startswith("torch==")]
        subprocess.run([python, "-m", "pip", "install", "--quiet", *torch, "lm-eval==0.4.13", "inspect-ai"], check=True)
    return python


def lm_eval(python: Path, folder: Path) -> None:
    rows = [f'{{"prompt": "Say {word}", "answer": "{word}"}}' for word in ("lol", "other")]
    (folder / "data.jsonl").write_text("\n".join(rows) + "\n")
    (folder / "sums.yaml").write_text(LM_EVAL_TASK.replace("DATA", str(folder / "data.jsonl")))
    flags = ["--model", "dummy", "--tasks", "sums", "--include_path", ".", "--log_samples", "--output_path", "out"]
    program = f"import sys; sys.argv = ['lm_eval', *{flags!r}]; from lm_eval.__main__ import cli_evaluate as go; go()"
    run(python, program, cwd=folder)


def copied(source: Path, target: Path, *patterns: str) -> None:
    """The files that match, at the same places below `target`, which is made anew."""
    shutil.rmtree(target, ignore_errors=True)
    for path in sorted(path for pattern in patterns for path in source.glob(pattern)):
        (target / path.relative_to(source)).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target / path.relative_to(source))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    for name in ("trl", "verl", "evals"):
        parser.add_argument(f"--{name}", type=Path, default=None)
    chosen = parser.parse_args()
    OUT.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary:
        place = Path(temporary)
        if chosen.trl:
            run(chosen.trl / "bin" / "python", TRL, place, cwd=place)
            copied(place / "out", OUT / "trl-1.16", "completions/*.parquet", "checkpoint-4/trainer_state.json")
        if chosen.verl:
            run(chosen.verl / "bin" / "python", VERL, place / "verl", place / "verl" / "log.jsonl", cwd=place)
            copied(place / "verl", OUT / "verl-0.9", "*.jsonl")
        if chosen.evals:
            python = evals_environment(chosen.evals)
            run(python, INSPECT, place / "inspect", cwd=place)
            (found,) = (place / "inspect").glob("*.eval")
            shutil.copy(found, OUT / "inspect-0.3.eval")
            lm_eval(python, place)
            (found,) = (place / "out").rglob("samples_*.jsonl")
            shutil.copy(found, OUT / "samples_sums_2026.jsonl")
    for file in sorted(path for path in OUT.rglob("*") if path.is_file()):
        print(f"{file.relative_to(OUT)}: {file.stat().st_size} bytes")


if __name__ == "__main__":
    sys.path[:] = [entry for entry in sys.path if Path(entry or ".").resolve() != Path(__file__).resolve().parent]
    main()
