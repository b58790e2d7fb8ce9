"""The description of a task that verifier processes receive."""

from typing import Any

from forage.core.errors import ForageError
from forage.core.protocols import Task
from forage.core.serialize import KEY, encode_part
from forage.verification.worker import Assignment


def assign(task: Task, deadline: float, memory_mb: int) -> Assignment:
    """The first message to a worker. Raises ForageError where the task cannot be had in another process."""
    encoded = encode_part(task)
    modules = sorted(_modules(encoded))
    if "__main__" in modules:
        raise ForageError(
            f"The task {type(task).__name__} is defined in the script that is running, which verifier processes cannot "
            "import. Move it to a module of its own, or verify in the training process (0 workers)."
        )
    return Assignment(task=encoded, modules=modules, directory="", memory_mb=memory_mb, deadline=deadline)


def _modules(encoded: Any) -> set[str]:
    """The modules of all parts in an encoded part that are not of this package: a worker imports them first."""
    if isinstance(encoded, dict):
        here = {module} if (module := str(encoded.get(KEY, "")).rpartition(".")[0]) else set()
        return here.union(*map(_modules, encoded.values()))
    return set().union(*map(_modules, encoded)) if isinstance(encoded, list) else set()
