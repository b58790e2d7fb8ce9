"""What is a start worth? One service for everything that needs the value of a partial response."""

from forage.records import StartValue
from forage.values.along import values_along
from forage.values.critic import CriticValues
from forage.values.metered import Metered
from forage.values.monte_carlo import MonteCarlo, StartValues
from forage.values.oracle import TaskOracle
from forage.values.source import Valuer, ValueSource

__all__ = [
    "CriticValues",
    "Metered",
    "MonteCarlo",
    "StartValue",
    "StartValues",
    "TaskOracle",
    "ValueSource",
    "Valuer",
    "values_along",
]
