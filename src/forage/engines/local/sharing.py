"""Whether a model's sequences can share the start that they have in common, found out by trying.

An architecture can where nothing but our attention lets one position know of another. Recurrent layers and convolutions
would carry one response into the next; positions that a module counts on its own would not go back to the start's end.
"""

import warnings

import torch

from forage.core.batch import Batch
from forage.engines.local.acceptance import TOLERANCE
from forage.engines.local.model import LocalModel
from forage.engines.local.packing import Packing, Section, Starts


class Sharing:
    """`starts` tells which sequences of a batch may share; it says once why none of them may."""

    def __init__(self, model: LocalModel) -> None:
        self._name = type(model.module).__name__
        self.possible = _possible(model)
        self._said = False

    def starts(self, batch: Batch) -> Starts | None:
        """None where nothing can be shared."""
        if self.possible:
            return Starts.of(batch)
        if not self._said and Starts.of(batch).shared:
            self._said = True
            warnings.warn(
                f"{self._name} lets one position know of another in more ways than our attention, so every response "
                "carries its own copy of the prompt through the update: slower, with the same gradients.",
                stacklevel=2,
            )
        return None


@torch.no_grad()
def _possible(model: LocalModel) -> bool:
    """Whether two short responses behind one start get the hidden states that each gets in a row of its own."""
    device = model.device
    # The first row's last token is left out of the packed row, so that the responses are of different lengths.
    rows = (torch.arange(16, device=device) * 7919 + 1).remainder(model.config.vocab_size).view(2, 8)
    rows[1, :4] = rows[0, :4]
    place = torch.tensor([0, 1, 2, 4, 5, 6, 7], device=device)
    packing = Packing(
        tokens=torch.cat([rows[0, :7], rows[1, 4:]])[None],
        positions=torch.tensor([[0, 1, 2, 3, 4, 5, 6, 4, 5, 6, 7]], device=device),
        sections=(Section(0, 4, 11, 2, 4, place),),
        scores=torch.arange(11, device=device),
    )
    try:
        apart = model.hidden(rows)
        packed = model.hidden(packing.tokens, packing)[0]
    except (AttributeError, TypeError, ValueError, KeyError, IndexError, RuntimeError):
        return False
    if not bool(torch.isfinite(apart).all()):
        return True  # Damaged weights: the update says so when it meets them.
    expected = torch.cat([apart[0, :7], apart[1, 4:]])
    error = float((packed - expected).abs().max() / expected.abs().max().clamp_min(1e-3))
    return error <= TOLERANCE.get(model.module.dtype, 5e-2)
