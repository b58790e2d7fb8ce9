"""What decides texts and verdicts beyond the weights, the prompts and the task: what a cache must be keyed by."""

from typing import Any

from forage.core.protocols import Task
from forage.engines.local.engine import LocalEngine
from forage.tasks.own_modes import OwnModes
from forage.tasks.source_code import module_digest, package_digest
from forage.tasks.verifiers import Verifier
from forage.verification.judge import Verifying


def sampled_by(engine: LocalEngine) -> dict[str, Any]:
    """The settings of `engine` (settled) that decide what is sampled, as JSON.

    Threads, rows and the number of processes are left out: they change the order of a sum, as another machine would.
    """
    return {
        "device": engine.device.partition(":")[0],
        "dtype": engine.dtype,
        "matmul": engine.matmul,
        "stops": list(engine.stops),
    }


def judged_by(task: Task, verifying: Verifying) -> dict[str, Any]:
    """What decides the verdicts beyond the task as it is written down, as JSON.

    The source of the tasks and of the task's own class and function, versions of the libraries that judge, and the
    limits of a judging that may hang; where it cannot, there are none.
    """
    limits = {"deadline": verifying.deadline, "memory_mb": verifying.memory_mb} if task.hangs else {}
    own = type(task).__module__
    code = {"forage": package_digest("forage.tasks")}
    if not own.startswith("forage."):
        code[own] = module_digest(own)
    return {"code": code, "versions": dict(task_versions(task)), **limits}


def task_versions(task: Task) -> dict[str, str]:
    """What verdicts and modes depend on, by name; of a task around another one (`task.task`), the inner one's too."""
    verifier, inner = getattr(task, "verifier", None), getattr(task, "task", None)
    found = verifier.versions() if isinstance(verifier, Verifier) else {}
    found |= task.mode_versions() if isinstance(task, OwnModes) else {}
    return {**found, **(task_versions(inner) if isinstance(inner, Task) else {})}
