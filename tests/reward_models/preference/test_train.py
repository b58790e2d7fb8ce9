"""Reward models: laid out, scored, trained, averaged, and used as a reward."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from transformers import AutoModelForSequenceClassification

from forage.cli import main
from forage.core.errors import ForageError
from forage.core.records import Rollout, Score, Start
from forage.engines.local.model_reward import ModelReward
from forage.engines.local.reward_model import RewardModel, average
from forage.methods import METHODS, parse
from forage.recipes.dialogue import dialogue
from forage.reward_models.preference.train import (
    RewardTraining,
    agree,
    prepare,
    ranking_losses,
    split_head,
    train_reward_model,
)
from forage.tasks.dialogue import Dialogue
from forage.training.loop import open_recipe, train
from support.made_preferences import comparisons

PROMPT = "ann says i feel sad which tea ?"
TEXTS = ("hello ann . try mint .", "go away .", "", "try leek . ask me again .")


@pytest.fixture(scope="module")
def fresh(dialogue_base: Path) -> RewardModel:
    return RewardModel.from_causal(dialogue_base)


def encoded(model: RewardModel) -> list[tuple[int, ...]]:
    return [model.encode(PROMPT, text) for text in TEXTS]


# ------------------------------------------------------------------------------------------------------------- models


def test_padding_does_not_matter(fresh: RewardModel) -> None:
    together = fresh.score(encoded(fresh))
    alone = [fresh.score([each])[0] for each in encoded(fresh)]
    assert together == pytest.approx(alone, abs=1e-5)
    assert len(set(together)) == len(TEXTS)


def test_an_unfinished_response_is_another_one(fresh: RewardModel) -> None:
    finished, cut = fresh.encode(PROMPT, TEXTS[0]), fresh.encode(PROMPT, TEXTS[0], finished=False)
    assert finished[:-1] == cut
    assert fresh.score([finished]) != fresh.score([cut])


def copied(base: Path, place: Path, *, pad: str | None, **config: Any) -> Path:
    """The base with a tokenizer that names another padding, and a configuration that says so."""
    shutil.copytree(base, place)
    for name in ("tokenizer_config.json", "special_tokens_map.json"):
        if (place / name).is_file():
            about = json.loads((place / name).read_text())
            about.pop("pad_token", None)
            (place / name).write_text(json.dumps({**about, **({"pad_token": pad} if pad else {})}))
    about = json.loads((place / "config.json").read_text())
    (place / "config.json").write_text(json.dumps({**about, **config}))
    return place


def test_the_end_token_counts_where_it_is_the_padding_too(dialogue_base: Path, tmp_path: Path) -> None:
    end = RewardModel.from_causal(dialogue_base)
    number, name = end.tokenizer.eos_token_id, str(end.tokenizer.eos_token)
    base = copied(dialogue_base, tmp_path / "base", pad=name, pad_token_id=number)
    model = RewardModel.from_causal(base)
    finished, cut = model.encode(PROMPT, TEXTS[0]), model.encode(PROMPT, TEXTS[0], finished=False)
    assert finished[-1] == number
    assert model.score([finished])[0] != pytest.approx(model.score([cut])[0], abs=1e-4)
    # The reward of the same weights where the padding is another token, alone and beside longer and shorter rows.
    assert model.score([finished]) == pytest.approx(end.score([finished]), abs=1e-6)
    assert model.score(encoded(model)) == pytest.approx(end.score(encoded(end)), abs=1e-5)
    # Saved, it names a padding by which transformers reads behind the end token too.
    model.save(tmp_path / "saved")
    module = AutoModelForSequenceClassification.from_pretrained(tmp_path / "saved")
    with torch.no_grad():
        theirs = module(torch.tensor([finished])).logits.item()
    assert theirs == pytest.approx(model.score([finished])[0], abs=1e-5)


def test_a_response_that_ends_with_the_padding_is_read_to_its_end(fresh: RewardModel) -> None:
    pad = int(fresh.module.config.pad_token_id)
    row = (*fresh.encode(PROMPT, TEXTS[0], finished=False), pad)
    longer = (*row, row[2], row[3])
    assert fresh.score([row, longer])[0] == pytest.approx(fresh.score([row])[0], abs=1e-5)
    with torch.no_grad():
        every = cast(Any, fresh.module).score(cast(Any, fresh.module).model(torch.tensor([row])).last_hidden_state)
    assert fresh.score([row])[0] == pytest.approx(every[0, -1].item(), abs=1e-5)
    assert fresh.module.config.pad_token_id == pad


def test_a_model_of_another_program_is_read_as_it_reads_itself(dialogue_base: Path, tmp_path: Path) -> None:
    """One whose padding is its end token learned to be read before its end; one without padding behind it."""
    RewardModel.from_causal(dialogue_base).save(tmp_path / "saved")
    (tmp_path / "saved" / "reward_model.json").unlink()
    end = RewardModel.load(tmp_path / "saved").tokenizer
    for pad, token in ((str(end.eos_token), end.eos_token_id), (None, None)):
        place = copied(tmp_path / "saved", tmp_path / f"pad {token}", pad=pad, pad_token_id=token)
        module, model = AutoModelForSequenceClassification.from_pretrained(place), RewardModel.load(place)
        for row in encoded(model):
            with torch.no_grad():
                assert model.score([row])[0] == pytest.approx(module(torch.tensor([row])).logits.item(), abs=1e-5)
        assert model.score(encoded(model)) == pytest.approx([model.score([row])[0] for row in encoded(model)], abs=1e-5)


def test_a_word_none_is_neither_padding_nor_end(dialogue_base: Path, tmp_path: Path) -> None:
    base = copied(dialogue_base, tmp_path / "base", pad=None, pad_token_id=None)
    raw = json.loads((base / "tokenizer.json").read_text())
    vocabulary = raw["model"]["vocab"]
    word = next(name for name in sorted(vocabulary) if name.isalpha() and name not in PROMPT.split())
    vocabulary["None"] = vocabulary.pop(word)
    (base / "tokenizer.json").write_text(json.dumps(raw))
    about = json.loads((base / "tokenizer_config.json").read_text())
    for special in ("eos_token", "pad_token"):
        about.pop(special, None)
    (base / "tokenizer_config.json").write_text(json.dumps(about))
    model = RewardModel.from_causal(base)
    assert model.tokenizer.eos_token is None
    assert model.module.config.pad_token_id != vocabulary["None"]
    assert model.encode(PROMPT, TEXTS[0]) == model.encode(
        PROMPT, TEXTS[0], finished=False
    )  # there is no token to close with


def test_the_same_seed_draws_the_same_head(dialogue_base: Path) -> None:
    torch.rand(3)
    one, same, other = (RewardModel.from_causal(dialogue_base, seed=seed) for seed in (0, 0, 1))
    assert one.score(encoded(one)) == same.score(encoded(same)) != other.score(encoded(other))


def test_it_is_an_ordinary_classifier(fresh: RewardModel, tmp_path: Path) -> None:
    fresh.save(tmp_path / "model")
    module = AutoModelForSequenceClassification.from_pretrained(tmp_path / "model")
    row = encoded(fresh)[0]
    with torch.no_grad():
        assert module(torch.tensor([row])).logits.item() == pytest.approx(fresh.score([row])[0], abs=1e-5)
    assert RewardModel.load(tmp_path / "model").score(encoded(fresh)) == fresh.score(encoded(fresh))
    (tmp_path / "model" / "reward_model.json").unlink()  # as other programs leave one
    assert RewardModel.load(tmp_path / "model").score(encoded(fresh)) == fresh.score(encoded(fresh))


def test_a_device_that_is_not_there_is_named(fresh: RewardModel, tmp_path: Path) -> None:
    fresh.save(tmp_path / "model")
    with pytest.raises(ForageError, match="the device 'hpu9'"):
        RewardModel.load(tmp_path / "model", device="hpu9")


def test_a_model_that_generates_is_no_reward_model(dialogue_base: Path) -> None:
    with pytest.raises(ForageError, match="forage rm train"):
        RewardModel.load(dialogue_base)
    with pytest.raises(ForageError, match="no reward model but a LlamaForCausalLM"):
        parse(f"reward_model:model={dialogue_base}", METHODS)(dialogue(model=str(dialogue_base)))


# ----------------------------------------------------------------------------------------------------------- averaging


def moved(base: Path, seed: int, *, head_only: bool = False) -> RewardModel:
    model = RewardModel.from_causal(base)
    generator = torch.Generator().manual_seed(seed)
    head, body = split_head(model)
    with torch.no_grad():
        for parameter in head if head_only else [*head, *body]:
            parameter.add_(0.05 * torch.randn(parameter.shape, generator=generator))
    return model


def test_copies_average_to_themselves_and_order_does_not_matter(dialogue_base: Path) -> None:
    one = moved(dialogue_base, 1)
    expected = one.score(encoded(one))
    assert average([moved(dialogue_base, 1) for _ in range(3)]).score(encoded(one)) == pytest.approx(expected, abs=1e-6)
    forth = average([moved(dialogue_base, seed) for seed in (1, 2, 3)]).score(encoded(one))
    back = average([moved(dialogue_base, seed) for seed in (3, 1, 2)]).score(encoded(one))
    assert forth == pytest.approx(back, abs=1e-6)
    assert forth != pytest.approx(expected, abs=1e-4)


def test_heads_on_one_body_average_their_rewards(dialogue_base: Path) -> None:
    models = [moved(dialogue_base, seed, head_only=True) for seed in (1, 2, 3)]
    expected = torch.tensor([model.score(encoded(model)) for model in models]).mean(0)
    assert average(models).score(encoded(models[0])) == pytest.approx(expected.tolist(), abs=1e-5)


def test_other_shapes_and_whole_numbers_are_not_averaged(dialogue_base: Path) -> None:
    one, other = moved(dialogue_base, 1), moved(dialogue_base, 2)
    cast(Any, other.module).score = torch.nn.Linear(7, 1)
    with pytest.raises(ForageError, match="cannot be averaged"):
        average([one, other])
    one, other = moved(dialogue_base, 1), moved(dialogue_base, 2)
    for number, model in enumerate((one, other)):
        model.module.register_buffer("steps", torch.tensor(number))
    with pytest.raises(ForageError, match="steps"):
        average([one, other])


# ------------------------------------------------------------------------------------------------------------ training

SETTINGS = RewardTraining(epochs=4, batch=16, lr=3e-3, held_out=0.2)


def test_it_learns_and_the_placebo_does_not(dialogue_base: Path) -> None:
    rankings = comparisons(200, 2)
    model = RewardModel.from_causal(dialogue_base)
    made = train_reward_model(model, rankings, SETTINGS)
    assert made.agreement is not None
    assert made.agreement.accuracy > 0.9
    control = RewardModel.from_causal(dialogue_base)
    shown = train_reward_model(control, rankings, replace(SETTINGS, placebo=True)).agreement
    assert shown is not None
    assert shown.accuracy < 0.7


@pytest.mark.parametrize("objective", ["plackett-luce", "pairs"])
def test_longer_rankings(dialogue_base: Path, objective: Any) -> None:
    model = RewardModel.from_causal(dialogue_base)
    made = train_reward_model(model, comparisons(150, 4), replace(SETTINGS, objective=objective))
    assert made.agreement is not None
    assert made.agreement.pairs == 6 * made.agreement.rankings
    assert made.agreement.accuracy > 0.9


def test_a_classifier_tells_the_best_from_the_others(dialogue_base: Path) -> None:
    """By the sign of what it says of each response alone."""
    model = RewardModel.from_causal(dialogue_base)
    rankings = comparisons(150, 2)
    made = train_reward_model(model, rankings, replace(SETTINGS, objective="classifier"))
    assert made.agreement is not None
    assert made.agreement.accuracy > 0.9
    best, other = zip(*[[model.encode(each.prompt, text) for text in each.responses] for each in rankings], strict=True)
    assert sum(logit > 0 for logit in model.score(best)) > 0.85 * len(best)
    assert sum(logit < 0 for logit in model.score(other)) > 0.85 * len(other)


def test_the_same_seed_gives_the_same_bits(dialogue_base: Path) -> None:
    def trained(seed: int, micro_tokens: int = 8192) -> list[float]:
        model = RewardModel.from_causal(dialogue_base)
        settings = replace(SETTINGS, epochs=1, seed=seed, micro_tokens=micro_tokens, lr=1e-4)
        train_reward_model(model, comparisons(60, 3), settings)
        return model.score(encoded(model))

    assert trained(0) == trained(0)
    assert trained(0) != trained(1)
    assert trained(0) == pytest.approx(trained(0, micro_tokens=80), abs=1e-4)  # rounding only


def test_the_probe_moves_the_head_alone_and_alike(dialogue_base: Path) -> None:
    models = []
    for seed in (0, 1):
        model = RewardModel.from_causal(dialogue_base)
        rankings = comparisons(40, 2)
        settings = replace(SETTINGS, held_out=0.0, epochs=1, batch=40, probe=5, lr=1e-3, seed=seed)
        before = [parameter.detach().clone() for parameter in split_head(model)[1]]
        train_reward_model(model, rankings, replace(settings, lr=1e-12))
        assert all(torch.allclose(a, b) for a, b in zip(before, split_head(model)[1], strict=True))
        train_reward_model(model, rankings, settings)
        models.append(model)
    assert all(p.requires_grad for p in models[0].module.parameters())


def test_the_loss_is_the_mean_over_rankings(fresh: RewardModel) -> None:
    rewards = [torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0, 2.0])]
    losses = ranking_losses(rewards, "plackett-luce").tolist()
    assert losses[0] == pytest.approx(torch.nn.functional.softplus(torch.tensor(-1.0)).item())
    pairs = ranking_losses(rewards, "pairs").tolist()
    expected = torch.nn.functional.softplus(torch.tensor([1.0, 2.0, 1.0])).mean().item()
    assert pairs[1] == pytest.approx(expected)


def test_agreement_by_hand() -> None:
    found = agree(
        lambda rows: [float(len(row)) for row in rows], [((1, 1), (1,)), ((1,), (1, 1)), ((1,), (2,))], "pairs"
    )
    assert (found.rankings, found.pairs, found.accuracy) == (3, 3, 0.5)  # right, wrong, and a tie


def test_long_responses_are_rejected_not_cut(fresh: RewardModel) -> None:
    found = prepare(fresh, comparisons(5, 2), replace(SETTINGS, max_tokens=9, held_out=0))
    assert len(found.training) + len(found.rejected) == 5
    assert found.rejected
    assert "more than 9" in found.rejected[0]
    with pytest.raises(ForageError, match="None of 5 rankings"):
        train_reward_model(fresh, comparisons(5, 2), replace(SETTINGS, max_tokens=1))


# ------------------------------------------------------------------------------------------------------------ as reward


def test_the_reward_takes_the_verdicts_place_and_keeps_it_in_sight(dialogue_base: Path, tmp_path: Path) -> None:
    for seed in (1, 2):
        moved(dialogue_base, seed).save(tmp_path / str(seed))
    problem = Dialogue().problems("train")[0]
    texts = ("hello ann .", "try mint .")
    rollouts = [Rollout(Start(problem), (1,), (0.0,), (0.0,), text, (1,), "eos", 0) for text in texts]
    scores = [Score(0.5, {"correct": 1.0}), Score(float("nan"))]
    models = [RewardModel.load(tmp_path / name) for name in ("1", "2")]
    expected = [[model.score([model.encode(problem.prompt, text)])[0] for text in texts] for model in models]
    reward = ModelReward(models=(str(tmp_path / "1"), str(tmp_path / "2")), weight=2.0, outcome=0.5)
    first, second = reward(rollouts, scores)
    mean = (expected[0][0] + expected[1][0]) / 2
    assert first.value == pytest.approx(0.25 + 2 * mean)
    assert first.parts["correct"] == 1.0
    assert first.parts["reward_model"] == pytest.approx(mean)
    assert first.parts["reward_model_spread"] == pytest.approx(abs(expected[0][0] - expected[1][0]) / 2)
    assert not second.judged


def test_the_whole_road_by_command(
    dialogue_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    base, one_thread = str(dialogue_base), ["--threads", "1"]
    assert (
        main(["rm", "collect", base, "--out", "pairs.jsonl", "--comparisons", "20", "--responses", "3", *one_thread])
        == 0
    )
    rows = [json.loads(line) for line in Path("pairs.jsonl").read_text().splitlines()]
    assert len(rows) == 20
    assert all(len(row["ranked"]) == 3 for row in rows)
    for seed in ("0", "1"):
        arguments = ["--model", base, "--out", f"rm{seed}", "--seed", seed, "--probe", "3", *one_thread]
        assert main(["rm", "train", "pairs.jsonl", *arguments]) == 0
    assert main(["rm", "train", "pairs.jsonl", "--model", base, "--out", "rm0"]) == 2
    assert main(["rm", "average", "rm0", "rm1", "--out", "warm", "--preferences", "pairs.jsonl"]) == 0
    assert "Average of their weights" in capsys.readouterr().err
    assert main(["rm", "score", "warm", "pairs.jsonl", "--out", "scores.jsonl"]) == 0
    methods = ["--method", "grpo", "--method", "reward_model:model=warm", "--method", "kl_penalty:coefficient=0.1"]
    small = ["--steps", "2", "--groups", "2", "--group-size", "4", "--matmul", "highest", *one_thread]
    small += ["--model", base, "--out", "run"]
    assert main(["train", "dialogue", *small, *methods]) == 0
    row = json.loads(Path("run/metrics.jsonl").read_text().splitlines()[-1])
    assert row["reward"] == pytest.approx(row["reward_model"])
    assert 0 <= row["correct"] <= 1
    assert open_recipe(Path("run")).rewards == (ModelReward(models=("warm",)),)
    assert main(["eval", "run", "--n", "2", "--k", "1"]) == 0


def test_without_a_reward_model_the_hidden_utility_is_the_reward(dialogue_base: Path, tmp_path: Path) -> None:
    recipe = dialogue(model=str(dialogue_base), steps=1, groups=2, group_size=4, threads=1)
    outcome = train(recipe, out=tmp_path / "run")
    row = json.loads((outcome.path / "metrics.jsonl").read_text())
    assert "reward_model" not in row
    assert row["reward"] <= 1
