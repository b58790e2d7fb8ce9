"""Retrospective replay where a reward model has taken the verdict's place, from end to end."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from forage.core.records import Score
from forage.engines.local.reward_model import RewardModel
from forage.methods import Applied, grpo, ppo, reward_model, rrl, vineppo
from forage.recipes.dialogue import dialogue
from forage.store.run_directory import RunDirectory
from forage.tasks.dialogue import Dialogue
from forage.training.loop import train

SETTINGS = {"collect": 1.0, "replay": 0.25, "share": 0.5, "margin": 0.0, "rescore_every": 2}


@pytest.fixture(scope="module")
def judge(dialogue_base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A reward model whose head nobody trained: it likes some responses better than others."""
    path = tmp_path_factory.mktemp("reward") / "model"
    RewardModel.from_causal(dialogue_base).save(path)
    return path


def trained(base: Path, methods: Sequence[Applied], out: Path) -> RunDirectory:
    recipe = dialogue(
        model=str(base), method=methods, steps=5, groups=2, group_size=4, max_tokens=20, rollouts_every=1, threads=1,
        matmul="highest",
    )  # fmt: skip
    train(recipe, out=out)
    return RunDirectory.open(out)


@pytest.mark.parametrize("critic", [False, True], ids=["continuations", "critic"])
def test_low_responses_come_back_and_the_verifier_decides_nothing(
    critic: bool, dialogue_base: Path, judge: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replay = rrl(value="critic", **SETTINGS) if critic else rrl(continuations=2, **SETTINGS)
    first, model = ppo(critic_warmup=1) if critic else grpo(), reward_model(model=str(judge))
    runs = []
    # Replay before or after the reward model, and a verifier that finds everything right or everything wrong.
    for methods, verdict in (((first, replay, model), 0.0), ((first, model, replay), 1.0)):
        monkeypatch.setattr(Dialogue, "verify", lambda self, problem, text, v=verdict: Score(v, {"correct": v}))
        runs.append(trained(dialogue_base, methods, tmp_path / str(verdict)))
    one, other = (
        [[(row["problem"], row["prefix"], row["tokens"], row["reward"]) for row in run.rollouts(step)]
         for step in range(1, 6)]
        for run in runs
    )  # fmt: skip
    assert one == other
    assert [row["correct"] for row in runs[0].metrics()] == [0.0] * 5
    assert [row["correct"] for row in runs[1].metrics()] == [1.0] * 5
    low = set[tuple[str, tuple[int, ...]]]()
    replayed = 0
    for step in range(1, 6):
        found = runs[0].rollouts(step)
        assert all(not row["prefix"] or (row["problem"], tuple(row["prefix"])) in low for row in found)
        replayed += sum(bool(row["prefix"]) for row in found)
        for row in found:
            siblings = [each["reward"] for each in found if each["group"] == row["group"]]
            if not row["prefix"] and row["reward"] < sum(siblings) / len(siblings):
                low |= {(row["problem"], tuple(row["tokens"][:end])) for end in range(1, len(row["tokens"]))}
    assert replayed
    rewards = [row["reward_model"] for row in runs[0].metrics()]
    assert rewards == pytest.approx([row["reward"] for row in runs[0].metrics()])
    drawn = [row for row in runs[0].metrics() if row["replay_share"] > 0]
    assert drawn
    assert all(row["replay_reward"] == row["replay_reward"] for row in drawn)


def test_step_values_are_of_the_reward_that_is_learned_from(
    dialogue_base: Path, judge: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reward model comes behind the method that values steps; the verifier says 0 to everything."""
    monkeypatch.setattr(Dialogue, "verify", lambda self, problem, text: Score(0.0, {"correct": 0.0}))
    methods = (vineppo(continuations=2, max_steps=3), reward_model(model=str(judge)))
    rows = trained(dialogue_base, methods, tmp_path / "run").rollouts(1)
    values = [value for row in rows for value in row["values"]]
    rewards = [row["reward"] for row in rows]
    assert min(rewards) - 1 < min(values) < max(values) < max(rewards) + 1
    assert 0.0 not in values
    for row in rows:  # the last step is credited with R - V
        assert row["advantages"][-1] == pytest.approx(row["reward"] - row["values"][-1], abs=1e-5)
