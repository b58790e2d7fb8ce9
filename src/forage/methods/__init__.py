"""The catalogue: a method is in it when it is imported here. One line each.

The paper and the seam of a method stand in its own file.
"""

from collections.abc import Sequence

from forage.methods.algorithms.ce_gppo import ce_gppo as ce_gppo
from forage.methods.algorithms.cispo import cispo as cispo
from forage.methods.algorithms.dapo import dapo as dapo
from forage.methods.algorithms.dgro import dgro as dgro
from forage.methods.algorithms.dppo import dppo as dppo
from forage.methods.algorithms.dr_grpo import dr_grpo as dr_grpo
from forage.methods.algorithms.em_policy_gradient import em_policy_gradient as em_policy_gradient
from forage.methods.algorithms.etpo import etpo as etpo
from forage.methods.algorithms.grpo import grpo as grpo
from forage.methods.algorithms.gspo import gspo as gspo
from forage.methods.algorithms.hrpo import hrpo as hrpo
from forage.methods.algorithms.maxrl import maxrl as maxrl
from forage.methods.algorithms.mcts_dpo import mcts_dpo as mcts_dpo
from forage.methods.algorithms.nsr import nsr as nsr
from forage.methods.algorithms.passk import passk as passk
from forage.methods.algorithms.ppo import ppo as ppo
from forage.methods.algorithms.psr import psr as psr
from forage.methods.algorithms.raft import raft as raft
from forage.methods.algorithms.reinforce import reinforce as reinforce
from forage.methods.algorithms.rloo import rloo as rloo
from forage.methods.algorithms.sapo import sapo as sapo
from forage.methods.algorithms.step_dpo import step_dpo as step_dpo
from forage.methods.algorithms.tailrl import tailrl as tailrl
from forage.methods.algorithms.tree_credit import tree_credit as tree_credit
from forage.methods.algorithms.vineppo import vineppo as vineppo
from forage.methods.algorithms.weighted_reinforce import weighted_reinforce as weighted_reinforce
from forage.methods.algorithms.zpg import zpg as zpg
from forage.methods.catalogue import Applied as Applied
from forage.methods.catalogue import Choice as Choice
from forage.methods.catalogue import Method as Method
from forage.methods.catalogue import applied as applied
from forage.methods.catalogue import apply as apply
from forage.methods.catalogue import catalogue
from forage.methods.catalogue import parse as parse
from forage.methods.controls.answer_ucb_random import answer_ucb_random as answer_ucb_random
from forage.methods.controls.barl_shuffled import barl_shuffled as barl_shuffled
from forage.methods.controls.base_anchor_likelihood import base_anchor_likelihood as base_anchor_likelihood
from forage.methods.controls.bottom_entropy_tokens import bottom_entropy_tokens as bottom_entropy_tokens
from forage.methods.controls.clip_cov_random import clip_cov_random as clip_cov_random
from forage.methods.controls.constant_bonus import constant_bonus as constant_bonus
from forage.methods.controls.cue_shuffled import cue_shuffled as cue_shuffled
from forage.methods.controls.dgro_free import dgro_free as dgro_free
from forage.methods.controls.difficulty_buckets_random import difficulty_buckets_random as difficulty_buckets_random
from forage.methods.controls.em_clipped import em_clipped as em_clipped
from forage.methods.controls.embedding_reward_shuffled import embedding_reward_shuffled as embedding_reward_shuffled
from forage.methods.controls.entro_duction_random import entro_duction_random as entro_duction_random
from forage.methods.controls.entropy_forks_random import entropy_forks_random as entropy_forks_random
from forage.methods.controls.etpo_shuffled import etpo_shuffled as etpo_shuffled
from forage.methods.controls.first_try_random import first_try_random as first_try_random
from forage.methods.controls.group_reweight import group_reweight as group_reweight
from forage.methods.controls.hicra_inverted import hicra_inverted as hicra_inverted
from forage.methods.controls.hicra_negative import hicra_negative as hicra_negative
from forage.methods.controls.hicra_random import hicra_random as hicra_random
from forage.methods.controls.hicra_reported import hicra_reported as hicra_reported
from forage.methods.controls.high_entropy_scale import high_entropy_scale as high_entropy_scale
from forage.methods.controls.hrpo_shuffled import hrpo_shuffled as hrpo_shuffled
from forage.methods.controls.hrpo_shut import hrpo_shut as hrpo_shut
from forage.methods.controls.i_mentor_shuffled import i_mentor_shuffled as i_mentor_shuffled
from forage.methods.controls.ibro_unsigned import ibro_unsigned as ibro_unsigned
from forage.methods.controls.judge_reward_shuffled import judge_reward_shuffled as judge_reward_shuffled
from forage.methods.controls.kl_cov_random import kl_cov_random as kl_cov_random
from forage.methods.controls.mcts_dpo_random import mcts_dpo_random as mcts_dpo_random
from forage.methods.controls.memory_r_shuffled import memory_r_shuffled as memory_r_shuffled
from forage.methods.controls.mode_coverage_random import mode_coverage_random as mode_coverage_random
from forage.methods.controls.mode_coverage_undivided import mode_coverage_undivided as mode_coverage_undivided
from forage.methods.controls.mode_coverage_unreplayed import mode_coverage_unreplayed as mode_coverage_unreplayed
from forage.methods.controls.mode_coverage_unrestarted import mode_coverage_unrestarted as mode_coverage_unrestarted
from forage.methods.controls.mode_diversity_after import mode_diversity_after as mode_diversity_after
from forage.methods.controls.mode_diversity_random import mode_diversity_random as mode_diversity_random
from forage.methods.controls.mode_replay_frequency import mode_replay_frequency as mode_replay_frequency
from forage.methods.controls.mode_replay_others import mode_replay_others as mode_replay_others
from forage.methods.controls.mode_replay_single import mode_replay_single as mode_replay_single
from forage.methods.controls.mode_replay_unlearned import mode_replay_unlearned as mode_replay_unlearned
from forage.methods.controls.perplexity_shuffled import perplexity_shuffled as perplexity_shuffled
from forage.methods.controls.pessimistic_reward_shuffled import (
    pessimistic_reward_shuffled as pessimistic_reward_shuffled,
)
from forage.methods.controls.position_reversed import position_reversed as position_reversed
from forage.methods.controls.posterior_budget_random import posterior_budget_random as posterior_budget_random
from forage.methods.controls.prefix_guided_other import prefix_guided_other as prefix_guided_other
from forage.methods.controls.progress_reward_shuffled import progress_reward_shuffled as progress_reward_shuffled
from forage.methods.controls.r1_searcher_shuffled import r1_searcher_shuffled as r1_searcher_shuffled
from forage.methods.controls.random_entropy_tokens import random_entropy_tokens as random_entropy_tokens
from forage.methods.controls.random_token_bonus import random_token_bonus as random_token_bonus
from forage.methods.controls.reinforce_ada_random import reinforce_ada_random as reinforce_ada_random
from forage.methods.controls.rl_plus_others import rl_plus_others as rl_plus_others
from forage.methods.controls.rrl_oracle import rrl_oracle as rrl_oracle
from forage.methods.controls.rrl_random_cuts import rrl_random_cuts as rrl_random_cuts
from forage.methods.controls.rrl_success_prefixes import rrl_success_prefixes as rrl_success_prefixes
from forage.methods.controls.rrl_whole_prompts import rrl_whole_prompts as rrl_whole_prompts
from forage.methods.controls.setpo_shuffled import setpo_shuffled as setpo_shuffled
from forage.methods.controls.shuffled_entropy import shuffled_entropy as shuffled_entropy
from forage.methods.controls.soft_rllf_shuffled import soft_rllf_shuffled as soft_rllf_shuffled
from forage.methods.controls.step_grpo_shuffled import step_grpo_shuffled as step_grpo_shuffled
from forage.methods.controls.success_replay_fresh import success_replay_fresh as success_replay_fresh
from forage.methods.controls.success_replay_random import success_replay_random as success_replay_random
from forage.methods.controls.tree_credit_random import tree_credit_random as tree_credit_random
from forage.methods.controls.ucpo_shuffled import ucpo_shuffled as ucpo_shuffled
from forage.methods.controls.unclipped_entropy import unclipped_entropy as unclipped_entropy
from forage.methods.controls.uniqueness_shuffled import uniqueness_shuffled as uniqueness_shuffled
from forage.methods.controls.unlikeliness_random import unlikeliness_random as unlikeliness_random
from forage.methods.controls.zpg_random import zpg_random as zpg_random
from forage.methods.exploration.answer_ucb import answer_ucb as answer_ucb
from forage.methods.exploration.barl import barl as barl
from forage.methods.exploration.base_anchor import base_anchor as base_anchor
from forage.methods.exploration.clip_cov import clip_cov as clip_cov
from forage.methods.exploration.cue import cue as cue
from forage.methods.exploration.difficulty_buckets import difficulty_buckets as difficulty_buckets
from forage.methods.exploration.embedding_reward import embedding_reward as embedding_reward
from forage.methods.exploration.entro_duction import entro_duction as entro_duction
from forage.methods.exploration.entropy_advantage import entropy_advantage as entropy_advantage
from forage.methods.exploration.entropy_forks import entropy_forks as entropy_forks
from forage.methods.exploration.entropy_penalty import entropy_penalty as entropy_penalty
from forage.methods.exploration.entropy_target import entropy_target as entropy_target
from forage.methods.exploration.first_try_bonus import first_try_bonus as first_try_bonus
from forage.methods.exploration.hicra import hicra as hicra
from forage.methods.exploration.hicra_entropy import hicra_entropy as hicra_entropy
from forage.methods.exploration.i_mentor import i_mentor as i_mentor
from forage.methods.exploration.ibro import ibro as ibro
from forage.methods.exploration.judge_reward import judge_reward as judge_reward
from forage.methods.exploration.kl_cov import kl_cov as kl_cov
from forage.methods.exploration.kl_penalty import kl_penalty as kl_penalty
from forage.methods.exploration.lambda_grpo import lambda_grpo as lambda_grpo
from forage.methods.exploration.memory_r import memory_r as memory_r
from forage.methods.exploration.mode_coverage import mode_coverage as mode_coverage
from forage.methods.exploration.mode_diversity import mode_diversity as mode_diversity
from forage.methods.exploration.mode_replay import mode_replay as mode_replay
from forage.methods.exploration.perplexity_shaping import perplexity_shaping as perplexity_shaping
from forage.methods.exploration.pessimistic_reward import pessimistic_reward as pessimistic_reward
from forage.methods.exploration.position_shaping import position_shaping as position_shaping
from forage.methods.exploration.posterior_budget import posterior_budget as posterior_budget
from forage.methods.exploration.prefix_guided import prefix_guided as prefix_guided
from forage.methods.exploration.process_advantage import process_advantage as process_advantage
from forage.methods.exploration.process_reward import process_reward as process_reward
from forage.methods.exploration.progress_reward import progress_reward as progress_reward
from forage.methods.exploration.r1_searcher import r1_searcher as r1_searcher
from forage.methods.exploration.reinforce_ada import reinforce_ada as reinforce_ada
from forage.methods.exploration.reward_model import reward_model as reward_model
from forage.methods.exploration.rl_plus import rl_plus as rl_plus
from forage.methods.exploration.rrl import rrl as rrl
from forage.methods.exploration.satori import satori as satori
from forage.methods.exploration.setpo import setpo as setpo
from forage.methods.exploration.soft_rllf import soft_rllf as soft_rllf
from forage.methods.exploration.step_grpo import step_grpo as step_grpo
from forage.methods.exploration.strategy_modes import strategy_modes as strategy_modes
from forage.methods.exploration.success_replay import success_replay as success_replay
from forage.methods.exploration.top_entropy_tokens import top_entropy_tokens as top_entropy_tokens
from forage.methods.exploration.ucpo import ucpo as ucpo
from forage.methods.exploration.uniqueness import uniqueness as uniqueness
from forage.methods.exploration.unlikeliness import unlikeliness as unlikeliness
from forage.training.recipe import Recipe

METHODS = catalogue(*(entry for entry in list(globals().values()) if isinstance(entry, Method)))
"""Every method by name."""


Choices = Choice | Sequence[Choice]
"""The methods of a recipe: one, or several in order."""


def with_methods(recipe: Recipe, chosen: Choices) -> Recipe:
    """The recipe with these methods in order; GRPO comes first where none of them is an algorithm."""
    given = chosen if isinstance(chosen, Sequence) and not isinstance(chosen, str) else [chosen]
    methods = [applied(entry, METHODS) for entry in given]
    if not any(entry.kind == "algorithm" for entry in methods):
        methods.insert(0, grpo())
    return apply(recipe, methods)
