"""Checkpoints with a SentencePiece file alone, as far as no package is needed: `tests/optional` has the rest."""

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from transformers import PreTrainedModel

from forage.core.errors import ForageError
from forage.engines.local.codec import LocalCodec
from forage.engines.local.model import LocalModel
from forage.engines.local.sentence_piece import BPE, UNIGRAM, backend, reads
from support.own_world import write_model

NORMAL, UNKNOWN, CONTROL, BYTE = 1, 2, 3, 6
PIECES = [
    ("<unk>", 0.0, UNKNOWN),
    ("<s>", 0.0, CONTROL),
    *((f"<0x{byte:02X}>", 0.0, BYTE) for byte in range(256)),
    ("▁ab", -1.0, NORMAL),
    ("bc", -2.0, NORMAL),
    ("ab", -3.0, NORMAL),
    *((letter, -4.0 - number, NORMAL) for number, letter in enumerate("▁abc")),
]


def proto(model_type: int, *, prefix: bool = True, suffix: bool = False) -> Any:
    trainer = SimpleNamespace(
        model_type=model_type, unk_id=0, unk_piece="<unk>", byte_fallback=True, treat_whitespace_as_suffix=suffix
    )
    spec = SimpleNamespace(precompiled_charsmap=b"", remove_extra_whitespaces=False, add_dummy_prefix=prefix)
    pieces = [SimpleNamespace(piece=piece, score=score, type=kind) for piece, score, kind in PIECES]
    return SimpleNamespace(trainer_spec=trainer, normalizer_spec=spec, pieces=pieces)


@pytest.mark.parametrize(
    ("model_type", "prefix", "text", "pieces"),
    [
        # BPE: the best pair first. "▁ab" cannot be made before "ab" is (-3), and "bc" (-2) comes before that.
        (BPE, True, "abc", ["▁", "a", "bc"]),
        (BPE, True, "ab", ["▁ab"]),
        (BPE, False, "ab ab", ["ab", "▁ab"]),
        # Unigram: the largest sum. "▁ab" + "c" is -1 - 7, "▁" + "a" + "bc" is -4 - 5 - 2.
        (UNIGRAM, True, "abc", ["▁ab", "c"]),
        (UNIGRAM, False, "ab é", ["ab", "▁", "<0xC3>", "<0xA9>"]),
    ],
)
def test_tokens_by_hand(model_type: int, prefix: bool, text: str, pieces: list[str]) -> None:
    raw = backend(proto(model_type, prefix=prefix))
    found = raw.encode(text, add_special_tokens=False)
    assert found.tokens == pieces
    assert raw.decode(found.ids) == text


def test_what_cannot_be_read_is_refused() -> None:
    with pytest.raises(ForageError, match="spaces before words"):
        backend(proto(BPE, suffix=True))
    with pytest.raises(ForageError, match="Unigram and BPE"):
        backend(proto(3))


def test_a_missing_package_is_named(
    tmp_path: Path, module_of: Callable[[str], PreTrainedModel], monkeypatch: pytest.MonkeyPatch
) -> None:
    module_of("llama").save_pretrained(tmp_path)
    (tmp_path / "tokenizer.model").write_bytes(b"\n\x0e\n\x05<unk>")
    monkeypatch.setitem(sys.modules, "sentencepiece", None)
    with pytest.raises(
        ForageError, match=r"tokenizer\.model.*pip install 'forage-rl\[sentencepiece\]'.*tokenizer\.json"
    ):
        LocalModel.load(tmp_path)


def test_only_files_that_say_all_are_read_here(tmp_path: Path) -> None:
    def given(settings: dict[str, Any], config: dict[str, Any], content: bytes = b"\n\x0e\n\x05<unk>") -> bool:
        (tmp_path / "tokenizer.model").write_bytes(content)
        (tmp_path / "tokenizer_config.json").write_text(json.dumps(settings))
        (tmp_path / "config.json").write_text(json.dumps(config))
        return reads(tmp_path)

    assert given({}, {"model_type": "llama"})
    assert given({"tokenizer_class": "GemmaTokenizer"}, {})
    assert not given({"tokenizer_class": "XGLMTokenizer"}, {})
    assert not given({}, {"model_type": "xglm"})
    assert not given({"auto_map": {"AutoTokenizer": ["own.Own", None]}}, {})
    assert not given({}, {}, b"IQ== 0\nIg== 1\n")  # tiktoken's format has the same name
    (tmp_path / "tokenizer.json").write_text("{}")
    assert not given({}, {})


def test_a_tokenizer_json_beside_it_is_read_as_before(tmp_path: Path) -> None:
    write_model(tmp_path / "model")
    before = LocalCodec(LocalModel.load(tmp_path / "model").tokenizer).encode("What is 3 + 4?")
    shutil.copy(tmp_path / "model" / "config.json", tmp_path / "model" / "tokenizer.model")
    assert LocalCodec(LocalModel.load(tmp_path / "model").tokenizer).encode("What is 3 + 4?") == before
