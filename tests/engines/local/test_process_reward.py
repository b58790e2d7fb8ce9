"""The process reward: what it does to scores, step by step, and when it refuses."""

import math
from dataclasses import replace
from pathlib import Path

import pytest

from forage.core.errors import ForageError
from forage.core.protocols import Reward
from forage.core.records import Problem, Rollout, Score, Start
from forage.core.serialize import decode_part, encode_part
from forage.engines.local.codec import LocalCodec
from forage.engines.local.model import LocalModel
from forage.engines.local.process_model import ProcessModel
from forage.engines.local.process_reward import ProcessReward

PROMPT = "use 1 2 3 4 to make 10"
TEXTS = ("try 1 + 2 = 3 3 4 back so <eos>", "back try 4 - 2 = 2 1 3 <eos>")
STEPS = (("try 1 + 2 = 3 3 4", "back", "so"), ("back", "try 4 - 2 = 2 1 3"))


@pytest.fixture(scope="module")
def folder(tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("process") / "model"
    folder.mkdir()
    ProcessModel.from_causal(LocalModel.load(tiny_base)).save(folder)
    return folder


def rollout(process: ProcessModel, text: str, prefix: str = "") -> Rollout:
    tokenizer = process.model.tokenizer

    def encode(words: str) -> tuple[int, ...]:
        return tuple(tokenizer(words, add_special_tokens=False)["input_ids"])  # pyright: ignore[reportArgumentType]

    start, tokens = Start(Problem(id="p", prompt=PROMPT, answer="10", task="countdown"), encode(prefix)), encode(text)
    codec = LocalCodec(tokenizer)
    ends = [i for i, piece in enumerate(codec.pieces(tokens)) if piece.strip() in ("try", "back", "so") and i]
    # The end of the text stands as a step of its own: tokens without a text must not confuse the count.
    ends = [*ends, len(tokens) - 1, len(tokens)]
    blank = (0.0,) * len(tokens)
    return Rollout(start, tokens, blank, blank, codec.decode(start.prefix + tokens), tuple(ends), "eos", 0)


def test_the_value_is_the_aggregated_score(folder: Path) -> None:
    reward = ProcessReward(model=str(folder), aggregate="mean", weight=2.0, outcome=0.5)
    rollouts = [rollout(reward.process, text) for text in TEXTS]
    scores = [Score(1.0, {"correct": 1.0}), Score(math.nan)]
    first, second = reward(rollouts, scores)
    values = reward.process.score([reward.process.encode(PROMPT, steps) for steps in STEPS])
    mean = sum(values[0]) / 3
    assert first.value == pytest.approx(0.5 + 2 * mean, abs=1e-6)
    assert first.parts == {"correct": 1.0, "process": pytest.approx(mean, abs=1e-6)}
    assert not second.judged
    assert first.steps is None


def test_dense_rewards_are_differences_that_telescope(folder: Path) -> None:
    reward = ProcessReward(model=str(folder), outcome=1.0, weight=0.5, dense=True)
    rollouts = [rollout(reward.process, text) for text in TEXTS]
    scored = reward(rollouts, [Score(1.0), Score(0.0)])
    values = reward.process.score([reward.process.encode(PROMPT, steps) for steps in STEPS])
    start = (values[0][0] + values[1][0]) / 2
    for score, value, each in zip(scored, values, rollouts, strict=True):
        assert score.steps is not None
        assert len(score.steps) == len(each.step_ends)
        assert score.steps[:2] == pytest.approx([0.5 * (value[0] - start), 0.5 * (value[1] - value[0])], abs=1e-6)
        assert score.steps[-1] == 0
        assert sum(score.steps) == pytest.approx(0.5 * (value[-1] - start), abs=1e-6)
    assert [score.value for score in scored] == [1, 0]


def test_a_prefix_is_where_the_value_begins(folder: Path) -> None:
    reward = ProcessReward(model=str(folder), outcome=1.0, dense=True)
    (score,) = reward([rollout(reward.process, TEXTS[1], prefix=STEPS[0][0])], [Score(1.0)])
    (values,) = reward.process.score([reward.process.encode(PROMPT, [STEPS[0][0], *STEPS[1]])])
    assert score.steps is not None
    assert score.steps[0] == pytest.approx(values[1] - values[0], abs=1e-6)


def test_a_response_without_text_scores_nothing(folder: Path) -> None:
    reward = ProcessReward(model=str(folder))
    start, end = Start(Problem(id="p", prompt=PROMPT, answer="10", task="countdown")), (1,)
    empty = Rollout(start, end, (0.0,), (0.0,), "", (1,), "eos", 0)
    (score,) = reward([empty], [Score(0.5)])
    assert score.value == 0
    (dense,) = replace(reward, dense=True)([empty], [Score(0.0)])
    assert dense.steps == (0.0,)


def test_another_tokenizer_is_refused(folder: Path) -> None:
    reward = ProcessReward(model=str(folder))
    with pytest.raises(ForageError, match="tokenizer"):
        reward([replace(rollout(reward.process, TEXTS[0]), text="something else")], [Score(0.0)])


def test_it_survives_its_json(folder: Path) -> None:
    reward = ProcessReward(model=str(folder), aggregate="product")
    assert reward.process
    assert decode_part(encode_part(reward), Reward) == reward


def test_wrong_settings_are_sentences(tmp_path: Path) -> None:
    with pytest.raises(ForageError, match="weight 0"):
        ProcessReward(model="x", weight=0)
    with pytest.raises(ForageError, match="median"):
        ProcessReward(model="x", aggregate="median")  # pyright: ignore[reportArgumentType]
    with pytest.raises(ForageError, match="forage prm train"):
        assert ProcessReward(model=str(tmp_path)).process
