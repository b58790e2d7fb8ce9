"""Every formula of every method under a stable name, as `torch.nn.functional` has them for layers.

These are bare functions of tensors and numbers: no model, no run, no configuration. Together they are enough to put any
method of this library into another trainer. Each docstring has the equation with its source, the arguments with their
shapes, what is returned and raised, and an example that a test runs (after `from forage.functional import *`, with

Axes: B sequences (or values of sequences), T tokens, N rows of any kind, V vocabulary.
"""

from forage.ops.answer_progress import answer_progress, answer_weights, posterior_credit
from forage.ops.attention_weights import heavy_keys, rebalanced_weights
from forage.ops.bandits import episode_score, shares_of_choices
from forage.ops.best_of_n import best_of_n, vote_of_n
from forage.ops.demonstrations import surrogate_ratio, unlikely_weight
from forage.ops.divergences import kl_estimate
from forage.ops.diversity import distinct_at_k, distinct_at_k_of_chances, pcmd, pcmd_of_chances
from forage.ops.entropy import advantage_entropy, entropy_bonus
from forage.ops.entropy_control import adapted_coefficient
from forage.ops.entropy_placebos import (
    constant_bonus,
    group_reweight,
    high_entropy_scale,
    random_token_bonus,
    shuffle_within_rows,
    unclipped_entropy_bonus,
)
from forage.ops.exemplars import exemplar_weights, mode_shares, replay_scale
from forage.ops.forks import by_surprise, fork_chance
from forage.ops.latent_thinking import blended_embedding, decay_parameter, expected_embedding, kept_share
from forage.ops.learning_stages import perplexity_scale, perplexity_weight, position_bonus, relative_position
from forage.ops.likelihood_ranks import group_ranks, unlikeliness_reward
from forage.ops.linear_rewards import confidence_radius, confidence_width, linear_preferences
from forage.ops.logprobs import token_logprobs_and_entropy
from forage.ops.mismatch import importance_weight, mismatch
from forage.ops.mode_rewards import mode_reward
from forage.ops.mode_weights import cue_weight, inverse_weight, set_bonus, ucpo_weight
from forage.ops.novelty import novelty_bonus, window_scale
from forage.ops.pair_labels import bradley_terry_strengths, pair_label_loss
from forage.ops.passk import pass_at_k, pass_at_k_advantage
from forage.ops.planning import entropy_planning_bonus, most_uncertain, planning_credit
from forage.ops.preferences import (
    bradley_terry_loss,
    classifier_loss,
    plackett_luce_loss,
    preference_loss,
    preference_pull,
    visit_smoothing,
)
from forage.ops.ratios import log_ratio, sequence_ratio, token_ratio
from forage.ops.reasoning_control import chosen_uncertainty, noisy_action, reasoning_action, step_uncertainty
from forage.ops.reductions import fixed_length, kept_denominator, sequence_mean, token_mean
from forage.ops.response_memory import likeness_reward, memory_reward, unlikeness_reward
from forage.ops.returns import gae, step_returns, value_differences
from forage.ops.rollout_budget import (
    balanced_siblings,
    difficulty_bucket,
    division_chance,
    rollout_budget,
    teaching_value,
)
from forage.ops.search import backed_up_value, puct, self_evaluated, step_prior, step_quality, uct
from forage.ops.search_rewards import retrieval_reward, search_answer_reward, search_call_reward, word_f1
from forage.ops.segments import best_of_group_advantage, group_advantage, leave_one_out
from forage.ops.semantic import semantic_entropy
from forage.ops.shared_prefixes import prefix_owner, sharing, tree_advantage
from forage.ops.soft_labels import soft_label
from forage.ops.soft_q import soft_expectations, soft_q_loss, soft_q_targets
from forage.ops.source_policy import soft_value_advantage, squared_pull
from forage.ops.step_objectives import step_cross_entropy, step_ranking
from forage.ops.step_scores import aggregate, potential_differences
from forage.ops.success_advantages import (
    maxrl_advantage,
    nsr_advantage,
    psr_advantage,
    signed_advantage,
    tailrl_advantage,
)
from forage.ops.success_replay import difficulty_weight, replay_advantage, shaped_ratio
from forage.ops.surrogates import cispo, gspo, ppo_clip, reinforce
from forage.ops.token_covariance import clip_cov_tokens, kl_cov_tokens, token_covariance, top_share
from forage.ops.trust_regions import ce_gppo, dppo, sapo
from forage.ops.values import clipped_value_error, explained_variance
from forage.ops.verdict_rewards import overlong_penalty, restart_bonus, step_reward
from forage.ops.visits import visit_bonus
from forage.ops.weight_average import average_weights
from forage.ops.whitening import whiten
from forage.ops.zeroth_order import preference_gap, random_direction, zeroth_order_gradient

__all__ = [
    "adapted_coefficient",
    "advantage_entropy",
    "aggregate",
    "answer_progress",
    "answer_weights",
    "average_weights",
    "backed_up_value",
    "balanced_siblings",
    "best_of_group_advantage",
    "best_of_n",
    "blended_embedding",
    "bradley_terry_loss",
    "bradley_terry_strengths",
    "by_surprise",
    "ce_gppo",
    "chosen_uncertainty",
    "cispo",
    "classifier_loss",
    "clip_cov_tokens",
    "clipped_value_error",
    "confidence_radius",
    "confidence_width",
    "constant_bonus",
    "cue_weight",
    "decay_parameter",
    "difficulty_bucket",
    "difficulty_weight",
    "distinct_at_k",
    "distinct_at_k_of_chances",
    "division_chance",
    "dppo",
    "entropy_bonus",
    "entropy_planning_bonus",
    "episode_score",
    "exemplar_weights",
    "expected_embedding",
    "explained_variance",
    "fixed_length",
    "fork_chance",
    "gae",
    "group_advantage",
    "group_ranks",
    "group_reweight",
    "gspo",
    "heavy_keys",
    "high_entropy_scale",
    "importance_weight",
    "inverse_weight",
    "kept_denominator",
    "kept_share",
    "kl_cov_tokens",
    "kl_estimate",
    "leave_one_out",
    "likeness_reward",
    "linear_preferences",
    "log_ratio",
    "maxrl_advantage",
    "memory_reward",
    "mismatch",
    "mode_reward",
    "mode_shares",
    "most_uncertain",
    "noisy_action",
    "novelty_bonus",
    "nsr_advantage",
    "overlong_penalty",
    "pair_label_loss",
    "pass_at_k",
    "pass_at_k_advantage",
    "pcmd",
    "pcmd_of_chances",
    "perplexity_scale",
    "perplexity_weight",
    "plackett_luce_loss",
    "planning_credit",
    "position_bonus",
    "posterior_credit",
    "potential_differences",
    "ppo_clip",
    "preference_gap",
    "preference_loss",
    "preference_pull",
    "prefix_owner",
    "psr_advantage",
    "puct",
    "random_direction",
    "random_token_bonus",
    "reasoning_action",
    "rebalanced_weights",
    "reinforce",
    "relative_position",
    "replay_advantage",
    "replay_scale",
    "restart_bonus",
    "retrieval_reward",
    "rollout_budget",
    "sapo",
    "search_answer_reward",
    "search_call_reward",
    "self_evaluated",
    "semantic_entropy",
    "sequence_mean",
    "sequence_ratio",
    "set_bonus",
    "shaped_ratio",
    "shares_of_choices",
    "sharing",
    "shuffle_within_rows",
    "signed_advantage",
    "soft_expectations",
    "soft_label",
    "soft_q_loss",
    "soft_q_targets",
    "soft_value_advantage",
    "squared_pull",
    "step_cross_entropy",
    "step_prior",
    "step_quality",
    "step_ranking",
    "step_returns",
    "step_reward",
    "step_uncertainty",
    "surrogate_ratio",
    "tailrl_advantage",
    "teaching_value",
    "token_covariance",
    "token_logprobs_and_entropy",
    "token_mean",
    "token_ratio",
    "top_share",
    "tree_advantage",
    "ucpo_weight",
    "uct",
    "unclipped_entropy_bonus",
    "unlikeliness_reward",
    "unlikely_weight",
    "unlikeness_reward",
    "value_differences",
    "visit_bonus",
    "visit_smoothing",
    "vote_of_n",
    "whiten",
    "window_scale",
    "word_f1",
    "zeroth_order_gradient",
]
