"""`forage import FILE.gguf`: a model in another program's format as an ordinary model folder."""

from pathlib import Path

from forage.cli.progress import say
from forage.engines.local.gguf_file import import_gguf


def import_command(file: Path, /, *, out: Path) -> None:
    """Writes the model in a GGUF file as an ordinary Hugging Face folder with float32 weights.

    Example: forage import model.gguf --out models/imported

    Args:
        file: The GGUF file; needs the package gguf: pip install 'forage-rl[gguf]'.
        out: Where the result is written. A folder to create.
    """
    made = import_gguf(file, out=out)
    if made.quantized:
        formats = ", ".join(f"{count} tensors in {name}" for name, count in sorted(made.quantized.items()))
        say(
            f"Note: the weights were quantized ({formats}) and are now float32 numbers of the same values: the folder "
            "is larger and no more exact than the file."
        )
    say(f"Saved: {made.folder}")


COMMAND = import_command
