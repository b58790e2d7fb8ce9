"""The public maths: complete, documented in one form, and every example in a docstring is true."""

import ast
import doctest
import inspect
import re
from pathlib import Path

import numpy as np
import pytest
import torch

import forage.functional as public
from forage.methods import METHODS

OPS = Path(__file__).parent.parent / "src" / "forage" / "ops"

INTERNAL: dict[str, str] = {
    "arithmetic that others are made of": (
        "at_last_token centre clip k1 k2 k3 known largest masked masked_mean masked_sum mode_counts require_shape "
        "scale_by_std segments share_count"
    ),
    "intervals of the bootstrap, not of a method": "percentile_interval resampling_weights",
    "what a part reports beside the formula": "entropy_planning_wish",
}
"""Public functions of `ops` that are not exported, by the reason."""


def ops_functions() -> set[str]:
    names: set[str] = set()
    for path in OPS.glob("*.py"):
        tree = ast.parse(path.read_text())
        names |= {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    return {name for name in names if not name.startswith(("_", "check_"))}


def test_every_formula_of_ops_is_public() -> None:
    internal = {name for names in INTERNAL.values() for name in names.split()}
    assert set(public.__all__) == ops_functions() - internal, "export it in forage.functional, or say why not here"
    assert sorted(public.__all__) == list(public.__all__)
    assert not internal & set(public.__all__)
    assert internal <= ops_functions()


@pytest.mark.parametrize("name", public.__all__)
def test_the_docstring_says_everything(name: str) -> None:
    function = getattr(public, name)
    text = inspect.getdoc(function) or ""
    summary, equation, *_ = text.split("\n\n")
    assert "\n" not in summary, "one line says what it is"
    assert equation.startswith("    "), "the equation follows, indented"
    before_args = text.split("Args:")[0]
    assert re.search(r"\d{4}\.\d{5}|\b(19|20)\d\d\b", before_args), "the source is cited"
    places = [text.index(f"\n{section}:\n") for section in ("Args", "Returns", "Raises", "Example")]
    assert places == sorted(places)
    arguments = text[places[0] : places[1]]
    for parameter in inspect.signature(function).parameters:
        assert re.search(rf"^    {parameter}: ", arguments, re.MULTILINE), f"{parameter} is not described"
    assert doctest.DocTestParser().get_examples(text[places[3] :])


@pytest.mark.parametrize("name", public.__all__)
def test_the_example_is_true(name: str) -> None:
    function = getattr(public, name)
    names = {"np": np, "torch": torch, **{each: getattr(public, each) for each in public.__all__}}
    finder = doctest.DocTestFinder(recurse=False)
    (example,) = finder.find(function, name, globs=names)
    assert all(each.want for each in example.examples[-1:]), "the last line shows a result"
    result = doctest.DocTestRunner().run(example)
    assert result.attempted
    assert not result.failed


@pytest.mark.parametrize("name", ["ppo_clip", "gspo", "cispo", "reinforce", "dppo", "sapo", "ce_gppo"])
def test_surrogates_share_one_convention(name: str) -> None:
    function = getattr(public, name)
    parameters = inspect.signature(function).parameters
    assert list(parameters)[:4] == ["logprob", "behaviour", "advantage", "mask"]
    assert all(each.kind is each.KEYWORD_ONLY for each in list(parameters.values())[4:])
    settings = {
        "dppo": {"bound": 0.2},
        "sapo": {"tau_positive": 1.0, "tau_negative": 1.0},
        "ce_gppo": {"low": 0.2, "high": 0.2, "keep_low": 0.5, "keep_high": 0.5},
    }
    logprob = torch.tensor([[-1.0, -2.0, -3.0]], requires_grad=True)
    advantage = torch.tensor([[1.0, -2.0, 5.0]], requires_grad=True)
    mask = torch.tensor([[True, True, False]])
    loss, clipped = function(logprob, logprob.detach(), advantage, mask, **settings.get(name, {}))
    assert clipped.dtype == torch.bool
    assert loss[0, 2] == 0
    assert not clipped.any()
    (slope,) = torch.autograd.grad(loss.sum(), logprob)
    torch.testing.assert_close(slope, torch.tensor([[-1.0, 2.0, 0.0]]))  # -A where the ratio is 1
    with pytest.raises(ValueError, match="shape"):
        function(logprob, logprob.detach()[:, :2], advantage, mask, **settings.get(name, {}))


FORMULAS: dict[str, str] = {
    "reinforce": "reinforce token_mean",
    "rloo": "leave_one_out ppo_clip",
    "grpo": "group_advantage ppo_clip token_mean",
    "dr_grpo": "group_advantage ppo_clip fixed_length",
    "dapo": "group_advantage ppo_clip token_mean overlong_penalty",
    "gspo": "group_advantage gspo sequence_mean",
    "cispo": "group_advantage cispo",
    "passk": "pass_at_k_advantage",
    "raft": "best_of_group_advantage reinforce sequence_mean",
    "step_dpo": "puct step_prior visit_smoothing preference_loss preference_pull",
    "mcts_dpo": "puct step_prior self_evaluated step_quality backed_up_value visit_smoothing preference_loss",
    "ppo": "gae whiten clipped_value_error explained_variance",
    "zpg": "random_direction preference_gap zeroth_order_gradient",
    "hrpo": "expected_embedding kept_share decay_parameter blended_embedding kl_estimate",
    "etpo": "soft_expectations soft_q_targets soft_q_loss",
    "vineppo": "value_differences",
    "maxrl": "maxrl_advantage",
    "tailrl": "tailrl_advantage",
    "psr": "psr_advantage kept_denominator",
    "nsr": "nsr_advantage kept_denominator",
    "weighted_reinforce": "signed_advantage",
    "dppo": "dppo",
    "sapo": "sapo sequence_mean",
    "ce_gppo": "ce_gppo",
    "entropy_advantage": "entropy_bonus token_logprobs_and_entropy",
    "entropy_penalty": "token_logprobs_and_entropy",
    "entropy_target": "adapted_coefficient",
    "kl_penalty": "kl_estimate",
    "clip_cov": "clip_cov_tokens token_covariance",
    "kl_cov": "kl_cov_tokens log_ratio",
    "top_entropy_tokens": "top_share",
    "hicra": "planning_credit semantic_entropy",
    "hicra_entropy": "entropy_planning_bonus",
    "mode_diversity": "mode_reward",
    "mode_coverage": "mode_reward replay_scale mode_shares exemplar_weights",
    "mode_replay": "replay_scale mode_shares exemplar_weights",
    "mode_replay_frequency": "mode_shares",
    "rl_plus": "surrogate_ratio unlikely_weight exemplar_weights",
    "success_replay": "replay_advantage shaped_ratio difficulty_weight",
    "base_anchor": "kl_estimate exemplar_weights",
    "unlikeliness": "unlikeliness_reward group_ranks",
    "ucpo": "ucpo_weight",
    "uniqueness": "inverse_weight",
    "cue": "cue_weight",
    "setpo": "set_bonus",
    "answer_ucb": "visit_bonus",
    "i_mentor": "novelty_bonus",
    "progress_reward": "answer_progress step_returns",
    "barl": "answer_progress answer_weights posterior_credit",
    "judge_reward": "pair_label_loss bradley_terry_strengths",
    "memory_r": "likeness_reward unlikeness_reward window_scale memory_reward",
    "tree_credit": "tree_advantage prefix_owner by_surprise leave_one_out",
    "lambda_grpo": "sharing",
    "entropy_forks": "fork_chance",
    "entro_duction": "step_uncertainty chosen_uncertainty reasoning_action noisy_action",
    "reinforce_ada": "balanced_siblings",
    "difficulty_buckets": "difficulty_bucket",
    "posterior_budget": "rollout_budget teaching_value division_chance",
    "process_reward": "aggregate soft_label step_cross_entropy",
    "process_advantage": "potential_differences step_returns",
    "reward_model": "bradley_terry_loss plackett_luce_loss average_weights",
    "satori": "restart_bonus",
    "soft_rllf": "classifier_loss",
    "embedding_reward": "bradley_terry_loss plackett_luce_loss",
    "pessimistic_reward": "linear_preferences confidence_width confidence_radius",
    "step_grpo": "step_reward",
    "r1_searcher": "search_call_reward search_answer_reward word_f1",
    "first_try_bonus": "step_returns",
    "shuffled_entropy": "shuffle_within_rows entropy_bonus",
    "constant_bonus": "constant_bonus",
    "random_token_bonus": "random_token_bonus",
    "unclipped_entropy": "unclipped_entropy_bonus",
    "high_entropy_scale": "high_entropy_scale",
    "group_reweight": "group_reweight",
    "hicra_reported": "most_uncertain planning_credit",
    "hicra_negative": "planning_credit",
    "hicra_inverted": "planning_credit",
    "mode_diversity_after": "inverse_weight",
    "dgro": "soft_value_advantage squared_pull reinforce",
    "dgro_free": "soft_value_advantage reinforce",
    "em_policy_gradient": "group_advantage reinforce token_mean",
    "em_clipped": "group_advantage ppo_clip token_mean",
    "ibro": "advantage_entropy",
    "ibro_unsigned": "advantage_entropy",
    "perplexity_shaping": "perplexity_weight perplexity_scale",
    "perplexity_shuffled": "perplexity_weight perplexity_scale",
    "position_shaping": "relative_position position_bonus",
    "position_reversed": "relative_position position_bonus",
}
"""The formulas of every method with one of its own; a method that only arranges or shuffles others' has none."""

ARRANGED = (
    "answer_ucb_random barl_shuffled base_anchor_likelihood bottom_entropy_tokens clip_cov_random cue_shuffled "
    "difficulty_buckets_random "
    "embedding_reward_shuffled entro_duction_random etpo_shuffled entropy_forks_random first_try_random hicra_random "
    "hrpo_shuffled hrpo_shut "
    "i_mentor_shuffled judge_reward_shuffled kl_cov_random mcts_dpo_random memory_r_shuffled mode_coverage_random "
    "mode_coverage_undivided mode_coverage_unreplayed mode_coverage_unrestarted mode_diversity_random "
    "mode_replay_others mode_replay_single mode_replay_unlearned pessimistic_reward_shuffled "
    "posterior_budget_random prefix_guided prefix_guided_other progress_reward_shuffled r1_searcher_shuffled "
    "random_entropy_tokens reinforce_ada_random rl_plus_others rrl rrl_oracle rrl_random_cuts "
    "rrl_success_prefixes rrl_whole_prompts "
    "setpo_shuffled soft_rllf_shuffled "
    "step_grpo_shuffled strategy_modes success_replay_fresh success_replay_random tree_credit_random "
    "ucpo_shuffled uniqueness_shuffled unlikeliness_random zpg_random"
)


def test_the_formulas_of_every_method_are_public() -> None:
    assert set(METHODS) == set(FORMULAS) | set(ARRANGED.split())
    named = {name for names in FORMULAS.values() for name in names.split()}
    assert named <= set(public.__all__), named - set(public.__all__)
