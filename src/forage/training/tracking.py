"""A run's metrics in TensorBoard or Weights & Biases, beside `metrics.jsonl`, which is always written.

A tracker watches and decides nothing: whatever goes wrong with it is said once, and the run goes on without it.
"""

import hashlib
import importlib.util
import json
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, Protocol

from forage.core.errors import ForageError

TrackerName = Literal["tensorboard", "wandb"]


class Tracker(Protocol):
    """Takes a row of metrics per step. `close` comes at the end, however the run ended."""

    def write(self, row: Mapping[str, float]) -> None: ...

    def close(self) -> None: ...


@contextmanager
def tracking(names: Sequence[TrackerName], run: Path | str) -> Iterator[Callable[[Mapping[str, float]], None]]:
    """A function for `on_step` that hands each row to the trackers; it does nothing where `names` is empty.

    The trackers open with the first row, when the run directory exists. Raises ForageError where a library is missing.
    """
    watched = [_Watched(name, Path(run)) for name in names]

    def on_step(row: Mapping[str, float]) -> None:
        for tracker in watched:
            tracker.write(row)

    try:
        yield on_step
    finally:
        for tracker in watched:
            tracker.close()


class TensorBoardTracker:
    """Event files in `tensorboard/` of the run directory; the rows that a resumed run repeats replace the old ones."""

    def __init__(self, run: Path, row: Mapping[str, float]) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._writer = SummaryWriter(str(run / "tensorboard"), purge_step=int(row["step"]))
        self._writer.add_text("recipe", f"```json\n{_recipe_text(run)}\n```", int(row["step"]))

    def write(self, row: Mapping[str, float]) -> None:
        for name, value in row.items():
            if name != "step":
                self._writer.add_scalar(name, value, int(row["step"]))
        self._writer.flush()

    def close(self) -> None:
        self._writer.close()


class WandbTracker:
    """A Weights & Biases run of the same name, with the recipe as its configuration. A resumed run continues it.

    WANDB_MODE, WANDB_PROJECT and the other variables of its library work as usual: `WANDB_MODE=offline` sends nothing.
    """

    def __init__(self, run: Path, row: Mapping[str, float]) -> None:
        import wandb  # pyright: ignore[reportMissingImports]  (an extra)

        recipe = _recipe_text(run)
        identity = hashlib.blake2b(f"{run.absolute()}\0{recipe}".encode(), digest_size=8).hexdigest()
        self._run = wandb.init(
            dir=str(run), name=run.name, id=identity, resume="allow", config=json.loads(recipe), reinit="create_new"
        )
        self._run.define_metric("*", step_metric="step")

    def write(self, row: Mapping[str, float]) -> None:
        self._run.log(dict(row))

    def close(self) -> None:
        self._run.finish()


TRACKERS: Mapping[TrackerName, Callable[[Path, Mapping[str, float]], Tracker]] = {
    "tensorboard": TensorBoardTracker,
    "wandb": WandbTracker,
}


class _Watched:
    """A tracker that cannot end a run."""

    def __init__(self, name: TrackerName, run: Path) -> None:
        if name not in TRACKERS:
            raise ForageError(f"There is no tracker {name!r}. The trackers are: {', '.join(TRACKERS)}.")
        if importlib.util.find_spec(name) is None:
            raise ForageError(f"The tracker {name} is not installed: run `pip install 'forage-rl[track]'`.")
        self._name: TrackerName = name
        self._run = run
        self._tracker: Tracker | None = None
        self._works = True

    def write(self, row: Mapping[str, float]) -> None:
        def work() -> None:
            if self._tracker is None:
                self._tracker = TRACKERS[self._name](self._run, row)
            self._tracker.write(row)

        self._try(work)

    def close(self) -> None:
        if self._tracker is not None:
            self._try(self._tracker.close)

    def _try(self, work: Callable[[], None]) -> None:
        if not self._works:
            return
        try:
            work()
        except Exception as error:
            self._works = False
            reason = str(error).strip().splitlines() or [type(error).__name__]
            warnings.warn(
                f"The tracker {self._name} failed and is left out from here on ({reason[0]}). The run goes on, and "
                f"{self._run / 'metrics.jsonl'} has every row.",
                stacklevel=2,
            )


def _recipe_text(run: Path) -> str:
    return (run / "recipe.json").read_text(encoding="utf-8")
