"""Ten recorded steps: nothing that decides a number may change without being noticed.

`python tests/test_snapshot.py` records them anew, after a change that is meant to change them. On the kind of processor
and with the torch that recorded them the numbers agree bit for bit; elsewhere rounding differs, and with it, sooner or
later, a drawn token, so only the first step is compared, up to rounding.
"""

import json
import platform
import re
import sys
import tempfile
from pathlib import Path

import pytest
import torch

from forage.core.records import SamplingParams
from forage.engines.local.engine import LocalEngine
from forage.engines.optimization import Optimization
from forage.methods import apply, entropy_advantage, grpo, kl_penalty
from forage.store.run_directory import RunDirectory
from forage.training.loop import train
from forage.training.recipe import Grouping, Recipe, Schedule
from support.worlds import DECOY, blank_model

SNAPSHOT = Path(__file__).parent / "snapshots" / "ten_steps.json"


def machine() -> str:
    """What rounding depends on: the processor's family and model, its vector instructions, and torch."""
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        text = ""
    found = [re.search(rf"^{key}\s*: (.*)$", text, re.MULTILINE) for key in ("vendor_id", "cpu family", "model")]
    processor = "/".join(match[1] for match in found if match) or platform.processor()
    return f"{processor} {torch.backends.cpu.get_cpu_capability()} torch {torch.__version__}"


def ten_steps(folder: Path) -> list[dict[str, float]]:
    recipe = Recipe(
        name="snapshot",
        model=str(blank_model(folder / "model")),
        task=DECOY,
        schedule=Schedule(steps=10, checkpoint_every=0, rollouts_every=0),
        grouping=Grouping(groups=3, group_size=8),
        sampling=SamplingParams(max_tokens=6),
        optimization=Optimization(lr=3e-3, mini_batches=3, epochs=2),
        engine=LocalEngine(threads=1, matmul="highest"),
    )
    train(apply(recipe, [grpo(), entropy_advantage(), kl_penalty(coefficient=0.01)]), out=folder / "run")
    rows = RunDirectory.open(folder / "run").metrics()
    return [{name: value for name, value in row.items() if name != "seconds"} for row in rows]


def test_ten_steps_are_as_recorded(tmp_path: Path) -> None:
    recorded = json.loads(SNAPSHOT.read_text())
    found = ten_steps(tmp_path)
    assert [set(row) for row in found] == [set(row) for row in recorded["rows"]]
    if recorded["machine"] == machine():
        assert found == recorded["rows"]
    else:
        assert found[0] == pytest.approx(recorded["rows"][0], rel=1e-3, abs=1e-5)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        rows = ten_steps(Path(place))
    SNAPSHOT.write_text(json.dumps({"machine": machine(), "rows": rows}, indent=1) + "\n")
    sys.exit(0)
