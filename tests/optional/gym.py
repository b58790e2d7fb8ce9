"""reasoning-gym for real: three of its data sets judged, trained on and evaluated.

    python tests/optional/gym.py [ENVIRONMENT]

makes an environment of its own (a folder under the temporary one unless named; kept for the next time) with this
project's pinned packages and reasoning-gym, and in it runs tests/tasks/test_gym.py and, for each data set, `forage
train gym` and `forage eval` with a random-weight checkpoint. Needs a package index the first time and no network after
that. `--inside` does it in the Python that runs this, where reasoning-gym is installed already.
"""

import sys
from pathlib import Path

from environments import ROOT, run_check

DATA_SETS = ("chain_sum:max_terms=3", "leg_counting", "countdown:min_numbers=3,max_numbers=4")

SMALL = ["--steps", "2", "--groups", "4", "--group-size", "4", "--max-tokens", "16", "--threads", "1"]


def inside(folder: Path) -> None:
    """Runs in the environment."""
    import pytest

    from forage.cli import main
    from forage.store.run_directory import RunDirectory
    from support.own_world import write_model

    assert pytest.main(["-q", "-rs", str(ROOT / "tests" / "tasks" / "test_gym.py")]) == 0, "the tests fail"
    model = str(write_model(folder / "model", positions=1024))
    for data_set in DATA_SETS:
        print(f"\n$ forage train gym --dataset {data_set}", flush=True)
        run = folder / data_set.partition(":")[0]
        assert main(["train", "gym", "--dataset", data_set, "--model", model, *SMALL, "--out", str(run)]) == 0
        rows = RunDirectory.open(run).metrics()
        assert len(rows) == 2
        assert all(row["unjudged"] == 0 for row in rows), "the scorer could not judge"
        assert main(["eval", str(run), "--n", "4", "--k", "1,4", "--max-tokens", "16", "--threads", "1"]) == 0


if __name__ == "__main__":
    sys.exit(run_check(__file__, inside, "forage-gym", "reasoning-gym>=0.1.20", "pytest", "pytest-timeout"))
