"""What people prefer: rankings of responses to a prompt, read from files."""

from forage.reward_models.preference.rankings import Ranking, Rankings, read_rankings, write_rankings

__all__ = ["Ranking", "Rankings", "read_rankings", "write_rankings"]
