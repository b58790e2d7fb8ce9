"""What is a start worth? One service for everything that needs the value of a partial response."""

from forage.core.records import StartValue
from forage.parts.values.critic import CriticValues
from forage.parts.values.metered import Metered
from forage.parts.values.monte_carlo import MonteCarlo, StartValues
from forage.parts.values.oracle import TaskOracle
from forage.parts.values.source import Valuer, ValueSource
from forage.parts.values.values_by_token import values_by_token

__all__ = [
    "CriticValues",
    "Metered",
    "MonteCarlo",
    "StartValue",
    "StartValues",
    "TaskOracle",
    "ValueSource",
    "Valuer",
    "values_by_token",
]
