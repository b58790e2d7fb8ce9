"""The pure maths under names that other code may rely on, as `torch.nn.functional` does."""

from forage.ops.diversity import distinct_at_k, pcmd
from forage.ops.entropy import entropy_bonus
from forage.ops.logprobs import token_logprobs_and_entropy
from forage.ops.mode_rewards import mode_reward
from forage.ops.passk import pass_at_k
from forage.ops.planning import planning_credit
from forage.ops.returns import gae
from forage.ops.segments import group_advantage
from forage.ops.semantic import semantic_entropy
from forage.ops.soft_labels import soft_label
from forage.ops.success_advantages import maxrl_advantage, nsr_advantage, tailrl_advantage

__all__ = [
    "distinct_at_k",
    "entropy_bonus",
    "gae",
    "group_advantage",
    "maxrl_advantage",
    "mode_reward",
    "nsr_advantage",
    "pass_at_k",
    "pcmd",
    "planning_credit",
    "semantic_entropy",
    "soft_label",
    "tailrl_advantage",
    "token_logprobs_and_entropy",
]
