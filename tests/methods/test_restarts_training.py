"""Methods that sample again from the middle, from end to end: interrupted and resumed, the same bits."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import pytest

from forage.core.errors import ForageError
from forage.core.protocols import Task
from forage.core.records import Problem, Score
from forage.methods import (
    METHODS,
    Applied,
    apply,
    dr_grpo,
    grpo,
    parse,
    ppo,
    rrl,
    rrl_oracle,
    rrl_random_cuts,
    rrl_success_prefixes,
    rrl_whole_prompts,
    satori,
    vineppo,
)
from forage.parts.memory import RetrospectiveReplay
from forage.parts.rewards import Overlong
from forage.recipes import countdown
from forage.store.run_directory import RunDirectory
from forage.training.loop import train
from forage.training.recipe import Recipe, Schedule
from support.interruptions import metrics_of, train_whole_and_in_parts


def small(base: Path, *methods: Applied, steps: int = 6) -> Recipe:
    """So small a model never solves a problem; lengths differ, so the overlong reward lets it learn something."""
    recipe = countdown(
        model=str(base),
        steps=steps,
        groups=4,
        group_size=4,
        max_tokens=12,
        checkpoint_every=2,
        lr=1e-3,
        threads=1,
        matmul="highest",
    )
    return apply(replace(recipe, rewards=(Overlong(limit=12, buffer=10),), methods=()), methods)


@dataclass(frozen=True, kw_only=True)
class Plain(Task):
    """A task that says no more about its states than it must."""

    name = "plain"

    def problems(self, split: Literal["train", "test"]) -> Sequence[Problem]:
        return [Problem(id="p", prompt="p", answer="", task="plain")]

    def verify(self, problem: Problem, text: str) -> Score:
        return Score(0.0)


EVERY_STEP = Schedule(steps=6, checkpoint_every=0, rollouts_every=1)


def final_weights(path: Path) -> bytes:
    return (RunDirectory.open(path).latest_checkpoint() / "model.safetensors").read_bytes()


REPLAY: dict[str, Any] = {
    "collect": 0.5,
    "replay": 0.3,
    "share": 0.5,
    "margin": -1.0,
    "rescore_every": 3,
    "continuations": 2,
}
"""A negative margin: so small a model solves nothing, so every prefix is as promising as its problem."""

CHAINS = [
    (vineppo(continuations=2, max_steps=4),),
    (grpo(), rrl(**REPLAY)),
    (grpo(), rrl_random_cuts(**REPLAY)),
    (grpo(), rrl_whole_prompts(**REPLAY)),
    (grpo(), rrl_oracle(**{name: value for name, value in REPLAY.items() if name != "continuations"})),
    (ppo(critic_warmup=0), rrl(value="critic", solutions=True, **REPLAY)),
    (vineppo(continuations=2, max_steps=4, equal="state"),),
    (dr_grpo(), satori(room=8)),
]


@pytest.mark.parametrize("methods", CHAINS, ids=lambda methods: "+".join(m.label.split(":")[0] for m in methods))
def test_interrupted_and_resumed_it_is_the_same_run(
    tiny_base: Path, tmp_path: Path, methods: tuple[Applied, ...]
) -> None:
    train_whole_and_in_parts(small(tiny_base, *methods, steps=4), tmp_path, stop_after=3)
    assert str(metrics_of(tmp_path / "whole")) == str(metrics_of(tmp_path / "parts"))
    assert final_weights(tmp_path / "whole") == final_weights(tmp_path / "parts")
    assert final_weights(tmp_path / "whole") != (tiny_base / "model.safetensors").read_bytes()
    assert all(row["grad_norm"] > 0 for row in metrics_of(tmp_path / "whole"))


def test_the_tokens_that_values_cost_are_counted(tiny_base: Path, tmp_path: Path) -> None:
    train(small(tiny_base, vineppo(continuations=2, max_steps=4), steps=1), out=tmp_path / "vine")
    train(small(tiny_base, grpo(), steps=1), out=tmp_path / "grpo")
    (vine,), (plain,) = metrics_of(tmp_path / "vine"), metrics_of(tmp_path / "grpo")
    assert plain["tokens"] == 16 * plain["length"]
    assert vine["length"] == plain["length"], "the first step's responses are the same"
    assert vine["tokens"] > 2 * plain["tokens"]


def test_what_the_steps_are_worth_is_known_to_replay_for_nothing(tiny_base: Path, tmp_path: Path) -> None:
    vine, replay = vineppo(continuations=2, max_steps=24), rrl(**{**REPLAY, "continuations": 2})
    train(small(tiny_base, vine, steps=1), out=tmp_path / "vine")
    train(replace(small(tiny_base, vine, replay), schedule=Schedule(steps=1)), out=tmp_path / "both")
    (alone,), (both,) = metrics_of(tmp_path / "vine"), metrics_of(tmp_path / "both")
    assert both["replay_entries"] > 0
    assert both["tokens"] == alone["tokens"]


@pytest.fixture(scope="module")
def run(tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    """Six steps with restarts, of which every one is written down."""
    out = tmp_path_factory.mktemp("replayed") / "run"
    train(replace(small(tiny_base, grpo(), rrl(**REPLAY)), schedule=EVERY_STEP), out=out)
    return RunDirectory.open(out)


def test_values_along_responses_are_written_down_where_replay_looked(run: RunDirectory) -> None:
    lines = [[value for value in row["values"] if value == value] for row in run.rollouts(1)]
    assert any(len(line) > 1 for line in lines)
    assert all(len(line) == 0 for line in ([v for v in row["values"] if v == v] for row in run.rollouts(5)))


def test_kept_prefixes_come_back_and_only_new_tokens_are_learned(run: RunDirectory) -> None:
    assert [row["replay_share"] for row in run.metrics()] == [0, 0.5, 0.5, 0.5, 0.5, 0]
    before: set[tuple[str, tuple[int, ...]]] = set()
    replayed = 0
    for step in range(1, 7):
        found = run.rollouts(step)
        for row in found:
            prefix = tuple(row["prefix"])
            replayed += bool(prefix)
            assert not prefix or (row["problem"], prefix) in before
            assert len(row["advantages"]) == len(row["tokens"])
            assert len(prefix) + len(row["tokens"]) <= 12
        whole = [(row["problem"], tuple(row["tokens"])) for row in found if not len(row["prefix"])]
        before |= {(name, tokens[:end]) for name, tokens in whole for end in range(1, len(tokens))}
    assert replayed == 4 * 2 * 4


def test_without_a_share_it_is_the_base_run_bit_for_bit(tiny_base: Path, tmp_path: Path) -> None:
    train(small(tiny_base, grpo(), steps=3), out=tmp_path / "base")
    train(small(tiny_base, grpo(), rrl(**{**REPLAY, "share": 0.0}), steps=3), out=tmp_path / "zero")
    assert metrics_of(tmp_path / "base") == metrics_of(tmp_path / "zero")
    assert final_weights(tmp_path / "base") == final_weights(tmp_path / "zero")


def test_two_memories_do_not_go_together(tiny_base: Path) -> None:
    with pytest.raises(ForageError, match="memory of its own"):
        small(tiny_base, grpo(), rrl(), rrl_random_cuts())
    with pytest.raises(ForageError, match="fractions"):
        small(tiny_base, grpo(), rrl(collect=1.5))


def test_controls_have_the_settings_of_what_they_control_for(tiny_base: Path) -> None:
    def memory(method: Applied) -> RetrospectiveReplay:
        found = small(tiny_base, grpo(), method).memory
        assert isinstance(found, RetrospectiveReplay)
        return found

    real = memory(rrl(**REPLAY))
    assert memory(rrl_random_cuts(**REPLAY)) == replace(real, cut="random")
    assert memory(rrl_whole_prompts(**REPLAY)) == replace(real, cut="beginning")
    assert memory(rrl_success_prefixes(**REPLAY)) == replace(real, responses="right")
    assert rrl.parameters == rrl_random_cuts.parameters
    assert set(rrl.parameters) - set(rrl_oracle.parameters) == {"continuations", "value", "equal"}
    with pytest.raises(ForageError, match="no setting 'continuations'"):
        memory(rrl_oracle(continuations=3))
    with pytest.raises(ForageError, match="continuations"):
        parse("rrl_oracle:continuations=3", METHODS)
    with pytest.raises(ForageError, match="knows what a partial response is worth"):
        apply(replace(small(tiny_base), task=Plain()), [grpo(), rrl_oracle()])
    with pytest.raises(ForageError, match="knows right responses"):
        apply(replace(small(tiny_base), task=Plain()), [grpo(), rrl(solutions=True)])
    assert not real.solutions
    assert memory(rrl(solutions=True)).solutions


def test_whole_prompts_take_the_tokens_of_restarts_until_they_come_back(tiny_base: Path, tmp_path: Path) -> None:
    settings = {**REPLAY, "replay": 0.5}  # steps 1 and 2 only look
    for name, method in (("restarts", rrl(**settings)), ("whole", rrl_whole_prompts(**settings))):
        train(replace(small(tiny_base, grpo(), method), schedule=EVERY_STEP), out=tmp_path / name)
    one, other = metrics_of(tmp_path / "restarts"), metrics_of(tmp_path / "whole")
    assert one[1]["replay_entries"] > other[1]["replay_entries"] > 0, "one entry a problem"
    assert [row["tokens"] for row in one[:2]] == [row["tokens"] for row in other[:2]]
    starts = [row for step in range(1, 7) for row in RunDirectory.open(tmp_path / "whole").rollouts(step)]
    assert not any(len(row["prefix"]) for row in starts)
    assert any(row["replay_share"] > 0 for row in other)


def test_a_critic_values_states_without_a_token(tiny_base: Path, tmp_path: Path) -> None:
    one, other = ppo(critic_warmup=1), rrl(value="critic", **REPLAY)
    train(small(tiny_base, one, other, steps=4), out=tmp_path / "critic")
    spent = 0
    for row in metrics_of(tmp_path / "critic"):
        spent += round(16 * row["length"])
        assert row["tokens"] == spent
    assert metrics_of(tmp_path / "critic")[-1]["replay_entries"] > 0
    with pytest.raises(ForageError, match="such as ppo"):
        small(tiny_base, grpo(), other)
    for wrong in ("oracle", ""):
        with pytest.raises(ForageError, match="monte-carlo or critic"):
            small(tiny_base, grpo(), rrl(value=wrong))
    with pytest.raises(ForageError, match="tokens or state"):
        small(tiny_base, grpo(), rrl(equal="text"))
    with pytest.raises(ForageError, match="names states"):
        apply(replace(small(tiny_base), task=Plain()), [grpo(), rrl(equal="state")])
