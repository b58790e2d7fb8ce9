"""`forage doctor`: what this machine has, which choices follow, and what would fail."""

import importlib.metadata
import importlib.util
import os
import platform
import shutil
from collections.abc import Iterator, Sequence

import torch
import tyro
from rich.console import Console
from rich.table import Table

from forage.engines.local.numerics import choose_matmul
from forage.recipes.tiny_model import cache_directory

PARTS = ("torch", "transformers", "tokenizers", "safetensors", "numpy", "pyarrow", "tyro", "rich", "plotly", "jinja2")


def doctor() -> None:
    """Prints versions, cores, devices, the matrix product that was measured fastest, and free disk space."""
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    for name, finding in findings():
        table.add_row(name, finding)
    Console().print(table, highlight=False)


def findings() -> Iterator[tuple[str, str]]:
    yield "forage", importlib.metadata.version("forage-rl")
    yield "python", f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    for name in PARTS:
        yield name, _version(name)
    yield "cores", f"{len(os.sched_getaffinity(0))} usable; torch uses {torch.get_num_threads()} threads by default"
    yield "device", _device()
    probe = choose_matmul()
    yield "matrix product", f"{probe.chosen}: {probe.reason}"
    cache = cache_directory()
    existing = next(path for path in (cache, *cache.parents) if path.exists())
    yield "cache", f"{cache} ({shutil.disk_usage(existing).free / 2**30:.1f} GiB free)"
    browser = shutil.which("chromium") and shutil.which("chromedriver")
    yield "browser test", "can run" if browser else "is skipped: chromium and chromedriver are not installed"


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "MISSING: run `make install`"


def _device() -> str:
    if torch.cuda.is_available():
        return f"{torch.cuda.get_device_name(0)} (use --device cuda)"
    return "cpu; no GPU is needed"


def run(argv: Sequence[str]) -> int:
    tyro.cli(doctor, prog="forage doctor", args=argv)
    return 0
