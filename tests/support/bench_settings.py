"""Settings of a recipe as `forage bench` reads them from the command line."""

from pathlib import Path

from forage.recipes import RECIPES


def settings_of(base: Path, recipe: str = "countdown", /, **more: object) -> dict[str, object]:
    """Those of a recipe on the model `base`, in the smallest run."""
    build = RECIPES[recipe]
    own = {name: each.default for name, each in build.task_parameters.items()}
    shared = {name: value for name, value in build.defaults.items() if name not in ("method", "seed")}
    return {**own, **shared, "model": str(base), "steps": 2, "threads": 1, "matmul": "highest", **more}
