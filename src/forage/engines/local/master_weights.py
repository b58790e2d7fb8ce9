"""Float32 copies of the weights that a model keeps in fewer bits: they learn, and the model's are what they round to.

A bfloat16 has 8 bits of fraction, so an update below half of the last of them is lost when it is added to the weight
itself: at a learning rate of 1e-6 nearly all are. Added to a float32 copy they pile up until the rounded weight moves
(Micikevicius et al. 2018, "Mixed precision training", arXiv 1710.03740, section 3.1). Gradients add up in float32 too,
so that the number of micro-batches does not decide how many of their bits survive.
"""

from collections.abc import Iterable
from functools import partial

import torch
from torch import Tensor, nn


class MasterWeights:
    """`parameters` are what an optimizer moves: a master for every weight of fewer bits, the weight itself otherwise.

    Weights may be shards (`DTensor`): their masters are cut alike. The gradient of such a weight is moved into its
    master's as soon as the backward pass has it, so it is never there twice.
    """

    def __init__(self, weights: Iterable[nn.Parameter]) -> None:
        self.parameters: list[nn.Parameter] = []
        self._pairs: dict[int, tuple[nn.Parameter, nn.Parameter]] = {}
        for number, weight in enumerate(weights):
            master = weight
            if weight.dtype != torch.float32:
                master = nn.Parameter(weight.detach().float())
                weight.register_post_accumulate_grad_hook(partial(_move_gradient, master))
                self._pairs[number] = (weight, master)
            self.parameters.append(master)

    @torch.no_grad()
    def publish(self) -> None:
        """Gives the model's weights the values of their masters, rounded to nearest."""
        for weight, master in self._pairs.values():
            weight.copy_(master)

    @torch.no_grad()
    def total(self) -> float:
        """The sum of all that learns: processes that hold it whole compare it."""
        return sum(float(parameter.sum(dtype=torch.float64)) for parameter in self.parameters)

    def state(self) -> dict[int, Tensor]:
        """The masters by the number of their parameter; a float32 weight is in the model's checkpoint already."""
        return {number: master for number, (_, master) in self._pairs.items()}

    @torch.no_grad()
    def restore(self, number: int, value: Tensor) -> None:
        """`value` as `state` gave it, cut as the master is. The model's weight follows."""
        weight, master = self._pairs[number]
        master.copy_(value)
        weight.copy_(master)


@torch.no_grad()
def _move_gradient(master: nn.Parameter, weight: Tensor) -> None:
    gradient, weight.grad = weight.grad, None
    if gradient is None:
        return
    if master.grad is None:
        master.grad = gradient.float()
    else:
        master.grad.add_(gradient)
