"""Offsets of tokens in their text, for the kinds of tokenizers there are: exact, whatever bytes a token holds.

The oracle never decodes twice: it walks over the bytes that each token stands for, as the kind of tokenizer defines
them, and gives every character to the token that holds its last byte.
"""

from collections.abc import Callable, Sequence
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

from engines.local.test_codec import byte_level, bytes_of, words
from forage.core.records import Message, Problem
from forage.engines.local.codec import LocalCodec
from forage.grams.matching import Matcher, tokens_in_spans
from forage.tasks.steps import RULES, ends_at

BYTES = [f"<0x{byte:02X}>" for byte in range(256)]
ALPHABET = "ab the fox=+.éß日本語🙂🎉Ω\n' "


def fall_back(*, prefix: bool) -> PreTrainedTokenizerFast:
    """SentencePiece with byte fallback, as Llama 2 and Gemma have it: bytes stand for what the pieces do not hold."""
    learned = Tokenizer(models.Unigram())
    learned.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always" if prefix else "never")
    learned.train_from_iterator(
        ["the quick brown fox jumps over the lazy dog", "a fox is a fox", "naïve café"] * 5,
        trainers.UnigramTrainer(vocab_size=70, special_tokens=["<unk>", "<s>", "</s>"], unk_token="<unk>"),
    )
    vocabulary = learned.get_vocab()
    pieces = sorted(vocabulary, key=lambda piece: vocabulary[piece])
    known = [(piece, -float(number)) for number, piece in enumerate([*pieces, *BYTES])]
    raw = Tokenizer(models.Unigram(known, unk_id=0, byte_fallback=True))
    raw.normalizer = (
        normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
        if prefix
        else normalizers.Replace(" ", "▁")
    )
    steps = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    raw.decoder = decoders.Sequence([*steps, decoders.Strip(" ", 1, 0)] if prefix else steps)
    raw.add_special_tokens(["<s>", "</s>"])
    return PreTrainedTokenizerFast(tokenizer_object=raw, unk_token="<unk>", bos_token="<s>", eos_token="</s>")


@cache
def llama_like() -> PreTrainedTokenizerFast:
    return fall_back(prefix=True)


@cache
def gemma_like() -> PreTrainedTokenizerFast:
    return fall_back(prefix=False)


def held_by(name: str, token: str) -> bytes:
    """The bytes that a token stands for in the middle of a text."""
    if name == "bytes":
        return bytes_of(token)
    return bytes([BYTES.index(token)]) if token in BYTES else token.replace("▁", " ").encode()


KINDS: dict[str, Callable[[], PreTrainedTokenizerFast]] = {
    "bytes": byte_level,
    "llama": llama_like,
    "gemma": gemma_like,
}


def walk(name: str, tokens: Sequence[int]) -> list[str]:
    """The text of each token. For whole texts only: every character is complete at the end."""
    pieces: list[str] = []
    pending = b""
    for number, token in enumerate(tokens):
        held = held_by(name, str(KINDS[name]().convert_ids_to_tokens(token)))
        if name == "llama" and number == 0:
            held = held.removeprefix(b" ")
        piece = ""
        for byte in held:
            pending += bytes([byte])
            try:
                piece, pending = piece + pending.decode(), b""
            except UnicodeDecodeError:
                continue
        pieces.append(piece)
    assert not pending
    return pieces


def encode(name: str, text: str) -> list[int]:
    return KINDS[name]().encode(text, add_special_tokens=False)


@pytest.mark.parametrize("name", KINDS)
@settings(max_examples=100, deadline=None)
@given(text=st.text(alphabet=ALPHABET, max_size=25))
def test_every_character_belongs_to_the_token_with_its_last_byte(name: str, text: str) -> None:
    tokens = encode(name, text)
    codec = LocalCodec(KINDS[name]())
    assert codec.decode(tokens) == text
    assert list(codec.pieces(tokens)) == walk(name, tokens)


@pytest.mark.parametrize("name", [*KINDS, "words"])
@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_any_tokens_give_pieces_that_join_to_their_text(name: str, data: st.DataObject) -> None:
    """Models write what no text encodes to: halves of characters, bytes in any order, special tokens in the middle."""
    tokenizer = words() if name == "words" else KINDS[name]()
    tokens = data.draw(st.lists(st.integers(0, len(tokenizer) - 1), max_size=24))
    codec = LocalCodec(tokenizer)
    pieces = codec.pieces(tokens)
    assert len(pieces) == len(tokens)
    assert "".join(pieces) == codec.decode(tokens)


@pytest.mark.parametrize("name", KINDS)
def test_characters_really_are_spread_over_tokens(name: str) -> None:
    tokens = encode(name, "fox 🙂 日 fox")
    pieces = LocalCodec(KINDS[name]()).pieces(tokens)
    assert "" in pieces
    assert "".join(pieces) == "fox 🙂 日 fox"


@pytest.mark.parametrize("name", KINDS)
@settings(max_examples=60, deadline=None)
@given(lines=st.lists(st.text(alphabet="ab é日🙂=+", min_size=1, max_size=8).filter(str.strip), min_size=1, max_size=5))
def test_steps_end_behind_the_token_that_holds_their_last_byte(name: str, lines: list[str]) -> None:
    text = "\n".join(line.strip() for line in lines)
    tokens = encode(name, text)
    ends = ends_at(LocalCodec(KINDS[name]()).pieces(tokens), RULES["newline"])
    reach, total, held = [], "", walk(name, tokens)
    for piece in held:
        total += piece
        reach.append(len(total))
    assert ends[-1] == len(tokens)
    begins = [len("\n".join(text.split("\n")[:number])) + 1 for number in range(1, len(lines))]
    # A step begins with the first token that lies wholly at or behind its first character.
    for end, begin in zip(ends[:-1], begins, strict=False):
        assert reach[end - 1] >= begin
        before = [number for number in range(end) if held[number]]
        assert not before or reach[before[-1]] - len(held[before[-1]]) < begin


@pytest.mark.parametrize("name", KINDS)
def test_phrases_are_found_on_the_tokens_that_hold_them(name: str) -> None:
    text = "日本 the fox 🙂 jumps é the dog"
    tokens = encode(name, text)
    pieces = LocalCodec(KINDS[name]()).pieces(tokens)
    mask = tokens_in_spans(text, pieces, Matcher(["jumps é the"]).spans(text)).tolist()
    marked = "".join(piece for piece, planned in zip(pieces, mask, strict=True) if planned)
    assert marked.strip() == "jumps é the"
    assert not any(planned for piece, planned in zip(pieces, mask, strict=True) if not piece)


def test_a_prompt_begins_with_one_first_token() -> None:
    """Plain text gets the tokenizer's own; a chat template writes it itself, and it must not come twice."""
    raw = Tokenizer.from_str(llama_like().backend_tokenizer.to_str())
    begin = raw.token_to_id("<s>")
    raw.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", begin)])
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=raw, bos_token="<s>", eos_token="</s>")
    tokenizer.chat_template = "<s>{% for m in messages %}{{ m.content }}{% endfor %}"
    codec = LocalCodec(tokenizer)
    plain = codec.prompt(Problem(id="p", prompt="the fox", answer="", task="t"))
    chat = codec.prompt(Problem(id="p", prompt=(Message("user", "the fox"),), answer="", task="t"))
    assert plain[0] == chat[0] == begin
    assert plain.count(begin) == chat.count(begin) == 1


def test_special_tokens_have_no_text() -> None:
    raw = Tokenizer.from_str(byte_level().backend_tokenizer.to_str())
    raw.add_special_tokens([AddedToken("<|turn|>", special=True)])
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=raw, eos_token="<eos>")
    tokens = tokenizer.encode("the<|turn|> fox<eos>")
    pieces = LocalCodec(tokenizer).pieces(tokens)
    assert "".join(pieces) == "the fox"
    silent = {"<|turn|>", "<eos>"}
    assert [piece for token, piece in zip(tokens, pieces, strict=True) if raw.id_to_token(token) in silent] == ["", ""]
