"""Does the attention edit of 2403.14932 help a base model? Exact numbers on graph coloring, without training.

    python experiments/attention_edit.py --seeds 0,1,2

Prints what each base model (of three layers, so the edit acts in the middle one) knows of unseen graphs under several
strengths, negative ones for comparison: mean and standard deviation over seeds.
"""

import argparse
import statistics
from dataclasses import dataclass
from typing import Any

from forage.base_models.colouring import build_coloring_base
from forage.engines.local.engine import LocalEngine, Opened
from forage.engines.local.rebalanced_attention import rebalance
from forage.training.exact import exact_evaluation

COLUMNS = ("pass@1", "pass@8", "distinct@8")


@dataclass(frozen=True, kw_only=True)
class EditedEngine(LocalEngine):
    """An engine whose model attends with edited weights."""

    alpha: float

    def open(self, *arguments: Any, **settings: Any) -> Opened:
        opened = super().open(*arguments, **settings)
        rebalance(opened.policy.model, alpha=self.alpha)
        return opened


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--alphas", default="0,0.2,-0.2,1,-1")
    flags = parser.parse_args()
    bases = [build_coloring_base(seed=int(seed), progress=False) for seed in flags.seeds.split(",")]
    print("| alpha | " + " | ".join(COLUMNS) + " |\n" + "|---" * (len(COLUMNS) + 1) + "|")
    for alpha in map(float, flags.alphas.split(",")):
        engine = EditedEngine(alpha=alpha, threads=1, matmul="highest")
        found = [exact_evaluation(base, engine=engine).summary() for base in bases]
        columns = [[each[name] for each in found] for name in COLUMNS]
        cells = [f"{statistics.fmean(values):.4f} ± {statistics.stdev(values):.4f}" for values in columns]
        print(f"| {alpha:g} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
