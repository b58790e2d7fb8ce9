"""What decides texts and verdicts beyond the weights, the prompts and the task: what a cache must be keyed by."""

import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from forage.core.protocols import Task
from forage.core.serialize import encode_part
from forage.core.turns import environment_of
from forage.engines.local.engine import LocalEngine
from forage.tasks.own_modes import OwnModes
from forage.tasks.source_code import module_digest, package_digest
from forage.tasks.verifiers import Verifier
from forage.verification.judge import Verifying


def sampled_by(engine: LocalEngine, task: Task | None = None) -> dict[str, Any]:
    """The settings of `engine` (settled) that decide what is sampled, and the environment of `task`, as JSON.

    Threads, rows and the number of processes are left out: they change the order of a sum, as another machine would.
    """
    environment = None if task is None else environment_of(task)
    answered: dict[str, Any] = {}
    if environment is not None:
        code = module_digest(type(environment).__module__)
        answered = {"environment": encode_part(environment), "environment_code": code}
    thinking = {"thinking": encode_part(engine.thinking)} if engine.thinking else {}
    return {
        "device": engine.device.partition(":")[0],
        "dtype": engine.dtype,
        "matmul": engine.matmul,
        "stops": list(engine.stops),
        **answered,
        **thinking,
    }


def as_begun(engine: LocalEngine, begun: Iterable[Mapping[str, Any] | None]) -> LocalEngine:
    """`engine` with the matrix product of work that it has begun, where it leaves that to the machine ("auto").

    The product that is measured to be faster at one moment may not be so at the next, and the work would begin again
    with other bits. `begun` are records of `sampled_by`; the first of an equal engine counts.
    """
    if engine.matmul != "auto":
        return engine
    for record in begun:
        for same in (replace(engine, matmul="highest"), replace(engine, matmul="medium")):
            if record is not None and all(record.get(name) == value for name, value in sampled_by(same).items()):
                return same
    return engine


def work_below(root: Path) -> list[dict[str, Any]]:
    """What the folders in `root` say that they hold (about.json), the last begun first; what is torn is left out."""
    dated: list[tuple[int, str, dict[str, Any]]] = []
    for file in root.glob("*/about.json"):
        with suppress(OSError, ValueError, TypeError):
            dated.append((-file.stat().st_mtime_ns, str(file), dict(json.loads(file.read_bytes()))))
    return [about for _, _, about in sorted(dated, key=lambda each: each[:2])]


def judged_by(task: Task, verifying: Verifying) -> dict[str, Any]:
    """What decides the verdicts beyond the task as it is written down, as JSON.

    The source of the tasks and of the task's own class and function, versions of the libraries that judge, and the
    limits of a judging that may hang; where it cannot, there are none.
    """
    limits: dict[str, Any] = {}
    if task.hangs:
        limits = {"deadline": verifying.deadline, "memory_mb": verifying.memory_mb, "overrun": verifying.overrun}
    own = type(task).__module__
    code = {"forage": package_digest("forage.tasks")}
    if not own.startswith("forage."):
        code[own] = module_digest(own)
    return {"code": code, "versions": dict(task_versions(task)), **limits}


def task_versions(task: Task) -> dict[str, str]:
    """What verdicts and modes depend on, by name; of a task around another one (`task.task`), the inner one's too."""
    verifier, inner = getattr(task, "verifier", None), getattr(task, "task", None)
    versions = verifier.versions() if isinstance(verifier, Verifier) else {}
    versions |= task.mode_versions() if isinstance(task, OwnModes) else {}
    return {**versions, **(task_versions(inner) if isinstance(inner, Task) else {})}
