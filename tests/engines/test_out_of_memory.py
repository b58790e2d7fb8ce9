import pytest
import torch

from forage.core.errors import ForageError
from forage.engines.out_of_memory import explain_out_of_memory


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory."),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes."),
        RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 8 bytes."),
    ],
)
def test_out_of_memory_is_a_sentence_with_advice(error: Exception) -> None:
    with (
        pytest.raises(ForageError, match=r"The memory is not enough\. Lower rows\."),
        explain_out_of_memory("Lower rows."),
    ):
        raise error


def test_an_allocation_that_cannot_be_is_one() -> None:
    with pytest.raises(ForageError, match="Lower rows"), explain_out_of_memory("Lower rows."):
        torch.empty(1 << 60)


@pytest.mark.parametrize("error", [RuntimeError("shapes differ"), ValueError("memory")])
def test_other_errors_pass_through(error: Exception) -> None:
    with pytest.raises(type(error), match=str(error)), explain_out_of_memory("Lower rows."):
        raise error
