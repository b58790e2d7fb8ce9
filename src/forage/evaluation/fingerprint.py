"""What a checkpoint is, whatever it is called: a hash of the files that decide what it samples."""

import hashlib
import json
from pathlib import Path

from forage.core.errors import ForageError

ENDINGS = (".safetensors", ".bin", ".json", ".model", ".txt", ".jinja")

GATES = "latent_gates"
"""The folder of gates beside weights that think partly in embeddings: not all engines could load them from beside."""


def fingerprint(checkpoint: Path) -> str:
    """32 hexadecimal digits over names and contents of the weights, configuration and tokenizer files.

    Only files directly in the folder count, and those of its gates, so evaluations and caches kept below it change
    nothing. Copying or renaming the folder keeps the fingerprint. An adapter's depends on the model below it too, where
    that is a folder. Raises ForageError where there are no weights.
    """
    files = sorted(path for path in checkpoint.glob("*") if path.is_file() and path.name.endswith(ENDINGS))
    if not any(path.name.endswith((".safetensors", ".bin")) for path in files):
        raise ForageError(f"{checkpoint} holds no model weights (*.safetensors): name a checkpoint folder.")
    digest = hashlib.blake2b(digest_size=16)
    for path in [*files, *sorted((checkpoint / GATES).glob("*"))]:
        with path.open("rb") as file:
            content = hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16))
        digest.update(f"{len(path.name)}:{path.name}:".encode() + content.digest())
    if (base := _below(checkpoint)) is not None:
        digest.update(fingerprint(base).encode())
    return digest.hexdigest()


def _below(checkpoint: Path) -> Path | None:
    """The folder of the model that an adapter in peft's format belongs to."""
    config = checkpoint / "adapter_config.json"
    if not config.is_file() or (checkpoint / "config.json").is_file():
        return None
    try:
        base = Path(json.loads(config.read_bytes())["base_model_name_or_path"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return base if base.is_dir() else None
