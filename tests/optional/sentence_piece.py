"""Checkpoints whose tokenizer is a SentencePiece file alone, for real: are the tokens SentencePiece's own?

    python tests/optional/sentence_piece.py [--packages FOLDER]

installs sentencepiece and protobuf into a folder of their own (below the temporary one unless named; kept for the next
time), trains small models with it (Unigram and BPE, with and without the space before a text, with byte fallback, with
SentencePiece's usual normalization), and compares for a thousand random texts: the tokens, the text that each of them
holds (SentencePiece tells it), and both again after the checkpoint was saved. Then trains a model with such a tokenizer
for a step, from the command line. Needs a package index the first time.
"""

import argparse
import io
import json
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
TEXTS = [
    "the quick brown fox jumps over the lazy dog",
    "What is 13 + 24? The answer is 37.",
    "naïve café, a fox is a fox",
    "x = (a * b) - c; return x",
]
ALPHABET = [*"abcfox the=+*.,é0123456789", "日", "本", "🙂", "Ω", "\n", "  ", "fox ", "the ", "ß", "answer"]
KINDS: dict[str, dict[str, Any]] = {
    "bpe": {"model_type": "bpe", "remove_extra_whitespaces": False, "normalization_rule_name": "identity"},
    "bpe without prefix": {
        "model_type": "bpe",
        "add_dummy_prefix": False,
        "remove_extra_whitespaces": False,
        "normalization_rule_name": "identity",
    },
    "unigram": {"model_type": "unigram", "remove_extra_whitespaces": False, "normalization_rule_name": "identity"},
    "unigram, usual normalization": {"model_type": "unigram"},
}


def trained(kind: str) -> bytes:
    import sentencepiece  # pyright: ignore[reportMissingImports]

    written = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(TEXTS * 20),
        model_writer=written,
        vocab_size=256 + 3 + 60,
        byte_fallback=True,
        hard_vocab_limit=False,
        split_digits=True,
        minloglevel=2,
        **KINDS[kind],
    )
    return written.getvalue()


def texts(amount: int) -> Iterator[str]:
    rng = random.Random(0)
    for _ in range(amount):
        yield "".join(rng.choices(ALPHABET, k=rng.randint(0, 20)))


def compare(kind: str, folder: Path) -> None:
    import sentencepiece  # pyright: ignore[reportMissingImports]

    from forage.engines.local.codec import LocalCodec
    from forage.engines.local.model import load_tokenizer

    theirs = sentencepiece.SentencePieceProcessor(model_file=str(folder / "tokenizer.model"))
    tokenizer = load_tokenizer(str(folder), trust_remote_code=False)
    tokenizer.save_pretrained(folder / "saved")
    again = load_tokenizer(str(folder / "saved"), trust_remote_code=False)
    assert (tokenizer.bos_token_id, tokenizer.eos_token_id) == (theirs.bos_id(), theirs.eos_id())
    assert tokenizer("the fox")["input_ids"] == again("the fox")["input_ids"] == [1, *theirs.encode("the fox")]
    split = 0
    for text in texts(1000):
        wanted = theirs.encode(text, return_type="proto")
        ids = [piece.id for piece in wanted.pieces]
        for codec in (LocalCodec(tokenizer), LocalCodec(again)):
            found = codec.pieces(ids)
            assert list(codec.encode(text)) == ids, (kind, text, codec.encode(text), ids)
            assert codec.decode(ids) == theirs.decode(ids), (kind, text)
            if "usual" in kind:
                assert "".join(found) == theirs.decode(ids), (kind, text)
            else:  # what is normalized away has no token
                assert list(found) == [piece.surface for piece in wanted.pieces], (kind, text, found)
        split += sum(not piece for piece in found)
    assert split > 100, "no character was spread over tokens"
    print(f"{kind}: {len(theirs)} tokens, 1000 texts alike; {split} tokens hold no whole character")


def train_a_step(folder: Path) -> None:
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    from forage.cli import main

    torch.manual_seed(0)
    sizes: dict[str, Any] = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2}
    heads: dict[str, Any] = {"num_attention_heads": 4, "max_position_embeddings": 256}
    ends: dict[str, Any] = {"bos_token_id": 1, "eos_token_id": 2}
    LlamaForCausalLM(LlamaConfig(vocab_size=400, **sizes, **heads, **ends)).save_pretrained(folder)
    table = folder / "problems.jsonl"
    table.write_text(
        "".join(json.dumps({"prompt": f"What is {n} + 4?", "answer": str(n + 4)}) + "\n" for n in range(9))
    )
    small = "--steps 1 --groups 2 --group-size 4 --max-tokens 12 --threads 1 --matmul highest --verifier numeric"
    out = folder / "run"
    arguments = ["train", "table", "--model", str(folder), "--data", str(table), *small.split(), "--out", str(out)]
    assert main(arguments) == 0
    assert list(out.glob("checkpoints/*/tokenizer.json"))
    assert main(["eval", str(out), "--n", "2", "--k", "1"]) == 0


def inside() -> None:
    """Runs with the packages."""
    with tempfile.TemporaryDirectory() as temporary:
        for number, kind in enumerate(KINDS):
            folder = Path(temporary) / str(number)
            folder.mkdir()
            (folder / "tokenizer.model").write_bytes(trained(kind))
            (folder / "config.json").write_text('{"model_type": "llama"}')
            compare(kind, folder)
        train_a_step(Path(temporary) / "0")


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--packages", type=Path, default=Path(tempfile.gettempdir()) / "forage-sentencepiece")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.inside:
        inside()
        return 0
    if not (chosen.packages / "sentencepiece").is_dir():
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "--target", str(chosen.packages), "sentencepiece", "protobuf"], check=True)
    paths = os.pathsep.join([str(ROOT / "src"), str(chosen.packages)])
    own = {"PYTHONPATH": paths, "HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}
    return subprocess.run([sys.executable, __file__, "--inside"], env=os.environ | own, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
