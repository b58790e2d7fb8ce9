"""The codec with three kinds of tokenizers, trained here: byte-level BPE, SentencePiece-like Unigram, whole words."""

from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

from forage.core.errors import ForageError
from forage.core.records import Message, Problem
from forage.engines.local.codec import LocalCodec

CORPUS = [
    "the quick brown fox jumps over the lazy dog",
    "naïve café über 日本語 🙂🎉 Ωμέγα",
    "x = 3 + 4; y = (a * b)",
] * 5
ALPHABET = "abc the fox=+éß日本語🙂🎉Ω\n'.,"
WORDS = ["<eos>", "<unk>", "try", "let", "-", "=", *map(str, range(12))]


@cache
def byte_level() -> PreTrainedTokenizerFast:
    raw = Tokenizer(models.BPE())
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    raw.train_from_iterator(
        CORPUS, trainers.BpeTrainer(vocab_size=290, special_tokens=["<eos>"], initial_alphabet=alphabet)
    )
    return PreTrainedTokenizerFast(tokenizer_object=raw, eos_token="<eos>")


@cache
def sentence_piece() -> PreTrainedTokenizerFast:
    raw = Tokenizer(models.Unigram())
    raw.pre_tokenizer = pre_tokenizers.Metaspace()
    raw.decoder = decoders.Metaspace()
    raw.train_from_iterator(CORPUS, trainers.UnigramTrainer(vocab_size=80, special_tokens=["<eos>"], unk_token="<unk>"))
    return PreTrainedTokenizerFast(tokenizer_object=raw, eos_token="<eos>")


@cache
def words() -> PreTrainedTokenizerFast:
    raw = Tokenizer(models.WordLevel({word: number for number, word in enumerate(WORDS)}, unk_token="<unk>"))
    raw.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(tokenizer_object=raw, eos_token="<eos>", unk_token="<unk>")


CODECS = {
    "bytes": LocalCodec(byte_level()),
    "sentencepiece": LocalCodec(sentence_piece()),
    "words": LocalCodec(words()),
}
TOKENIZERS = {"bytes": byte_level, "sentencepiece": sentence_piece, "words": words}


def problem(prompt: str | tuple[Message, ...]) -> Problem:
    return Problem(id="p1", prompt=prompt, answer="", task="t")


@pytest.mark.parametrize("name", CODECS)
@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_pieces_join_to_the_text_whatever_the_tokens(name: str, data: st.DataObject) -> None:
    tokens = data.draw(st.lists(st.integers(0, len(TOKENIZERS[name]()) - 1), max_size=20))
    pieces = CODECS[name].pieces(tokens)
    assert len(pieces) == len(tokens)
    assert "".join(pieces) == CODECS[name].decode(tokens)


PRINTABLE = [*range(33, 127), *range(161, 173), *range(174, 256)]
SHIFTED = [byte for byte in range(256) if byte not in PRINTABLE]
BYTE_OF = {chr(byte): byte for byte in PRINTABLE} | {chr(256 + i): byte for i, byte in enumerate(SHIFTED)}


def bytes_of(token: str) -> bytes:
    """A byte-level token's bytes: printable characters stand for themselves, the others are shifted behind 255."""
    return bytes(BYTE_OF[character] for character in token)


@settings(max_examples=150, deadline=None)
@given(text=st.text(alphabet=ALPHABET, max_size=25))
def test_a_character_belongs_to_the_token_that_completes_it(text: str) -> None:
    tokens = byte_level().encode(text)
    # Oracle: walk over the bytes; a character is handed to the token that holds its last byte.
    expected = []
    pending = b""
    for token in tokens:
        piece = ""
        for byte in bytes_of(str(byte_level().convert_ids_to_tokens(token))):
            pending += bytes([byte])
            try:
                piece, pending = piece + pending.decode(), b""
            except UnicodeDecodeError:
                continue
        expected.append(piece)
    assert list(CODECS["bytes"].pieces(tokens)) == expected


def test_split_characters_really_occur() -> None:
    tokens = byte_level().encode("ß🎊")
    pieces = CODECS["bytes"].pieces(tokens)
    assert "" in pieces
    assert [piece for piece in pieces if piece] == ["ß", "🎊"]
    # Cut in the middle of a character: the rest cannot be shown, and says so on the last token.
    cut = CODECS["bytes"].pieces(tokens[:-1])
    assert "".join(cut) == CODECS["bytes"].decode(tokens[:-1])
    assert cut[-1].endswith("�")


def test_whole_words() -> None:
    tokens = [WORDS.index(word) for word in ("try", "8", "-", "6", "=", "2", "<eos>")]
    assert CODECS["words"].decode(tokens) == "try 8 - 6 = 2"
    assert CODECS["words"].pieces(tokens) == ("try", " 8", " -", " 6", " =", " 2", "")
    assert CODECS["words"].pieces([]) == ()


def test_sentencepiece_spaces_belong_to_the_word_behind_them() -> None:
    tokens = sentence_piece().encode("the fox")
    pieces = CODECS["sentencepiece"].pieces(tokens)
    assert "".join(pieces) == "the fox"
    assert any(piece.startswith(" ") for piece in pieces[1:])


def test_prompts() -> None:
    codec = CODECS["words"]
    assert codec.prompt(problem("try 3 = 4")) == tuple(WORDS.index(word) for word in ("try", "3", "=", "4"))
    with pytest.raises(ForageError, match="p1"):
        codec.prompt(problem(""))
    strict = Tokenizer(models.WordLevel({"<eos>": 0, "try": 1}))
    strict.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    with pytest.raises(ForageError, match="cannot read the prompt of problem p1"):
        LocalCodec(PreTrainedTokenizerFast(tokenizer_object=strict, eos_token="<eos>")).prompt(problem("try 3"))


def test_a_closing_token_is_taken_off_the_prompt() -> None:
    raw = Tokenizer.from_str(words().backend_tokenizer.to_str())
    raw.post_processor = processors.TemplateProcessing(single="$A <eos>", special_tokens=[("<eos>", 0)])
    codec = LocalCodec(PreTrainedTokenizerFast(tokenizer_object=raw, eos_token="<eos>"))
    assert codec.prompt(problem("try 3")) == CODECS["words"].prompt(problem("try 3"))


def test_chats_need_a_template() -> None:
    chat = problem((Message("system", "let 1"), Message("user", "try 2")))
    with pytest.raises(ForageError, match="chat template"):
        CODECS["words"].prompt(chat)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=words().backend_tokenizer, eos_token="<eos>")
    tokenizer.chat_template = (
        "{% for m in messages %}{{ m.content }} <eos> {% endfor %}{% if add_generation_prompt %}let{% endif %}"
    )
    expected = ("let", "1", "<eos>", "try", "2", "<eos>", "let")
    assert LocalCodec(tokenizer).prompt(chat) == tuple(map(WORDS.index, expected))
