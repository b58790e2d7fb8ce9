"""Tokenizers that come as a SentencePiece file alone (`tokenizer.model`), without a `tokenizer.json` made from it.

transformers (5.23) reads such files by the name of the tokenizer's class: without one the space that SentencePiece puts
before a text is lost, and with that of Llama a Unigram model is read as BPE. Either way a model gets other tokens than
it was trained with, and no error says so. So here the file's own settings decide, and what was made of them is
compared with SentencePiece itself. A checkpoint that is saved afterwards has a `tokenizer.json`.
"""

import json
import re
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, processors
from transformers import PreTrainedTokenizerFast

from forage.core.errors import ForageError

FILE = "tokenizer.model"
NUMBERED_ALIKE = ("Llama", "CodeLlama", "Gemma", "PreTrainedTokenizer", "Tokenizers")
"""How the names of tokenizer classes begin that number tokens as the file does."""
NUMBERED_OTHERWISE = ("xglm", "xlm-roberta", "camembert")
"""Kinds of models whose tokenizers do not, by `model_type`; for where no class is named."""
SPECIAL = ("bos_token", "eos_token", "unk_token", "pad_token")
UNIGRAM, BPE = 1, 2
CONTROL, USER_DEFINED = 3, 4
SPACE = "▁"
PROBES = (
    "the quick brown fox, and 12 + 30 = 42",
    "  two  spaces\n\n\ta new line ",
    "naïve café 日本語 🙂 Ωμέγα ﬁ ①",
    "\\boxed{\\frac{1}{2}} <b>&amp;</b> x_1^2",
)


def reads(folder: Path) -> bool:
    """Whether the tokenizer in `folder` is a SentencePiece file alone, with ids that are the file's own."""
    file = folder / FILE
    if not file.is_file() or (folder / "tokenizer.json").is_file() or _is_tiktoken(file):
        return False
    settings = _settings(folder)
    if "auto_map" in settings:
        return False  # it brings code of its own
    if "tokenizer_class" in settings:
        return str(settings["tokenizer_class"]).startswith(NUMBERED_ALIKE)
    return _json(folder / "config.json").get("model_type") not in NUMBERED_OTHERWISE


def read_tokenizer(folder: Path) -> PreTrainedTokenizerFast:
    """The tokenizer that `tokenizer.model` describes, with the special tokens and the chat template beside it.

    A text begins with the file's first token (`<s>`) unless tokenizer_config.json says `"add_bos_token": false`.
    Raises ForageError where packages are missing, and where the tokens would not be SentencePiece's own.
    """
    try:
        import sentencepiece  # pyright: ignore[reportMissingImports]  (an extra)
        from sentencepiece import sentencepiece_model_pb2  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise ForageError(
            f"The tokenizer of {folder} is a SentencePiece file alone ({FILE}), and reading it needs more packages: "
            "pip install 'forage-rl[sentencepiece]'. Or put the tokenizer.json of the same model beside it."
        ) from error
    try:
        theirs = sentencepiece.SentencePieceProcessor(model_file=str(folder / FILE))
        proto = sentencepiece_model_pb2.ModelProto.FromString((folder / FILE).read_bytes())
    except Exception as error:  # protobuf's own kinds, and RuntimeError
        raise ForageError(f"{folder / FILE} is no SentencePiece file, or it is damaged: {error}") from error
    raw = backend(proto)
    for text in PROBES:
        if raw.encode(text, add_special_tokens=False).ids != list(theirs.encode(text)):
            raise ForageError(
                f"{folder / FILE} cannot be read exactly: {text!r} would become other tokens than SentencePiece's. "
                "Put the tokenizer.json of the same model beside it."
            )
    return _with_settings(raw, proto.trainer_spec, folder)


def backend(proto: Any) -> Tokenizer:
    """What a SentencePiece `ModelProto` says, as a tokenizer of the `tokenizers` library."""
    spec, trainer = proto.normalizer_spec, proto.trainer_spec
    if trainer.model_type not in (UNIGRAM, BPE) or trainer.treat_whitespace_as_suffix:
        raise ForageError("Of SentencePiece's models Unigram and BPE can be read, with spaces before words.")
    raw = Tokenizer(_unigram(proto) if trainer.model_type == UNIGRAM else _bpe(proto))
    steps: list[Any] = []
    if spec.precompiled_charsmap:
        steps.append(normalizers.Precompiled(spec.precompiled_charsmap))
    if spec.remove_extra_whitespaces:
        steps += [normalizers.Strip(), normalizers.Replace(Regex(" {2,}"), " ")]
    if spec.add_dummy_prefix:
        steps.append(normalizers.Prepend(SPACE))
    raw.normalizer = normalizers.Sequence([*steps, normalizers.Replace(" ", SPACE)])
    read: list[Any] = [decoders.Replace(SPACE, " "), decoders.ByteFallback(), decoders.Fuse()]
    raw.decoder = decoders.Sequence([*read, decoders.Strip(" ", 1, 0)] if spec.add_dummy_prefix else read)
    raw.add_special_tokens([AddedToken(p.piece, normalized=False) for p in proto.pieces if p.type == CONTROL])
    own = [p.piece for p in proto.pieces if p.type == USER_DEFINED and SPACE not in p.piece]
    raw.add_tokens([AddedToken(piece, normalized=False) for piece in own])
    return raw


def _unigram(proto: Any) -> Any:
    trainer = proto.trainer_spec
    pieces = [(piece.piece, piece.score) for piece in proto.pieces]
    return models.Unigram(pieces, unk_id=trainer.unk_id, byte_fallback=trainer.byte_fallback)


def _bpe(proto: Any) -> Any:
    """Two neighbors become one where that is a piece, the best piece first: every way to cut a piece is a merge."""
    trainer = proto.trainer_spec
    vocabulary = {piece.piece: number for number, piece in enumerate(proto.pieces)}
    merges: list[tuple[str, str]] = []
    for piece in sorted(proto.pieces, key=lambda piece: -piece.score):
        cuts = [(piece.piece[:cut], piece.piece[cut:]) for cut in range(1, len(piece.piece))]
        merges += [(left, right) for left, right in cuts if left in vocabulary and right in vocabulary]
    return models.BPE(
        vocab=vocabulary,
        merges=merges,
        unk_token=trainer.unk_piece,
        fuse_unk=True,
        byte_fallback=trainer.byte_fallback,
    )


def _with_settings(raw: Tokenizer, trainer: Any, folder: Path) -> PreTrainedTokenizerFast:
    settings, size = _settings(folder), raw.get_vocab_size()
    added = {int(number): token for number, token in settings.get("added_tokens_decoder", {}).items()}
    added |= {int(number): token for token, number in _json(folder / "added_tokens.json").items()}
    for number, token in sorted(added.items()):
        if number >= size:
            special = not isinstance(token, dict) or bool(token.get("special"))
            raw.add_tokens([AddedToken(_content(token), special=special, normalized=False)])
        if raw.token_to_id(_content(token)) != number:
            raise ForageError(f"{folder} gives token {number} another name than {FILE} does: {_content(token)!r}.")
    numbered = {name: getattr(trainer, name.replace("token", "id")) for name in SPECIAL}
    names = {name: raw.id_to_token(number) or "" for name, number in numbered.items() if number >= 0}
    names |= {name: _content(settings[name]) for name in SPECIAL if settings.get(name)}
    around = {"bos_token": settings.get("add_bos_token", True), "eos_token": settings.get("add_eos_token", False)}
    known = raw.get_vocab()
    first, last = ([names[end]] if wanted and names.get(end) in known else [] for end, wanted in around.items())
    raw.post_processor = processors.TemplateProcessing(
        single=[*first, "$A", *last], special_tokens=[(token, known[token]) for token in (*first, *last)]
    )
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=raw, clean_up_tokenization_spaces=False, **names)
    template = folder / "chat_template.jinja"
    tokenizer.chat_template = template.read_text() if template.is_file() else settings.get("chat_template")
    return tokenizer


def _is_tiktoken(file: Path) -> bool:
    """Another format under the same name: lines of a token in base64 and its rank."""
    with file.open("rb") as opened:
        return re.match(rb"[A-Za-z0-9+/]+=* \d+\r?\n", opened.read(512)) is not None


def _settings(folder: Path) -> dict[str, Any]:
    return _json(folder / "special_tokens_map.json") | _json(folder / "tokenizer_config.json")


def _json(file: Path) -> dict[str, Any]:
    try:
        return json.loads(file.read_bytes()) if file.is_file() else {}
    except ValueError as error:
        raise ForageError(f"{file} is damaged: {error}.") from error


def _content(token: Any) -> str:
    return token["content"] if isinstance(token, dict) else token
