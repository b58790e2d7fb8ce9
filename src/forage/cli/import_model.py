"""`forage import FILE.gguf`: a model in another program's format as an ordinary model folder."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import tyro
from rich.console import Console

from forage.engines.local.gguf_file import import_gguf


def import_command(file: Annotated[Path, tyro.conf.Positional], /, *, out: Path) -> None:
    """Writes the model in a GGUF file as an ordinary Hugging Face folder with float32 weights.

    Args:
        file: the GGUF file; needs the package gguf: pip install 'forage-rl[gguf]'.
        out: folder to create.
    """
    made = import_gguf(file, out=out)
    console = Console(stderr=True)
    if made.quantized:
        formats = ", ".join(f"{count} tensors in {name}" for name, count in sorted(made.quantized.items()))
        console.print(
            f"Note: the weights were quantized ({formats}) and are now float32 numbers of the same values: the folder "
            "is larger and no more exact than the file.",
            highlight=False,
            soft_wrap=True,
        )
    console.print(f"Saved: {made.folder}", highlight=False, soft_wrap=True)


def run(argv: Sequence[str]) -> int:
    tyro.cli(import_command, prog="forage import", args=argv)
    return 0
