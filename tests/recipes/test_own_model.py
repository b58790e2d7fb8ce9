"""The pages "start" and "your own model and data", command by command, and what users with their own models meet."""

import json
import re
import shlex
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM

from forage.cli import main
from forage.core.errors import ForageError
from forage.engines.local.policy import LocalPolicy
from forage.grams.gram_list import load_grams
from forage.methods import grpo, kl_penalty
from forage.parts.rewards import Overlong
from forage.recipes import code, countdown, table
from forage.store.run_directory import RunDirectory
from forage.tasks.table import Table
from forage.training.loop import resume, settle, train
from forage.training.recipe import Recipe
from forage.verification.judge import InlineJudge, WorkerJudge
from support.interruptions import metrics_of, train_whole_and_in_parts
from support.own_world import sums, write_model, write_table
from support.said import Said

PAGES = [Path(__file__).parents[2] / "docs" / name for name in ("start.md", "your-own-model.md")]

SMALL = {
    "train": "--steps 1 --groups 2 --group-size 4 --max-tokens 12 --rows 8 --micro-tokens 512 --threads 1 "
    "--matmul highest --verifier-workers 1",
    "eval": "--n 2 --k 1,2 --max-tokens 12 --threads 1",
    "compare": "--k 1,2",
    "prm": "--problems 2 --solutions 2 --continuations 2 --max-tokens 12 --threads 1",
    "doctor": "--groups 2 --group-size 2 --prompt-tokens 8 --max-tokens 12",
}
"""What makes a command of the pages a matter of seconds."""


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)


def commands(page: Path) -> list[str]:
    return [line for block in blocks(page, "sh") for line in block.replace("\\\n", " ").splitlines()]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files that the pages speak of."""
    place = tmp_path_factory.mktemp("own")
    write_model(place / "model")
    write_model(place / "chat-model", chat=True)
    write_table(place / "problems.jsonl", sums())
    write_table(place / "test.jsonl", sums(6, seed=9))
    steps = [{"question": row["prompt"], "solution": f"It is #### {row['answer']}"} for row in sums()]
    write_table(place / "gsm8k.jsonl", steps)
    said = [f"Let us first add {row['prompt'][8:-1]}. So the answer is {row['answer']}." for row in sums()]
    write_table(place / "solutions.jsonl", [{"solution": text} for text in said])
    (place / "messy.csv").write_text(
        "prompt,answer\n" + "".join(f"{row['prompt']},{row['answer']}\n" for row in sums()) + "no answer,\n"
    )
    return place


def judging_in_processes_once(monkeypatch: pytest.MonkeyPatch) -> set[tuple[str, str]]:
    """The first judge of a kind of problems has processes; later ones judge here, for processes take long to start.

    Returns the kinds there were.
    """
    known: set[tuple[str, str]] = set()

    def judge(task: Table, *, unjudged_limit: float, **settings: Any) -> WorkerJudge | InlineJudge:
        kind = (task.verifier.name, task.steps)
        if kind in known:
            return InlineJudge(task, unjudged_limit=unjudged_limit)
        known.add(kind)
        return WorkerJudge(task, unjudged_limit=unjudged_limit, **settings)

    monkeypatch.setattr("forage.verification.judge.WorkerJudge", judge)
    return known


def test_the_pages_can_be_pasted(world: Path, monkeypatch: pytest.MonkeyPatch, said: Said) -> None:
    judged = judging_in_processes_once(monkeypatch)
    monkeypatch.chdir(world)
    monkeypatch.setattr("forage.training.forecast.REPEATED", 0.01)
    start, reference = (commands(page) for page in PAGES)
    assert len(start) > 6
    assert len(reference) > 12
    for line in start + reference:
        program, name, *arguments = shlex.split(line)
        assert program == "forage"
        assert main([name, *arguments, *shlex.split(SMALL.get(name, ""))]) == 0, f"{line}\n{said()[1]}"
    assert judged == {("math", "newline"), ("numeric", "newline"), ("math", "sentence")}
    _, err = said()
    assert "18 train problems and 2 test problems (held out by question)." in err
    assert "1 rows were left out: " in err
    assert "messy.csv, line 22: its answer is empty" in err
    chat = RunDirectory.open(world / "runs/chat")
    (row, *_) = chat.rollouts(1)
    assert row["prompt"].startswith("<system>Reason step by step")
    assert row["prompt"].endswith("<assistant>")
    (row, *_) = RunDirectory.open(world / "runs/plain").rollouts(1)
    assert row["prompt"].startswith("What is")
    merged = AutoModelForCausalLM.from_pretrained(world / "merged")
    assert not any("lora" in name for name in merged.state_dict())
    assert (RunDirectory.open(world / "runs/adapter").latest_checkpoint() / "adapter_model.safetensors").exists()
    assert (world / "labels" / "labels.jsonl").exists()
    assert {"let us first", "the answer is"} & set(load_grams(str(world / "grams.json")).grams)


@pytest.mark.timeout(300)
def test_the_python_of_the_first_page_runs(world: Path, monkeypatch: pytest.MonkeyPatch, said: Said) -> None:
    monkeypatch.chdir(world)
    (source,) = blocks(PAGES[0], "python")
    quick = "steps=1, groups=2, group_size=4, threads=1, matmul='highest', verifier_workers=1"
    for slow, small in (("steps=100", quick), ("max_tokens=1024", "max_tokens=12"), ("n=64", "n=2")):
        assert slow in source
        source = source.replace(slow, small)
    exec(compile(source, PAGES[0].name, "exec"), {})
    assert said()[0].endswith("0\n")


# -------------------------------------------------------------------------------------------------- runs in Python


METHODS = (grpo(), kl_penalty(coefficient=0.05))


def small(world: Path, *, steps: int = 4, method: Any = METHODS, **more: Any) -> Recipe:
    settings: dict[str, Any] = {"data": world / "problems.jsonl", "verifier": "numeric", "lr": 1e-2, **more}
    recipe = table(
        model=str(world / "model"),
        method=method,
        steps=steps,
        groups=3,
        group_size=4,
        max_tokens=12,
        checkpoint_every=2,
        threads=1,
        matmul="highest",
        **settings,
    )
    # So small a model never solves a problem; lengths differ, so this reward lets it learn something.
    return replace(recipe, rewards=(*recipe.rewards, Overlong(limit=12, buffer=10)))


def weights(path: Path) -> bytes:
    return next(RunDirectory.open(path).latest_checkpoint().glob("*model.safetensors")).read_bytes()


@pytest.mark.parametrize(
    "settings",
    [
        {"adapter": "lora:rank=2,alpha=4"},
        {"adapter": "lora:rank=2", "dtype": "bfloat16", "gradient_checkpointing": True},
        {"stop": ("?",), "system": "Be brief."},
    ],
    ids=["adapter", "half-adapter", "stop"],
)
def test_a_resumed_run_is_the_same_run(settings: dict[str, Any], world: Path, tmp_path: Path) -> None:
    whole, parts = train_whole_and_in_parts(small(world, steps=3, **settings), tmp_path, stop_after=2)
    assert json.dumps(metrics_of(whole)) == json.dumps(metrics_of(parts))
    assert weights(whole) == weights(parts)
    assert metrics_of(whole)[-1]["kl_penalty"] > 0


def test_gradient_checkpointing_changes_no_bit(world: Path, tmp_path: Path) -> None:
    train(small(world, steps=2), out=tmp_path / "plain")
    train(small(world, steps=2, gradient_checkpointing=True), out=tmp_path / "recomputed")
    assert weights(tmp_path / "plain") == weights(tmp_path / "recomputed")


def test_an_adapter_begins_at_the_reference_and_leaves_it(world: Path, tmp_path: Path) -> None:
    train(small(world, adapter="lora:rank=4", steps=3), out=tmp_path / "run")
    first, *_, last = metrics_of(tmp_path / "run")
    assert first["kl_penalty"] < last["kl_penalty"]
    assert main(["export", str(tmp_path / "run"), "--merge", "--out", str(tmp_path / "merged")]) == 0
    merged = AutoModelForCausalLM.from_pretrained(tmp_path / "merged")
    below = AutoModelForCausalLM.from_pretrained(world / "model")
    tokens = torch.tensor([[5, 9, 30]])
    assert not torch.allclose(merged(input_ids=tokens).logits, below(input_ids=tokens).logits)


def test_what_the_memory_allows_is_chosen_once_and_recorded(
    world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(metrics: Any) -> None:
        if metrics["step"] == 1:
            raise KeyboardInterrupt

    auto = small(world, steps=2, micro_tokens=None, rows=None)
    assert not train(auto, out=tmp_path / "run", on_step=interrupt).finished
    recorded = RunDirectory.open(tmp_path / "run").recipe()
    assert recorded["optimization"]["micro_tokens"] >= 256
    assert recorded["engine"]["rows"] >= 8
    monkeypatch.setattr("forage.engines.local.engine.free_memory", lambda device: 0)
    settled = settle(auto)
    assert (settled.optimization.micro_tokens, settled.engine.rows) == (256, 8)
    assert settle(replace(auto, engine=replace(auto.engine, rows=3))).engine.rows == 3
    assert resume(tmp_path / "run").finished
    assert RunDirectory.open(tmp_path / "run").recipe() == recorded


def test_every_recipe_takes_what_a_model_of_ones_own_needs(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(world)
    recipe = code(
        model="./model",
        stop=("#",),
        rows=4,
        adapter="lora:rank=2",
        gradient_checkpointing=True,
        dtype="bfloat16",
        trust_remote_code=True,
        cuda_graphs=True,
    )
    assert recipe.model == str(world / "model")
    engine = recipe.engine
    assert (engine.stops, engine.rows, engine.dtype, engine.gradient_checkpointing) == (("#",), 4, "bfloat16", True)
    assert engine.trust_remote_code
    assert engine.cuda_graphs
    assert engine.adapter
    assert engine.adapter.rank == 2
    assert countdown(model="./model").model == str(world / "model")


def test_a_changed_table_is_noticed_on_resume(world: Path, tmp_path: Path, said: Said) -> None:
    table = write_table(tmp_path / "t.jsonl", sums())
    train(small(world, data=table, steps=1), out=tmp_path / "run")
    write_table(table, sums(21))
    assert main(["resume", str(tmp_path / "run")]) == 2
    assert "has changed since this run began" in said()[1]


OWN_CODE = """
from transformers import LlamaConfig, LlamaForCausalLM


class OwnConfig(LlamaConfig):
    model_type = "own-llama"


class OwnForCausalLM(LlamaForCausalLM):
    config_class = OwnConfig
"""


def write_model_with_code(folder: Path, tokenizer: Path) -> Path:
    """A checkpoint that brings its own modelling file, and says in its configuration that it does."""
    torch.manual_seed(0)
    sizes: dict[str, Any] = {"vocab_size": 320, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2}
    heads: dict[str, Any] = {"num_attention_heads": 4, "max_position_embeddings": 256}
    LlamaForCausalLM(LlamaConfig(**sizes, **heads, eos_token_id=0)).save_pretrained(folder)
    for file in tokenizer.glob("tokenizer*"):
        shutil.copy(file, folder)
    (folder / "modeling_own.py").write_text(OWN_CODE)
    own = {"AutoConfig": "modeling_own.OwnConfig", "AutoModelForCausalLM": "modeling_own.OwnForCausalLM"}
    config = json.loads((folder / "config.json").read_text())
    config |= {"model_type": "own-llama", "architectures": ["OwnForCausalLM"], "auto_map": own}
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def test_code_that_comes_with_a_model_runs_only_when_asked_for(
    world: Path, tmp_path: Path, said: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("transformers.dynamic_module_utils.HF_MODULES_CACHE", str(tmp_path / "modules"))
    monkeypatch.setattr(sys, "path", list(sys.path))
    model, run = write_model_with_code(tmp_path / "model", world / "model"), tmp_path / "run"
    command = typed(world, "--model", str(model), "--out", str(run), "--checkpoint-every", "1")
    assert main(command) == 2
    _, err = said()
    assert "contains custom code" in err
    assert "`trust_remote_code`" in err
    assert "[transformers]" not in err
    assert not list(tmp_path.glob("modules/**/modeling_own.py"))
    assert not run.exists()  # so that the same command can be given again
    assert main([*command, "--trust-remote-code"]) == 0
    # The run remembers: its checkpoints bring the code along, and what reads them runs it.
    checkpoint = RunDirectory.open(run).latest_checkpoint()
    assert (checkpoint / "modeling_own.py").exists()
    assert RunDirectory.open(run).recipe()["engine"]["trust_remote_code"] is True
    assert main(["resume", str(run)]) == 0
    assert main(["eval", str(run), *shlex.split(SMALL["eval"])]) == 0
    # A checkpoint that was taken out of its run is a model of somebody.
    stranger = Path(shutil.copytree(checkpoint, tmp_path / "stranger"))
    said()
    table = ["--data", str(world / "problems.jsonl"), "--verifier", "numeric", *shlex.split(SMALL["eval"])]
    assert main(["eval", str(stranger), *table]) == 2
    assert "`trust_remote_code`" in said()[1]
    assert main(["eval", str(stranger), *table, "--trust-remote-code"]) == 0


# ------------------------------------------------------------------------------------------------------- sentences


def typed(world: Path, *more: str) -> list[str]:
    given = ["train", "table", *shlex.split(SMALL["train"]), *more]
    given += [] if "--model" in more else ["--model", str(world / "model")]
    return given + ([] if "--data" in more else ["--data", str(world / "problems.jsonl")])


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (["--model", "./nowhere"], "There is no model directory at ./nowhere"),
        (["--data", "nowhere.jsonl"], "There is no table at"),
        (["--verifier", "magic"], "There is no verifier 'magic'"),
        (["--adapter", "dora"], "There is no adapter 'dora'"),
        (["--adapter", "lora:rank=0"], "rank of 1 or more"),
        (["--test-share", "1.5"], "lies in [0, 1)"),
        (["--max-tokens", "255"], "leave no room for a response of 255 tokens in the model's 256 positions"),
        (["--max-prompt-tokens", "2"], "Every prompt has more than 2 tokens"),
        (["--prompt-column", "question"], "line 1: it has no 'question', only 'prompt', 'answer'"),
        (["--template", "chat"], "no chat template"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_input_is_one_sentence(
    more: list[str], sentence: str, world: Path, tmp_path: Path, said: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(typed(world, *more)) == 2
    _, err = said()
    assert sentence in err
    assert "Traceback" not in err


def test_a_tokenizer_of_another_model_is_noticed(world: Path, tmp_path: Path, said: Said) -> None:
    odd = Path(shutil.copytree(world / "model", tmp_path / "odd"))
    tokenizer = json.loads((odd / "tokenizer.json").read_text())
    size = len(tokenizer["model"]["vocab"])
    tokenizer["model"]["vocab"].update({f"more{n}": size + n for n in range(5)})
    (odd / "tokenizer.json").write_text(json.dumps(tokenizer))
    assert main(typed(world, "--model", str(odd), "--out", str(tmp_path / "run"))) == 2
    assert f"knows {size + 5} tokens and the model has embeddings for {size}" in said()[1]


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB."),
        RuntimeError("[enforce fail at alloc_cpu.cpp:118] err == 0. DefaultCPUAllocator: can't allocate memory: you"),
        MemoryError(),
    ],
    ids=["cuda", "cpu", "python"],
)
def test_the_end_of_memory_says_what_to_lower(
    error: Exception, world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def improve(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr(LocalPolicy, "improve", improve)
    with pytest.raises(ForageError, match=r"memory is not enough.*micro_tokens.*rows.*gradient_checkpointing"):
        train(small(world, steps=1), out=tmp_path / "run")


def test_eval_asks_for_what_only_the_user_knows(world: Path, tmp_path: Path, said: Said) -> None:
    model, table = str(world / "model"), str(world / "problems.jsonl")
    assert main(["eval", model, "--data", table]) == 2
    assert "--verifier math" in said()[1]
    assert main(["eval", model, "--verifier", "math"]) == 2
    assert "--verifier goes with --data FILE" in said()[1]
    assert main(["eval", model, "--task", "countdown", "--data", table, "--verifier", "math"]) == 2
    assert "not both" in said()[1]


def test_eval_of_a_run_says_what_it_was_trained_on(world: Path, tmp_path: Path, said: Said) -> None:
    train(small(world, steps=1), out=tmp_path / "run")
    evaluate = ["eval", str(tmp_path / "run"), *shlex.split(SMALL["eval"])]
    assert main([*evaluate, "--data", str(world / "problems.jsonl")]) == 0
    assert "18 of 20 test problems are training problems too" in said()[1]


def test_export_refuses_what_makes_no_sense(world: Path, tmp_path: Path, said: Said) -> None:
    assert main(["export", str(world / "model"), "--merge", "--out", str(tmp_path / "m")]) == 2
    assert "no adapter to merge" in said()[1]
    assert main(["export", str(world / "model"), "--out", str(tmp_path)]) == 2
    assert "exists already" in said()[1]
    assert main(["export", str(world / "model"), "--out", str(tmp_path / "copy")]) == 0
    assert (tmp_path / "copy" / "model.safetensors").exists()
