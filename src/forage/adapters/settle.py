"""The credit of rows whose trainer gives advantages per token: what the hooks of verl and slime share.

Axes: B rows, C tokens of the padded completions.
"""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from forage.adapters.parts import Parts, named_parts
from forage.adapters.rows import ExternalRow, batch_of, groups_of, on_completions, tools_of
from forage.core.batch import Experience
from forage.core.errors import ForageError
from forage.core.protocols import Codec
from forage.ops.masked import masked, require_shape
from forage.parts.credit.assign.uniform import Uniform
from forage.parts.signals import measure


def at_sampling(parts: Parts) -> Parts:
    """The parts with every shape looking at the policy that sampled, which is all that such a hook can see.

    A warning says so where a shape would have looked at each update: from the second update of a batch on, the bonus is
    that of an older policy. Raises ForageError for a shape that cannot.
    """
    late = [shape for shape in parts.shapes if shape.at == "update"]
    if not late:
        return parts
    names = ", ".join(type(shape).__name__ for shape in late)
    try:
        moved = tuple(shape if shape.at == "sampling" else replace(shape, at="sampling") for shape in parts.shapes)  # pyright: ignore[reportArgumentType]
    except TypeError:
        raise ForageError(f"{names} looks at every update, which this trainer's hook does not show.") from None
    warnings.warn(f'{names}: settled at="sampling"; this trainer\'s hook does not see the updates.', stacklevel=2)
    return replace(parts, shapes=moved)


def settled(
    parts: Parts,
    base: Tensor,
    learned: Tensor,
    *,
    reward: Tensor,
    entropy: Tensor | None,
    rows: Sequence[ExternalRow] = (),
    sizes: Sequence[int] = (),
    codec: Codec | None = None,
    seed: int = 0,
) -> Tensor:
    """New advantages (B, C): the trainer's own `base` (B, C), or those of the parts' baselines, assigned and shaped.

    `learned` (B, C) bool is the trainer's mask; `reward` (B,) is NaN where a row was not judged, and its row gets 0.
    `entropy` (B, C) in nats is of the policy that sampled. `rows` stand group by group, `sizes` to a group; they are
    needed by baselines and by signals other than the entropy. The result has base's dtype and device, and is 0 off the
    mask. Raises ForageError for a signal that is needed and absent.
    """
    require_shape(tuple(base.shape), learned=learned)
    counts = learned & ~reward.isnan()[:, None].to(learned.device)
    needs = frozenset().union(*(shape.needs for shape in parts.shapes), parts.assign.needs)
    if "entropy" in needs:
        if entropy is None:
            raise ForageError(
                "A part reads the entropy of the tokens, and this trainer computed none: its estimator or its bypass "
                "mode leaves the pass out that would. Turn that pass on."
            )
        require_shape(tuple(base.shape), entropy=entropy)
    signals: dict[str, Tensor] = {} if entropy is None else {"entropy": masked(entropy.float(), counts)}
    result = masked(base.float(), counts)
    if parts.baselines is not None or parts.assign != Uniform() or needs - {"entropy"}:
        result, late = _with_groups(parts, result, learned, reward, entropy, needs, rows, sizes, codec, seed)
        signals |= late
    for shape in parts.credit.sampling_shapes:
        result = masked(shape(result, signals, counts), counts)
    return result.to(base.device, base.dtype)


def _with_groups(
    parts: Parts,
    result: Tensor,
    learned: Tensor,
    reward: Tensor,
    entropy: Tensor | None,
    needs: frozenset[str],
    rows: Sequence[ExternalRow],
    sizes: Sequence[int],
    codec: Codec | None,
    seed: int,
) -> tuple[Tensor, Mapping[str, Tensor]]:
    """The advantages of the baselines, where there are any, and the signals that come from texts and siblings."""
    if codec is None or sum(sizes) != len(result):
        raise ForageError("These parts look at texts or siblings, and this hook is not given them.")
    if parts.baselines is None and parts.assign != Uniform():
        raise ForageError("An assignment places what a baseline says; give the baselines too.")
    groups = groups_of(rows, list(sizes), codec)
    batch = batch_of(groups, rows, learned, reward, entropy)
    measured = measure(groups, batch, needs, parts.signals, tools_of(codec), seed=seed)
    width = result.shape[1]
    if parts.baselines is not None:
        credit = replace(parts.credit, shapes=())
        settled_rows = credit(Experience(batch, measured.signals)).advantage
        result = on_completions(settled_rows, rows, width).to(result.device)
    late = {name: on_completions(value, rows, width).to(result.device) for name, value in measured.signals.items()}
    late.pop("entropy", None)
    return result, late


def parsed(methods: Sequence[str]) -> Parts:
    """The parts of methods given as texts, `["entropy_advantage:alpha=0.4"]`, at the moment of sampling."""
    parts = at_sampling(named_parts(methods))
    if parts.rewards:
        raise ForageError(
            "These methods change the reward, which this trainer computes elsewhere: use its reward hook."
        )
    return parts


def padded(rows: Sequence[Tensor], width: int | None = None) -> Tensor:
    """(B, C): rows of different lengths, with zeros behind them."""
    width = max(map(len, rows), default=0) if width is None else width
    result = torch.zeros(len(rows), width, dtype=rows[0].dtype, device=rows[0].device)
    for number, row in enumerate(rows):
        result[number, : len(row)] = row
    return result
