"""What is a start worth? One service for everything that needs the value of a partial response."""

from forage.values.critic import CriticValues
from forage.values.metered import Metered
from forage.values.monte_carlo import MonteCarlo, StartValue, StartValues

__all__ = ["CriticValues", "Metered", "MonteCarlo", "StartValue", "StartValues"]
