"""The lab's base model: built the same twice, never half, and an ordinary checkpoint."""

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from itertools import islice
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from forage.base_models import countdown as base
from forage.base_models import tiny_model
from forage.base_models.countdown import BaseSettings, CountdownTraces, build_base
from forage.base_models.tiny_model import batches, build, encode, learning_rate, untrained
from forage.core.errors import ForageError
from forage.engines.local.model import LocalModel
from forage.tasks.countdown import Countdown
from forage.tasks.countdown.grammar import WORDS
from forage.tasks.countdown.problems import Puzzle
from forage.tasks.countdown.traces import Trace

TINY = BaseSettings(traces=600, steps=60, batch=32, warmup=5, lr=1e-2, layers=1, hidden=32, heads=1, inner=48)

SHORT = replace(TINY, traces=64, steps=4)
"""Too little to learn anything, and enough to tell two builds apart."""


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(TINY, tmp_path_factory.mktemp("base") / "tiny", progress=False)


def weights(place: Path) -> bytes:
    return (place / "model.safetensors").read_bytes()


@pytest.fixture(scope="module")
def short(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(SHORT, tmp_path_factory.mktemp("base") / "short", progress=False)


def test_same_settings_give_the_same_bytes(short: Path, tmp_path: Path) -> None:
    torch.rand(3)  # whatever was drawn before must not matter
    again = build(SHORT, tmp_path / "again", progress=False)
    assert weights(again) == weights(short)
    other = build(replace(SHORT, seed=1), tmp_path / "other", progress=False)
    assert weights(other) != weights(short)


def test_building_leaves_the_global_generator_alone(tmp_path: Path) -> None:
    torch.manual_seed(5)
    expected = torch.rand(4)
    torch.manual_seed(5)
    build(replace(TINY, steps=1), tmp_path / "one", progress=False)
    assert torch.equal(torch.rand(4), expected)


def test_it_is_an_ordinary_checkpoint(tiny: Path) -> None:
    module = AutoModelForCausalLM.from_pretrained(tiny)
    tokenizer = AutoTokenizer.from_pretrained(tiny)
    assert module.generation_config.eos_token_id == tokenizer.eos_token_id == WORDS.index("<eos>")
    assert module.config.pad_token_id == tokenizer.pad_token_id == WORDS.index("<pad>")
    assert len(tokenizer) == 79
    text = "use 6 4 8 10 to make 26"
    tokens = tokenizer(text, return_tensors="pt").input_ids
    assert tokens.shape == (1, 8)
    assert tokenizer.decode(tokens[0]) == text
    local = LocalModel.load(tiny)
    with torch.no_grad():
        assert torch.allclose(local.head.logits(local.hidden(tokens)), module(tokens).logits, atol=1e-5)


def test_it_learns_and_says_how_it_was_made(tiny: Path) -> None:
    record = json.loads((tiny / "base.json").read_text())
    assert record["settings"] == asdict(TINY)
    assert record["digest"] == TINY.digest()
    assert len(record["loss"]) == 3  # 60 steps, in means of 25
    # A uniform guess costs log 79 = 4.37 nats.
    assert 1.0 < record["loss"][-1] < 2.8
    assert record["parameters"] == sum(p.numel() for p in LocalModel.load(tiny).module.parameters())


def test_the_sizes_have_the_parameters_of_the_lab() -> None:
    counts = {
        size: sum(p.numel() for p in untrained(settings).module.parameters()) for size, settings in base.SIZES.items()
    }
    assert counts["demo"] == pytest.approx(304_000, rel=0.01)
    assert counts["experiment"] == pytest.approx(405_000, rel=0.01)


# --------------------------------------------------------------------------------------------- the cache and its faults


def test_the_cache_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORAGE_HOME", str(tmp_path / "home"))
    monkeypatch.setitem(base.SIZES, "demo", SHORT)
    place = build_base(progress=False)
    assert place.parent == tmp_path / "home"
    monkeypatch.setattr(tiny_model, "_train", pytest.fail)
    assert build_base(progress=False) == place
    assert build_base(place, progress=False) == place
    assert [p.name for p in place.parent.iterdir()] == [place.name]


def test_settings_name_the_content() -> None:
    names = {TINY.digest(), replace(TINY, seed=1).digest(), replace(TINY, lr=1e-3).digest()}
    assert len(names) == 3
    assert replace(TINY).digest() in names


def test_a_broken_build_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def break_down(*_: object) -> None:
        raise KeyboardInterrupt

    place = tmp_path / "model"
    with monkeypatch.context() as patch:
        patch.setattr(tiny_model, "_train", break_down)
        with pytest.raises(KeyboardInterrupt):
            build(TINY, place, progress=False)
    assert list(tmp_path.iterdir()) == []
    assert build(replace(TINY, steps=1), place, progress=False) == place


def test_an_unfinished_directory_is_never_used(tmp_path: Path) -> None:
    place = build(replace(TINY, steps=1), tmp_path / "model", progress=False)
    (place / "base.json").unlink()
    with pytest.raises(ForageError, match="is not this base model"):
        build(replace(TINY, steps=1), place, progress=False)


def test_two_builders_at_once(short: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other one finishes while this one trains: its model is taken."""
    place = tmp_path / "model"
    train: Callable[..., list[float]] = tiny_model._train

    def overtaken(*arguments: object) -> list[float]:
        place.mkdir()
        for file in short.iterdir():
            (place / file.name).write_bytes(file.read_bytes())
        return train(*arguments)

    monkeypatch.setattr(tiny_model, "_train", overtaken)
    assert build(SHORT, place, progress=False) == place
    assert weights(place) == weights(short)
    assert [p.name for p in tmp_path.iterdir()] == ["model"]


def test_a_directory_of_something_else_is_refused(tiny: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ForageError, match="is not this base model"):
        build(TINY, tmp_path, progress=False)
    with pytest.raises(ForageError, match="is not this base model"):
        build(replace(TINY, seed=9), tiny, progress=False)
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_nonsense_is_refused() -> None:
    with pytest.raises(ForageError, match="'huge'"):
        build_base(size="huge")  # pyright: ignore[reportArgumentType]
    with pytest.raises(ForageError, match="at least 1"):
        replace(TINY, steps=0)
    with pytest.raises(ForageError, match="batches of 1000"):
        replace(TINY, batch=1000)


# ---------------------------------------------------------------------------------------------------------- ingredients


def test_encode(monkeypatch: pytest.MonkeyPatch) -> None:
    traces = [
        Trace(Puzzle((6, 4, 8), 20), "hasty", ("so", "<eos>")),
        Trace(Puzzle((6, 4, 8, 9), 20), "hasty", ("try", "so", "<eos>")),
    ]
    monkeypatch.setattr(Countdown, "traces", lambda self, amount: iter(traces))
    corpus = encode(CountdownTraces(Countdown()).written(2), pad=WORDS.index("<pad>"))
    words = [[WORDS[token] for token in row] for row in corpus.tokens.tolist()]
    assert words == [
        ["use", "6", "4", "and", "8", "to", "make", "20", "so", "<eos>", "<pad>"],
        ["use", "6", "4", "8", "9", "to", "make", "20", "try", "so", "<eos>"],
    ]
    assert corpus.prompts.tolist() == [8, 8]
    assert corpus.lengths.tolist() == [10, 11]


def test_batches_visit_every_row_once_per_pass_and_hold_like_lengths() -> None:
    lengths = torch.randint(10, 60, (640,), generator=torch.Generator().manual_seed(0))

    def draw() -> list[torch.Tensor]:
        return list(islice(batches(lengths, 32, torch.Generator().manual_seed(1)), 40))

    drawn = draw()
    for one_pass in (drawn[:20], drawn[20:]):
        assert torch.cat(one_pass).sort().values.tolist() == list(range(640))
    assert not torch.equal(drawn[0], drawn[20])
    assert all(torch.equal(a, b) for a, b in zip(drawn, draw(), strict=True))
    widths = [int(lengths[rows].max() - lengths[rows].min()) for rows in drawn]
    assert sorted(widths)[20] <= 8  # of 49


def test_learning_rate() -> None:
    settings = BaseSettings(lr=1.0, warmup=4, steps=104)
    assert [learning_rate(step, settings) for step in range(5)] == pytest.approx([0.25, 0.5, 0.75, 1.0, 1.0])
    assert learning_rate(54, settings) == pytest.approx(0.5)  # half way down the cosine
    assert learning_rate(29, settings) == pytest.approx(0.5 + 0.5 * 0.5**0.5)  # a quarter: cos 45 degrees
    assert learning_rate(103, settings) < 0.001


def test_the_loss_is_of_response_tokens_only() -> None:
    """Against the loss that transformers computes when everything but the response is labeled -100."""
    model = untrained(TINY)
    corpus = encode(TINY.language.written(20), pad=WORDS.index("<pad>"))
    rows = torch.arange(20)
    tokens = corpus.tokens.long()
    position = torch.arange(tokens.shape[1])
    labels = tokens.masked_fill((position < 8) | (position >= corpus.lengths[:, None]), -100)
    expected = model.module(input_ids=tokens, labels=labels).loss
    assert torch.allclose(tiny_model._loss(model, corpus, rows), expected, rtol=1e-5)


def test_a_base_of_ones_own_is_taken_from_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORAGE_HOME", str(tmp_path / "cache"))
    settings = BaseSettings(traces=64, steps=2, batch=8, layers=1, hidden=16, heads=1, head_dim=16, inner=16)
    cached = build(settings, progress=False)
    (cached / "evals").mkdir()
    monkeypatch.setattr("forage.base_models.tiny_model._make", lambda *_, **__: pytest.fail("it is built again"))
    own = build(settings, tmp_path / "own", progress=False)
    assert own == tmp_path / "own"
    held = {path.name: path.read_bytes() for path in cached.iterdir() if path.is_file()}
    assert {path.name: path.read_bytes() for path in own.iterdir()} == held
