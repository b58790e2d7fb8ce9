"""Do word grams find a task's own ways? Right responses of base models, clustered as in training, against the modes.

    python experiments/ways.py --out runs/ways

Samples each base model, cuts the responses to a problem into groups of 16 siblings, names the ways of right ones by
`GramClusters`, and counts pairs of right siblings: of one way or of two, by the grams and by the task. Prints the share
of pairs on which both agree, Cohen's kappa (0: as chance would, 1: always), and of the pairs that the task (the grams)
call one way the share that the grams (the task) do.
"""

import argparse
import itertools
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from forage.base_models.colouring import build_coloring_base
from forage.base_models.countdown import build_base
from forage.base_models.two_ways import build_two_ways_base
from forage.core.records import Rollout, Score, Start
from forage.evaluation.evaluation import Evaluation
from forage.evaluation.samples import Sample
from forage.grams.ways import GramClusters
from forage.training.checkpoints import evaluate_checkpoint, open_checkpoint, split_problems
from forage.training.evaluate import iterate_samples

BASES: dict[str, tuple[Callable[[], Path], str]] = {
    "colouring": (lambda: build_coloring_base(progress=False), "test"),
    "colouring, long answers": (lambda: build_coloring_base(answers="long", progress=False), "test"),
    "two_ways": (lambda: build_two_ways_base(progress=False), "train"),
    "countdown": (lambda: build_base(progress=False), "test"),
}
SIBLINGS = 16


def pairs(samples: Sequence[Sample], clusters: GramClusters, start: Start) -> Counter[tuple[bool, bool]]:
    """(one way by the task, one way by the grams) of all pairs of right siblings in a group."""
    nothing = (0.0,)
    rollouts = [Rollout(start, (0,), nothing, nothing, sample.text, (1,), "eos", 0) for sample in samples]
    named = clusters(rollouts, [Score(1.0)] * len(samples))
    both = zip([sample.mode for sample in samples], named, strict=True)
    return Counter((one[0] == two[0], one[1] == two[1]) for one, two in itertools.combinations(both, 2))


def agreement(found: Counter[tuple[bool, bool]]) -> tuple[float, float, float, float]:
    """The share of pairs on which both agree, Cohen's kappa, and the shares of the task's and of the grams' pairs."""
    total = found.total()
    agreed = (found[True, True] + found[False, False]) / total
    task, grams = (found[True, True] + found[True, False]) / total, (found[True, True] + found[False, True]) / total
    chance = task * grams + (1 - task) * (1 - grams)
    return agreed, (agreed - chance) / (1 - chance), found[True, True] / total / task, found[True, True] / total / grams


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", required=True)
    parser.add_argument("--n", type=int, default=64)
    parser.add_argument("--problems", type=int, default=128)
    parser.add_argument("--words", type=int, default=GramClusters.words)
    parser.add_argument("--alike", default=str(GramClusters.alike), help="several may be given, separated by commas")
    parser.add_argument("--tasks", default=";".join(BASES), help="names separated by semicolons")
    flags = parser.parse_args()
    print("| base model of | words | alike | pairs | agree | kappa | found of the task's | right of the grams' |")
    for name in flags.tasks.split(";"):
        build, split = BASES[name]
        base, out = build(), Path(flags.out) / name.replace(", ", "-").replace(" ", "-")
        (file,) = evaluate_checkpoint(base, split=split, n=flags.n, problems=flags.problems, threads=1, out=out)
        problems = split_problems(open_checkpoint(base).task, split, flags.problems)
        samples = list(iterate_samples(file.parent / "samples", problems, Evaluation.load(file)))
        for alike in map(float, flags.alike.split(",")):
            clusters, found = GramClusters(words=flags.words, alike=alike), Counter[tuple[bool, bool]]()
            groups = itertools.groupby(samples, key=lambda sample: (sample.problem, sample.sample // SIBLINGS))
            for _, group in groups:
                right = [sample for sample in group if sample.correct]
                found += pairs(right, clusters, Start(problems[0]))
            numbers = " | ".join(f"{number:.3f}" for number in agreement(found))
            print(f"| {name} | {flags.words} | {alike:g} | {found.total()} | {numbers} |", flush=True)


if __name__ == "__main__":
    main()
