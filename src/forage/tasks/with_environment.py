"""Any task, with an environment that answers inside of its responses."""

from dataclasses import dataclass
from typing import ClassVar

from forage.core.turns import Environment
from forage.tasks.wrapped import Wrapped


@dataclass(frozen=True, kw_only=True)
class WithEnvironment(Wrapped):
    """`task`, whose responses are written in turns that `environment` answers; its own environment, if any, is silent.

    The task judges the whole text, and what the environment wrote is a part of it.
    """

    name: ClassVar[str] = "with_environment"

    environment: Environment
