from pathlib import Path

import numpy as np
import pytest
import torch

from forage.base_models.colouring import (
    CHARACTERS,
    END,
    PAD,
    TOKEN_OF,
    ColoringBase,
    WrittenColorings,
    coloring_chances,
)
from forage.base_models.soft_targets import draw_with_targets
from forage.base_models.tiny_model import _loss, build, encode, untrained
from forage.engines.local.codec import LocalCodec
from forage.tasks.colouring import Answers, ColoringTask
from forage.tasks.colouring.graphs import COLORINGS, Graph, graph_of
from forage.training.checkpoints import open_checkpoint


def test_supervised_chances_by_hand() -> None:
    """Two right answers share .45 as 2 to 1 in canonical order (color 2 counts after 1, and 3 after 2 from color 1)."""
    graph = graph_of("121|a..|.bc.|a..d.=")
    chances = dict(zip(COLORINGS, coloring_chances(graph), strict=True))
    first, second = graph.canonical
    assert chances[first] == pytest.approx(0.3)
    assert chances[second] == pytest.approx(0.15)
    assert chances[1, 1, 1] == pytest.approx(0.55 / 25)
    assert sum(chances.values()) == pytest.approx(1)


def test_targets_are_the_conditional_distributions_along_what_is_drawn() -> None:
    """Against plain counting; and multiplied along a response they are its chance."""
    texts = torch.tensor([[2, 3, 1], [2, 4, 1], [3, 3, 1], [3, 4, 1]])
    chances = torch.tensor([[0.1, 0.3, 0.4, 0.2]]).repeat(4000, 1)
    responses, targets = draw_with_targets(texts, chances, vocabulary=5, generator=torch.Generator().manual_seed(0))
    second = {2: [0, 0, 0, 0.25, 0.75], 3: [0, 0, 0, 2 / 3, 1 / 3]}
    for response, target in zip(responses[:50], targets[:50], strict=True):
        expected = torch.tensor([[0, 0, 0.4, 0.6, 0], second[int(response[0])], [0, 1, 0, 0, 0]])
        torch.testing.assert_close(target, expected)
        along = target[torch.arange(3), response].prod()
        drawn = int((texts == response).all(1).nonzero())
        assert float(along) == pytest.approx(float(chances[0, drawn]), rel=1e-5)
    shares = [(responses == text).all(1).double().mean() for text in texts]
    np.testing.assert_allclose(shares, chances[0], atol=0.03)


@pytest.mark.parametrize("answers", ["short", "long"])
def test_what_is_written_is_read_back(answers: Answers) -> None:
    language = WrittenColorings(ColoringTask(answers=answers))
    codec = LocalCodec(language.tokenizer())
    targets = language.targets(40)
    for (prompt, response), target in zip(language.written(40), targets, strict=True):
        text = codec.decode(prompt)
        assert codec.encode(text) == tuple(prompt)
        assert graph_of(text).prompt == text
        assert codec.decode(response) in [each for coloring in COLORINGS for each in language.task.written(coloring)]
        assert (target.sum(-1) - 1).abs().max() < 1e-5
        assert (target[torch.arange(len(response)), response] > 0).all()
    assert TOKEN_OF[PAD] == 0
    assert set(TOKEN_OF) == {PAD, END, *CHARACTERS}


def test_the_loss_over_soft_targets_is_the_cross_entropy() -> None:
    settings = ColoringBase(traces=8, steps=1, batch=4, layers=1, hidden=16, heads=1, head_dim=16, inner=16)
    model, language = untrained(settings), settings.language
    corpus = encode(language.written(8), pad=0, targets=language.targets(8))
    rows = torch.tensor([1, 4, 6])
    expected = 0.0
    for row in rows.tolist():
        begin, end = int(corpus.prompts[row]), int(corpus.lengths[row])
        tokens = corpus.tokens[row : row + 1, : end - 1].long()
        logp = model.head.logits(model.hidden(tokens))[0, begin - 1 :].log_softmax(-1)
        assert corpus.targets is not None
        expected -= float((corpus.targets[row] * logp.detach()).sum()) / (end - begin)
    assert float(_loss(model, corpus, rows).detach()) == pytest.approx(expected / len(rows), rel=1e-5)


@pytest.mark.parametrize(("answers", "tokens"), [("short", 4), ("long", 7)])
def test_a_base_is_asked_for_responses_of_its_length(tmp_path: Path, answers: Answers, tokens: int) -> None:
    small = ColoringBase(answers=answers, traces=96, steps=1, layers=1, hidden=16, heads=1, inner=16)
    opening = open_checkpoint(build(small, tmp_path / "base", progress=False))
    assert opening.max_tokens == tokens
    assert opening.task == ColoringTask(answers=answers)


def test_settings_name_their_model() -> None:
    digests = {ColoringBase().digest(), ColoringBase(answers="long").digest(), ColoringBase(seed=1).digest()}
    assert len(digests) == 3
    assert sum(p.numel() for p in untrained(ColoringBase()).module.parameters()) == 349_344
    assert Graph((1, 1, 1), ("", "", "")).prompt == "111|...|....|.....="
