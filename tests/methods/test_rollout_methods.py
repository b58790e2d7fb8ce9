"""Methods that choose what is sampled: they train, resume to the same bits, and cost what they say."""

from dataclasses import replace
from pathlib import Path

import pytest

from forage.core.errors import ForageError
from forage.core.records import SamplingParams
from forage.engines.local.engine import LocalEngine
from forage.engines.optimization import Optimization
from forage.methods import (
    METHODS,
    Applied,
    answer_ucb,
    answer_ucb_random,
    apply,
    dr_grpo,
    entro_duction,
    entro_duction_random,
    entropy_forks,
    entropy_forks_random,
    grpo,
    i_mentor,
    i_mentor_shuffled,
    lambda_grpo,
    mcts_dpo,
    mcts_dpo_random,
    memory_r,
    memory_r_shuffled,
    posterior_budget,
    posterior_budget_random,
    prefix_guided,
    prefix_guided_other,
    reinforce_ada,
    reinforce_ada_random,
    rrl,
    step_dpo,
    tree_credit,
    tree_credit_random,
)
from forage.parts.credit.baseline.mean_centre import MeanCentre
from forage.parts.credit.baseline.std_scale import StdScale
from forage.parts.explore.adaptive_rounds import AdaptiveRounds
from forage.store.run_directory import RunDirectory
from forage.training.loop import train
from forage.training.recipe import Grouping, Recipe, Schedule
from support.interruptions import metrics_of, train_whole_and_in_parts
from support.worlds import EASY, World, blank_model

CHAINS = [
    (dr_grpo(), reinforce_ada()),
    (dr_grpo(), reinforce_ada_random(rule="positive")),
    (grpo(), posterior_budget(k=4)),
    (grpo(), posterior_budget_random()),
    (grpo(), answer_ucb(key="text")),
    (grpo(), answer_ucb_random(key="text", rule="mean")),
    (grpo(), i_mentor(rate=0.01)),
    (grpo(), i_mentor_shuffled()),
    (grpo(), memory_r(warmup=1, window=30, slots=3)),
    (grpo(), memory_r_shuffled(warmup=0, neighbors=2, questions=2)),
    (tree_credit(),),
    (tree_credit_random(),),
    (mcts_dpo(self_evaluation=0.5),),
    (mcts_dpo_random(iterations=8),),
    (grpo(), entropy_forks(unit=2.0), lambda_grpo()),
    (grpo(), entropy_forks_random()),
    (grpo(), entro_duction(uncertainty="chosen")),
    (grpo(), entro_duction_random()),
    (grpo(), prefix_guided(hard=0.5)),
    (grpo(), prefix_guided_other(hard=0.9, share=0.9)),
]


def small(model: Path, *methods: Applied, steps: int = 4, groups: int = 3) -> Recipe:
    recipe = Recipe(
        name="small",
        model=str(model),
        task=EASY,
        schedule=Schedule(steps=steps, checkpoint_every=2, rollouts_every=0),
        grouping=Grouping(groups=groups, group_size=8),
        sampling=SamplingParams(max_tokens=4),
        optimization=Optimization(lr=1e-3, mini_batches=1),
        engine=LocalEngine(threads=1, matmul="highest"),
    )
    return apply(recipe, methods)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return blank_model(tmp_path_factory.mktemp("blank") / "model", layers=1)


def final_weights(path: Path) -> bytes:
    return (RunDirectory.open(path).latest_checkpoint() / "model.safetensors").read_bytes()


SIZES = {"prefix_guided": (4, 3)}
"""Steps and groups of what keeps more in its fourth step than the draws of three, and shows it in whole rounds only."""


@pytest.mark.parametrize("methods", CHAINS, ids=lambda methods: "+".join(m.label.split(":")[0] for m in methods))
def test_interrupted_and_resumed_it_is_the_same_run(model: Path, tmp_path: Path, methods: tuple[Applied, ...]) -> None:
    """Of three problems a step draws two, so what is left of a round is part of the state."""
    steps, groups = SIZES.get(methods[-1].label.split(":")[0], (3, 2))
    train_whole_and_in_parts(small(model, *methods, steps=steps, groups=groups), tmp_path, stop_after=steps - 1)
    assert str(metrics_of(tmp_path / "whole")) == str(metrics_of(tmp_path / "parts"))
    assert final_weights(tmp_path / "whole") == final_weights(tmp_path / "parts")
    assert final_weights(tmp_path / "whole") != (model / "model.safetensors").read_bytes()


def test_the_pool_costs_what_was_sampled_and_a_few_are_learned_from(model: Path, tmp_path: Path) -> None:
    ada = reinforce_ada(max_rounds=3)
    train(small(model, dr_grpo(), ada, steps=1), out=tmp_path / "ada")
    train(small(model, dr_grpo(), steps=1), out=tmp_path / "plain")
    (row,), (plain,) = metrics_of(tmp_path / "ada"), metrics_of(tmp_path / "plain")
    sampled = row["tokens"] / row["length"]
    assert sampled == pytest.approx(round(sampled))
    assert 24 < sampled <= 72
    assert sampled % 8 == pytest.approx(0)
    assert plain["tokens"] == pytest.approx(24 * plain["length"])


def test_the_budget_of_a_step_is_exact(model: Path, tmp_path: Path) -> None:
    for name, method in (("real", posterior_budget()), ("control", posterior_budget_random())):
        train(small(model, grpo(), method), out=tmp_path / name)
        found = metrics_of(tmp_path / name)
        spent = 0.0
        for row in found:
            spent += 24 * row["length"]
            assert row["tokens"] == pytest.approx(spent), "24 responses in every step"
        assert max(row["group_size_max"] for row in found) > 8 > min(row["group_size_min"] for row in found)


@pytest.mark.parametrize(
    "method", [entropy_forks(base=1.0), tree_credit(), mcts_dpo(self_evaluation=0.5)], ids=lambda method: method.label
)
def test_forks_are_of_the_policy_and_cheaper_than_they_look(model: Path, tmp_path: Path, method: Applied) -> None:
    """The ratio is 1 before the first update on shared tokens too, and those were not sampled again."""
    methods = [method] if method.kind == "algorithm" else [grpo(), method, lambda_grpo()]
    train(small(model, *methods, steps=1), out=tmp_path / "run")
    (row,) = metrics_of(tmp_path / "run")
    assert row["ratio_max"] == pytest.approx(1, abs=1e-4)
    assert row["grad_norm"] > 0
    assert row["tokens"] < 24 * row["length"]
    assert 0 < row.get("shared_share", 0.5) < 1


def test_answers_are_counted_through_a_run_and_the_bonus_moves_where_all_are_wrong(model: Path, tmp_path: Path) -> None:
    """With nothing right GRPO stands still; answers that were met often are pushed down all the same."""
    nothing = World(worth=())
    for name, methods in (("ucb", (grpo(), answer_ucb(key="text"))), ("grpo", (grpo(),))):
        train(replace(small(model, *methods, steps=3), task=nothing), out=tmp_path / name)
    found = metrics_of(tmp_path / "ucb")
    assert found[0]["new_answers"] == 1
    assert found[2]["new_answers"] < 1
    assert all(row["grad_norm"] > 0 for row in found)
    assert all(row["grad_norm"] == 0 for row in metrics_of(tmp_path / "grpo"))


def test_novelty_moves_where_all_are_wrong_and_fades(model: Path, tmp_path: Path) -> None:
    nothing = World(worth=())
    train(replace(small(model, grpo(), i_mentor(decay=1.0), steps=3), task=nothing), out=tmp_path / "new")
    found = metrics_of(tmp_path / "new")
    assert all(row["grad_norm"] > 0 for row in found)
    assert 0 < found[2]["novelty_bonus"] < found[0]["novelty_bonus"] <= 0.5
    assert all(row["reward"] == 0 for row in found), "the bonus is no part of the reward"


def test_memory_of_failures_moves_where_all_are_wrong(model: Path, tmp_path: Path) -> None:
    nothing = World(worth=())
    for name, method in (("late", memory_r(warmup=2)), ("soon", memory_r(warmup=1))):
        train(replace(small(model, grpo(), method, steps=2), task=nothing), out=tmp_path / name)
    (_, late), (first, soon) = metrics_of(tmp_path / "late"), metrics_of(tmp_path / "soon")
    assert late["grad_norm"] == first["grad_norm"] == 0, "before the warm-up is over nothing differs"
    assert soon["grad_norm"] > 0
    assert 0 < soon["memory_reward"] < 1
    assert soon["reward"] == pytest.approx(soon["memory_reward"])
    assert soon["correct"] == 0
    assert "memory_likeness" not in soon


def test_settings_arrive_and_the_pools_mean_is_the_baseline(model: Path) -> None:
    recipe = small(model, grpo(), reinforce_ada(rule="positive", keep=6))
    assert recipe.explore == AdaptiveRounds(right=1, wrong=0)
    assert recipe.credit.baselines == (MeanCentre(),)
    assert [getattr(signal, "keep", None) for signal in recipe.signals] == [6]
    assert isinstance(small(model, grpo(), reinforce_ada(scale=True)).credit.baselines[1], StdScale)


@pytest.mark.parametrize(
    ("methods", "sentence"),
    [
        ((step_dpo(), METHODS["reinforce_ada"]()), "explores by StepTree already"),
        ((mcts_dpo(), METHODS["reinforce_ada"]()), "explores by StepSearch already"),
        ((mcts_dpo(), posterior_budget()), "cannot divide a budget"),
        ((mcts_dpo(actions=9),), "raise `group_size`"),
        ((grpo(), entropy_forks(), entro_duction()), "explores by EntropyForks already"),
        ((grpo(), entro_duction(epsilon=1.5)), "taken at random"),
        ((grpo(), entro_duction(uncertainty="all")), "vocabulary or of the chosen"),  # pyright: ignore[reportArgumentType]
        ((mcts_dpo(depth=0),), "search over steps needs"),
        ((tree_credit(), METHODS["entropy_forks"]()), "explores by SurpriseForks already"),
        ((step_dpo(), posterior_budget()), "cannot divide a budget"),
        ((grpo(), reinforce_ada(rule="all")), "has the rules"),  # pyright: ignore[reportArgumentType]
        ((grpo(), rrl(), posterior_budget()), "memory of its own"),
        ((grpo(), posterior_budget(low=9)), "budget"),
        ((grpo(), prefix_guided(source="both")), "knows none"),
        ((grpo(), answer_ucb()), "reads none"),
    ],
    ids=[
        "explore",
        "search",
        "budget",
        "actions",
        "entropy",
        "noise",
        "uncertainty",
        "depth",
        "forks",
        "tree",
        "rule",
        "memory",
        "low",
        "source",
        "answers",
    ],
)
def test_what_does_not_go_together_is_a_sentence(model: Path, methods: tuple[Applied, ...], sentence: str) -> None:
    with pytest.raises(ForageError, match=sentence):
        small(model, *methods)
