"""The signals that every recipe can have, and the computation of those that it needs."""

from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType

from forage.core.batch import Batch, Experience
from forage.core.errors import ForageError
from forage.core.protocols import Signal, Tools
from forage.core.records import Group
from forage.core.seeds import derive_seed
from forage.parts.signals.entropy import SampledEntropy
from forage.parts.signals.long_success import LongSuccess
from forage.parts.signals.noise import Noise
from forage.parts.signals.reference import ReferenceLogprob
from forage.parts.signals.state_value import StateValue
from forage.parts.signals.success_rate import SuccessRate

SIGNALS: Mapping[str, Signal] = MappingProxyType(
    {
        signal.name: signal
        for signal in (SampledEntropy(), Noise(), SuccessRate(), LongSuccess(), ReferenceLogprob(), StateValue())
    }
)
"""The built-in signals by name. A recipe's own signals come beside them, and win where names agree."""


def measure(
    groups: Sequence[Group],
    batch: Batch,
    needs: Collection[str],
    extra_signals: Sequence[Signal],
    tools: Tools,
    *,
    seed: int,
) -> Experience:
    """The batch with the signals named in `needs`, and no others.

    `batch` is `groups` collated, in order. What is random in a signal comes from `seed` and its name, so one signal
    never changes another. Raises ForageError for a name that neither `SIGNALS` nor `extra_signals` has.
    """
    available = {**SIGNALS, **{signal.name: signal for signal in extra_signals}}
    missing = sorted(set(needs) - set(available))
    if missing:
        raise ForageError(
            f"Nothing provides the signal(s) {', '.join(missing)}. Available: {', '.join(sorted(available))}."
        )
    return Experience(
        batch,
        {name: available[name](groups, batch, tools, seed=derive_seed(seed, "signal", name)) for name in sorted(needs)},
    )


def signal_metrics(signals: Sequence[Signal], groups: Sequence[Group], tools: Tools) -> dict[str, float]:
    """The metrics that a recipe's own signals see in the groups that a step tried."""
    return {name: value for signal in signals for name, value in signal.metrics(groups, tools).items()}
