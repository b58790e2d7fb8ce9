"""Process models over byte-level BPE and SentencePiece tokenizers, built here: steps and tags stay exact."""

from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from forage.core.records import Problem, Rollout, Score, Start
from forage.engines.local.codec import LocalCodec
from forage.engines.local.model import LocalModel
from forage.engines.local.process_model import ProcessModel
from forage.engines.local.process_reward import ProcessReward
from forage.tasks.step_texts import step_texts
from forage.tasks.steps import RULES, ends_at

TEXTS = ["First, 3 + 4 = 7.\n", "Then é ÷ 2 → 14 🙂.\n\n", "  So the answer is 14."]
PROMPT = "What is (3 + 4) ÷ 2?"
CORPUS = [PROMPT, *TEXTS, "Step 1: we add 12 and 30 .\nStep 2: so 42", "the answer is 7"] * 3


def byte_level(special: list[str]) -> Tokenizer:
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    made.train_from_iterator(
        CORPUS,
        trainers.BpeTrainer(vocab_size=330, initial_alphabet=alphabet, special_tokens=special, show_progress=False),
    )
    return made


def sentence_piece(special: list[str]) -> Tokenizer:
    """As Llama 2's: spaces become a mark, unknown characters become bytes, the first space is dropped in decoding."""
    vocabulary = [*special, *(f"<0x{byte:02X}>" for byte in range(256)), "▁"]
    letters = sorted({letter for text in CORPUS for letter in text if letter.isascii() and letter not in " \n"})
    pairs = ["▁t", "▁a", "▁1", "▁=", "▁+", "er", "▁i", "▁is", "▁w"]
    merges = [
        ("▁", "t"),
        ("▁", "a"),
        ("▁", "1"),
        ("▁", "="),
        ("▁", "+"),
        ("e", "r"),
        ("▁", "i"),
        ("▁i", "s"),
        ("▁", "w"),
    ]
    names = {token: number for number, token in enumerate(dict.fromkeys([*vocabulary, *letters, *pairs]))}
    made = Tokenizer(models.BPE(names, merges, unk_token=special[0], fuse_unk=True, byte_fallback=True))
    made.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    made.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    return made


@pytest.fixture(scope="module", params=["byte-level", "sentencepiece"])
def process(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> ProcessModel:
    special = ["<unk>", "<eos>", "<pad>"]
    made = byte_level(special) if request.param == "byte-level" else sentence_piece(special)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=made, unk_token="<unk>", eos_token="<eos>", pad_token="<pad>")
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=16, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2,
        max_position_embeddings=512, eos_token_id=1, pad_token_id=2, bos_token_id=None,
    )  # fmt: skip
    folder = tmp_path_factory.mktemp(request.param) / "policy"
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return ProcessModel.from_causal(LocalModel.load(folder))


def ids(process: ProcessModel, text: str) -> tuple[int, ...]:
    return tuple(process.model.tokenizer(text, add_special_tokens=False)["input_ids"])  # pyright: ignore[reportArgumentType]


def test_every_step_has_one_tag_behind_its_last_token(process: ProcessModel) -> None:
    encoded = process.encode(PROMPT, TEXTS)
    assert [encoded.tokens[place] for place in encoded.tags] == [process.tag] * 3
    assert encoded.tokens.count(process.tag) == 3
    begin = len(encoded.tokens) - sum(len(ids(process, text)) + 1 for text in TEXTS)
    for text, tag in zip(TEXTS, encoded.tags, strict=True):
        assert encoded.tokens[begin:tag] == ids(process, text)
        begin = tag + 1


def test_steps_of_a_response_join_to_it(process: ProcessModel) -> None:
    whole = "".join(TEXTS)
    tokens = (*ids(process, whole), 1)
    pieces = process.pieces_of(tokens)
    assert "".join(pieces) == LocalCodec(process.model.tokenizer).decode(tokens) == whole
    steps = [text for _, text in step_texts(pieces, ends_at(pieces, RULES["newline"]))]
    assert "".join(steps) == whole
    assert len(steps) == 3


def test_a_reward_scores_the_steps_that_were_written(process: ProcessModel, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    process.save(folder)
    reward = ProcessReward(model=str(folder), dense=True, outcome=1.0)
    tokens = (*ids(process, "".join(TEXTS)), 1)
    codec = LocalCodec(process.model.tokenizer)
    pieces = codec.pieces(tokens)
    ends = ends_at(pieces, RULES["newline"])
    blank = (0.0,) * len(tokens)
    start = Start(Problem(id="p", prompt=PROMPT, answer="14", task="toy"))
    rollout = Rollout(start, tokens, blank, blank, codec.decode(tokens), ends, "eos", 0)
    (score,) = reward([rollout], [Score(1.0, {"correct": 1.0})])
    steps = [text for _, text in step_texts(pieces, ends)]
    (values,) = reward.process.score([reward.process.encode(PROMPT, steps)])
    assert score.steps is not None
    assert len(score.steps) == len(ends) == 3
    assert sum(score.steps) == pytest.approx(values[-1] - values[0], abs=1e-6)
    assert score.parts["process"] == pytest.approx(min(values), abs=1e-6)
