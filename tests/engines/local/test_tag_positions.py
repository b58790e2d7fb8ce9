"""The position that is trained is the position that is scored, whatever the tokenizer joins the tag's text to."""

from collections.abc import Callable
from functools import cache

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from forage.engines.local.model import LocalModel
from forage.engines.local.process_model import ProcessModel
from forage.engines.local.step_heads import HEAD_KINDS, HeadKind
from forage.reward_models.prm.formats import TaggedSolution
from forage.reward_models.prm.train import ProcessTraining, assess, prepare, train_process_model

CORPUS = ["one plus two is three.ки so ки. four ки, five + six - seven\nки\nки", "Step 1: go ки Step 2: stop. ки"] * 9
"""The tag's text, alone and joined to what stands beside it: a tokenizer learns tokens that hold it and more."""

PROMPT, STEPS = "what is one plus two", ("so one plus two.", "\nis three, so", " stop.\n")


@cache
def byte_level() -> PreTrainedTokenizerFast:
    raw = Tokenizer(models.BPE())
    # Without a split into words, tokens may join the tag to its neighbors.
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    raw.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    raw.train_from_iterator(
        CORPUS, trainers.BpeTrainer(vocab_size=300, special_tokens=["<eos>"], initial_alphabet=alphabet)
    )
    return PreTrainedTokenizerFast(tokenizer_object=raw, eos_token="<eos>")


@cache
def sentence_piece() -> PreTrainedTokenizerFast:
    raw = Tokenizer(models.Unigram())
    raw.pre_tokenizer = pre_tokenizers.Metaspace(split=False)
    raw.decoder = decoders.Metaspace()
    raw.train_from_iterator(CORPUS, trainers.UnigramTrainer(vocab_size=60, special_tokens=["<eos>"], unk_token="<unk>"))
    return PreTrainedTokenizerFast(tokenizer_object=raw, eos_token="<eos>", unk_token="<unk>")


@cache
def words() -> PreTrainedTokenizerFast:
    vocabulary = ["<eos>", "<unk>", *sorted({word for text in CORPUS for word in text.split()}), "what", "plus", "so"]
    raw = Tokenizer(models.WordLevel({w: n for n, w in enumerate(dict.fromkeys(vocabulary))}, unk_token="<unk>"))
    raw.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(tokenizer_object=raw, eos_token="<eos>", unk_token="<unk>")


TOKENIZERS = {"bytes": byte_level, "sentencepiece": sentence_piece, "words": words}


@pytest.fixture(params=[(name, head) for name in TOKENIZERS for head in HEAD_KINDS], ids="-".join)
def process(request: pytest.FixtureRequest) -> ProcessModel:
    name, head = request.param
    return build(TOKENIZERS[name], head)


def build(tokenizer_of: Callable[[], PreTrainedTokenizerFast], head: HeadKind) -> ProcessModel:
    torch.manual_seed(3)
    raw = Tokenizer.from_str(tokenizer_of().backend_tokenizer.to_str())  # tokens are added to a copy
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=raw, eos_token="<eos>", unk_token=tokenizer_of().unk_token)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=16,
        intermediate_size=24,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        max_position_embeddings=256,
        eos_token_id=0,
    )
    module = LlamaForCausalLM(config)
    with torch.no_grad():
        for parameter in module.parameters():
            if parameter.dim() > 1:
                parameter.add_(torch.randn_like(parameter) * 0.3)
    return ProcessModel.from_causal(LocalModel(module, tokenizer), head=head)


def test_a_tag_as_text_would_be_lost_here() -> None:
    """What makes these tokenizers a test: encoded as text, some tag of a solution is not a token of its own."""
    text = "".join(f"{step}ки" for step in STEPS)
    for name in ("bytes", "sentencepiece", "words"):
        tokenizer = TOKENIZERS[name]()
        tag = tokenizer("ки", add_special_tokens=False)["input_ids"]
        whole = tokenizer(text, add_special_tokens=False)["input_ids"]
        assert not (len(tag) == 1 and whole.count(tag[0]) == len(STEPS)), name


def test_every_tag_is_found_by_its_token(process: ProcessModel) -> None:
    encoded = process.encode(PROMPT, STEPS)
    assert tuple(place for place, token in enumerate(encoded.tokens) if token == process.tag) == encoded.tags
    begin = len(process.encode(PROMPT, ()).tokens)
    for step, place in zip(STEPS, encoded.tags, strict=True):
        alone = process.encode("", [step]).tokens[:-1]
        assert encoded.tokens[begin:place] == alone, "between two tags stands one step, whole, and nothing else"
        begin = place + 1


def score_by_hand(process: ProcessModel) -> list[float]:
    """Finds the tags by their token and reads the whole model there, one position at a time."""
    tokens = torch.tensor([process.encode(PROMPT, STEPS).tokens])
    found = []
    with torch.no_grad():
        out = process.model.module(input_ids=tokens, output_hidden_states=True)
        for place in (tokens[0] == process.tag).nonzero().squeeze(1).tolist():
            if process.head.kind == "scalar":
                weight, bias = process.head.parameters
                found.append(float(torch.sigmoid(out.hidden_states[-1][0, place] @ weight + bias)))
            else:
                pair = out.logits[0, place, [process.head.tokens["good"], process.head.tokens["bad"]]]
                found.append(float(pair.softmax(dim=0)[0]))
    return found


def test_scores_are_read_there(process: ProcessModel) -> None:
    for parameter in process.head.parameters:
        torch.nn.init.normal_(parameter.data, std=0.5)
    assert process.score([process.encode(PROMPT, STEPS)])[0] == pytest.approx(score_by_hand(process), abs=1e-5)


def test_training_moves_what_is_scored(process: ProcessModel) -> None:
    """After training on one solution, the score found by hand at every tag is that tag's own label."""
    labels = (0.9, 0.2, 0.6)
    row = TaggedSolution(prompt=PROMPT, steps=STEPS, values=labels)
    settings = ProcessTraining(epochs=70, batch=1, lr=2e-2, held_out=0)
    train_process_model(process, [row], settings)
    assert score_by_hand(process) == pytest.approx(labels, abs=0.02)
    training, _, _ = prepare(process, [row], settings)
    calibration, _ = assess(process, training)
    assert calibration.brier < 1e-3
