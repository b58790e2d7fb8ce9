"""Metrics that other trainers logged, under this package's names, so that its curves and alarms read them."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from forage.core.errors import ForageError

TRL_STATE = "trainer_state.json"

TRL: Mapping[str, str] = {
    "reward": "reward",
    "entropy": "entropy",
    "grad_norm": "grad_norm",
    "completions/mean_length": "length",
    "completions/clipped_ratio": "truncated",
    "clip_ratio/region_mean": "clip_share",
    "clip_ratio/low_mean": "clip_low",
    "clip_ratio/high_mean": "clip_high",
    "frac_reward_zero_std": "zero_variance",
    "kl": "kl",
    "forage/bonus_share": "bonus_share",
}
VERL: Mapping[str, str] = {
    "critic/score/mean": "reward",
    "actor/entropy": "entropy",
    "actor/grad_norm": "grad_norm",
    "response_length/mean": "length",
    "response_length/clip_ratio": "truncated",
    "actor/pg_clipfrac": "clip_share",
    "actor/ppo_kl": "kl",
    "forage/credit_moved": "bonus_share",
}


def read_metrics(folder: Path) -> list[dict[str, Any]]:
    """One row per step: TRL's `trainer_state.json` (the newest checkpoint's) or verl's file logger (`*.jsonl`).

    Numbers keep their meaning and units; what has no counterpart here is left out. Empty where neither lies in
    `folder`. Raises ForageError for a file that cannot be read.
    """
    states = [*folder.glob(TRL_STATE), *folder.glob(f"checkpoint-*/{TRL_STATE}")]
    if states:
        newest = max((_json(path) for path in states), key=lambda state: int(state.get("global_step", 0)))
        return _renamed([(row["step"], row) for row in newest["log_history"] if "step" in row], TRL)
    for path in sorted(folder.glob("*.jsonl")):
        if is_verl_log(path):
            rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
            return _renamed([(row["step"], row["data"]) for row in rows], VERL)
    return []


def is_verl_log(path: Path) -> bool:
    """Whether the file is verl's log of metrics, whose rows are a step and what was logged in it."""
    try:
        with path.open(encoding="utf-8") as file:
            row = json.loads(file.readline() or "null")
    except (OSError, ValueError):
        return False
    return isinstance(row, dict) and set(row) == {"step", "data"}


def _renamed(rows: Sequence[tuple[int, Mapping[str, Any]]], names: Mapping[str, str]) -> list[dict[str, Any]]:
    """The rows of one step are put together; steps that logged none of the names are left out."""
    by_step: dict[int, dict[str, Any]] = {}
    for step, logged in rows:
        own = {names[key]: float(value) for key, value in logged.items() if key in names and value is not None}
        if own:
            by_step.setdefault(int(step), {"step": int(step)}).update(own)
    return [by_step[step] for step in sorted(by_step)]


def _json(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ForageError(f"{path} cannot be read: {(str(error).splitlines() or ['?'])[0]}.") from error
