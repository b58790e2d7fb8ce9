"""ModeBench for real: problems in its schema judged by its own grader, trained on and evaluated.

    python tests/optional/modes_by_modebench.py [ENVIRONMENT]

makes an environment of its own (a folder under the temporary one unless named; kept for the next time) with this
project's pinned packages and ModeBench, and in it runs tests/tasks/test_modebench.py and, for each domain, `forage
train modebench` and `forage eval` with a random-weight checkpoint. Needs a package index the first time and no network
after that: the problems are made here. `--inside` does it in the Python that runs this, where ModeBench is installed.
"""

import sys
from pathlib import Path

from environments import ROOT, run_check

SMALL = ["--steps", "2", "--groups", "4", "--group-size", "4", "--max-tokens", "16", "--threads", "1"]


def inside(folder: Path) -> None:
    """Runs in the environment."""
    import pytest

    from forage.cli import main
    from forage.store.run_directory import RunDirectory
    from support.modebench_problems import DOMAINS, write_data
    from support.own_world import write_model

    assert pytest.main(["-q", "-rs", str(ROOT / "tests" / "tasks" / "test_modebench.py")]) == 0, "the tests fail"
    model = str(write_model(folder / "model", chat=True, positions=4096))
    data = write_data(folder)
    for domain in DOMAINS:
        dataset = f"level1_{domain}:frozen=false"
        print(f"\n$ forage train modebench --dataset {dataset}", flush=True)
        own = ["--dataset", dataset, "--data-root", str(data), "--model", model, "--out", str(folder / domain)]
        assert main(["train", "modebench", *own, *SMALL]) == 0
        rows = RunDirectory.open(folder / domain).metrics()
        assert len(rows) == 2
        assert all(row["unjudged"] == 0 for row in rows), "the grader could not judge"
        sampled = ["--n", "4", "--k", "1,4", "--max-tokens", "16", "--threads", "1"]
        assert main(["eval", str(folder / domain), *sampled]) == 0


if __name__ == "__main__":
    sys.exit(run_check(__file__, inside, "forage-modebench", "modebench[data]>=0.4,<0.5", "pytest", "pytest-timeout"))
