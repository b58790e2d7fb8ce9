"""Which float32 matrix product is fastest here, among those that really compute in float32.

`torch.set_float32_matmul_precision("medium")` allows a CPU library to round to bfloat16. On some CPUs it does; on
others it keeps float32 and is up to twice as fast. So speed and error are both measured, once, and the answer is
recorded: it changes the last bits of everything that is computed afterwards.
"""

import time
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

Precision = Literal["highest", "medium"]

FLOAT32_ERROR = 2e-6
"""Largest error that counts as float32, relative to the largest entry: TF32 has about 3e-4 here, bfloat16 3e-3."""

WORTHWHILE = 1.4
"""A smaller gain is not worth a result that depends on the machine. Where "medium" helps, it helps nearly twofold.

A limit near the noise of the measurement would choose now this and now that, and equal runs would differ in their bits.
"""

ROWS, INNER, OUTER = 256, 192, 512
"""The probe's product: the rows of a decoding step against a small model's layer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MatmulMeasurement:
    """`gflops`: 10⁹ floating-point operations per second, best of several; `error`: see `FLOAT32_ERROR`."""

    precision: Precision
    gflops: float
    error: float


@dataclass(frozen=True, slots=True, kw_only=True)
class MatmulChoice:
    """What was chosen and why. `measured` is empty when the choice was forced."""

    chosen: Precision
    measured: tuple[MatmulMeasurement, ...]
    reason: str


def measure_matmul(*, device: str = "cpu", repetitions: int = 20) -> tuple[MatmulMeasurement, ...]:
    """Speed and error of both precisions, measured in turn; the setting of the process is left as it was."""
    generator = torch.Generator().manual_seed(0)
    left = torch.randn(ROWS, INNER, generator=generator)
    right = torch.randn(INNER, OUTER, generator=generator)
    exact = left.double() @ right.double()
    left, right = left.to(device), right.to(device)
    precisions: tuple[Precision, ...] = ("highest", "medium")
    seconds = dict.fromkeys(precisions, float("inf"))
    errors = dict.fromkeys(precisions, 0.0)
    before = torch.get_float32_matmul_precision()
    try:
        # In turn, so that a busy moment of the machine hurts both alike.
        for _ in range(repetitions):
            for precision in precisions:
                torch.set_float32_matmul_precision(precision)
                taken, product = _timed(left, right)
                seconds[precision] = min(seconds[precision], taken)
                errors[precision] = float((product.double().cpu() - exact).abs().max() / exact.abs().max())
    finally:
        torch.set_float32_matmul_precision(before)
    work = 2e-9 * ROWS * INNER * OUTER
    return tuple(
        MatmulMeasurement(precision=name, gflops=work / seconds[name], error=errors[name]) for name in precisions
    )


def choose_matmul(*, force: Precision | None = None, device: str = "cpu") -> MatmulChoice:
    """Chooses the precision of float32 matrix products and sets it for this process.

    "medium" is chosen only where it is clearly faster and its error is float32-class. `force` skips the measurement: a
    run that must repeat another bit for bit uses what the other one recorded.
    """
    if force is not None:
        choice = MatmulChoice(chosen=force, measured=(), reason="forced")
    else:
        choice = judge(measure_matmul(device=device))
    torch.set_float32_matmul_precision(choice.chosen)
    return choice


def judge(measured: tuple[MatmulMeasurement, ...]) -> MatmulChoice:
    """The rule alone: from the two measurements to the choice."""
    by_name = {measurement.precision: measurement for measurement in measured}
    medium, highest = by_name["medium"], by_name["highest"]
    gain = medium.gflops / highest.gflops
    # A NaN error must not pass, hence the negated comparison.
    if not medium.error <= FLOAT32_ERROR:
        chosen, reason = "highest", f"medium is not float32 here: its error is {medium.error:.1e}"
    elif gain < WORTHWHILE:
        chosen, reason = "highest", f"medium is float32-class but only {gain:.2f} times as fast"
    else:
        chosen, reason = (
            "medium",
            f"medium is {gain:.2f} times as fast, with a float32-class error of {medium.error:.1e}",
        )
    return MatmulChoice(chosen=chosen, measured=measured, reason=reason)


def _timed(left: Tensor, right: Tensor, products: int = 4) -> tuple[float, Tensor]:
    """Seconds per product, and the product. The first one is not timed: libraries compile a kernel for a new shape."""
    product = left @ right
    _wait(left)
    began = time.perf_counter()
    for _ in range(products):
        product = left @ right
    _wait(left)
    return (time.perf_counter() - began) / products, product


def _wait(tensor: Tensor) -> None:
    if tensor.is_cuda:
        torch.cuda.synchronize(tensor.device)
