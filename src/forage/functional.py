"""The pure maths under names that other code may rely on, as `torch.nn.functional` does."""

from forage.ops.entropy import entropy_bonus
from forage.ops.logprobs import token_logprobs_and_entropy
from forage.ops.passk import pass_at_k
from forage.ops.planning import planning_credit
from forage.ops.returns import gae
from forage.ops.segments import group_advantage
from forage.ops.semantic import semantic_entropy
from forage.ops.soft_labels import soft_label

__all__ = [
    "entropy_bonus",
    "gae",
    "group_advantage",
    "pass_at_k",
    "planning_credit",
    "semantic_entropy",
    "soft_label",
    "token_logprobs_and_entropy",
]
