"""Format tuning before restarts (Satori, arXiv 2502.02508): does a model learn to act on a token that asks for a look?

    python experiments/format_tuning.py --out runs/format-tuning --seeds 0,1,2

On Countdown, with the demo's base model. Its own responses to training problems become trajectories: a wrong one, cut
back, <|reflect|>, a right sibling. The model learns what stands behind the token, from trajectories alone, or from half
of them and the right responses of the other half. The control learns as much from trajectories that are dealt to other
problems. Asked are test problems: wrong responses of the base, cut back, with the token behind them, are continued by
each model (those of the base model with a blank line in the token's place, as it knows no such token), and fresh
responses are sampled. One line of JSON for each arm and seed goes to OUT/rows.jsonl; interrupted, the same command goes
on with what is missing.
"""

import argparse
import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from paired import tables
from runs import trained

from forage.core.records import Problem, SampleRequest, SamplingParams
from forage.core.seeds import derive_seed
from forage.engines.local.engine import LocalEngine, Opened
from forage.recipes import RECIPES
from forage.store.run_directory import RunDirectory
from forage.training.examples import Example, Examples, prompts_of_run
from forage.training.loop import open_recipe
from forage.training.reflections import reflections
from forage.training.supervised import SupervisedTraining, train_checkpoint

TOKEN = "<|reflect|>"
ENGINE = LocalEngine(threads=1, matmul="highest")
COLUMNS = ("right behind the token", "right from the question", "reflects unasked")
PAIRS = [
    ("mixed", "base"),
    ("mixed", "dealt anew, mixed (control)"),
    ("mixed", "right responses alone"),
    ("tuned", "base"),
    ("tuned", "dealt anew (control)"),
    ("right responses alone", "base"),
    ("tuned", "right responses alone"),
]


def sampled(seed: int, out: Path, steps: int) -> Path:
    """Responses of the base model, as good as unmoved, with their verdicts."""
    settings: dict[str, Any] = {"steps": steps, "rollouts_every": 1, "lr": 1e-12, "threads": 1, "matmul": "highest"}
    recipe = RECIPES["countdown"](method=["dr_grpo"], seed=seed, groups=8, group_size=16, **settings)
    return trained(recipe, out / "runs" / f"sampled-{seed}").path


def trajectories(run: Path) -> tuple[Examples, Examples]:
    """What is imitated: reflections, and the right responses in them alone."""
    directory, prompts, task = RunDirectory.open(run), prompts_of_run(run), open_recipe(run).task
    rows = [row for step in directory.rollout_steps() for row in directory.rollouts(step)]
    made = reflections(rows, task, reflect=TOKEN, alone=0.0)
    both = [
        tuple(Example(prompt=prompts[row["problem"]], response=text, source=row["problem"]) for row, text in pairs)
        for pairs in (made, [(row, row["text"]) for row, _ in made])
    ]
    return Examples(both[0]), Examples(both[1])


def tuned(base: Path, examples: Examples, out: Path, seed: int, *, placebo: bool = False) -> Path:
    if not out.exists():
        settings = SupervisedTraining(
            epochs=3,
            lr=3e-4,
            batch=16,
            held_out=0.0,
            seed=seed,
            placebo=placebo,
            learn_from=TOKEN,
            new_tokens=(TOKEN,),
        )
        train_checkpoint(base, examples=examples, out=out, settings=settings, engine=ENGINE)
    return out


def texts(
    opened: Opened, asked: Sequence[tuple[Problem, tuple[int, ...]]], *, each: int, limit: int, seed: int, name: str
) -> list[list[str]]:
    """Whole responses, `each` from every (problem, beginning)."""
    requests = [
        SampleRequest(
            tokens=opened.codec.prompt(problem) + prefix,
            group_size=each,
            seed=derive_seed(seed, name, number),
        )
        for number, (problem, prefix) in enumerate(asked)
    ]
    found: list[list[str]] = [[] for _ in asked]
    for order, completions in opened.sampler.sample(requests, SamplingParams(max_tokens=limit)):
        begun = opened.codec.decode(asked[order][1])
        found[order] = [begun + opened.codec.decode(one.tokens) for one in completions]
    return found


def right(task: Any, asked: Sequence[Problem], answers: Sequence[Sequence[str]]) -> float:
    verdicts = [task.verify(p, text).value == 1 for p, said in zip(asked, answers, strict=True) for text in said]
    return sum(verdicts) / len(verdicts)


def measured(model: Path, base: Path, run: Path, seed: int, problems: int, *, token: str) -> dict[str, float]:
    recipe = open_recipe(run)
    task, limit = recipe.task, recipe.sampling.max_tokens
    chosen = list(task.problems("test"))[:problems]
    first = ENGINE.open(str(base))
    wrong: list[tuple[Problem, str]] = []
    for problem, said in zip(
        chosen, texts(first, [(p, ()) for p in chosen], each=4, limit=limit, seed=seed, name="first"), strict=True
    ):
        wrong += [(problem, text) for text in said if task.verify(problem, text).value != 1][:1]
    opened = ENGINE.open(str(model))
    rng = random.Random(derive_seed(seed, "cuts"))
    begun: list[tuple[Problem, tuple[int, ...]]] = []
    for problem, text in wrong:
        pieces = first.codec.pieces(first.codec.encode(text))
        ends = task.step_ends(pieces)
        kept = max(1, len(ends) - rng.randint(0, 3))
        begun.append((problem, opened.codec.encode("".join(pieces[: ends[kept - 1]])) + opened.codec.encode(token)))
    again = texts(opened, begun, each=8, limit=limit, seed=seed, name="again")
    fresh = texts(opened, [(p, ()) for p in chosen], each=8, limit=limit, seed=seed, name="fresh")
    said = [text for group in fresh for text in group]
    return {
        COLUMNS[0]: right(task, [problem for problem, _ in begun], again),
        COLUMNS[1]: right(task, chosen, fresh),
        COLUMNS[2]: sum(TOKEN in text for text in said) / len(said),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", default="runs/format-tuning")
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--steps", type=int, default=24, help="of sampling, 128 responses each")
    parser.add_argument("--problems", type=int, default=100)
    flags = parser.parse_args()
    out, file = Path(flags.out).resolve(), Path(flags.out).resolve() / "rows.jsonl"
    out.mkdir(parents=True, exist_ok=True)
    rows = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
    for seed in map(int, flags.seeds.split(",")):
        run = sampled(seed, out, flags.steps)
        base = Path(open_recipe(run).model)
        both, alone = trajectories(run)
        print(f"seed {seed}: {len(both.examples)} trajectories", flush=True)
        mixed = Examples(
            tuple(pair[number % 2] for number, pair in enumerate(zip(both.examples, alone.examples, strict=True)))
        )
        models = {
            "base": base,
            "mixed": tuned(base, mixed, out / f"mixed-{seed}", seed),
            "dealt anew, mixed (control)": tuned(base, mixed, out / f"mixed-dealt-{seed}", seed, placebo=True),
            "tuned": tuned(base, both, out / f"tuned-{seed}", seed),
            "dealt anew (control)": tuned(base, both, out / f"dealt-{seed}", seed, placebo=True),
            "right responses alone": tuned(base, alone, out / f"alone-{seed}", seed),
        }
        for arm, model in models.items():
            if not any(row["arm"] == arm and row["seed"] == seed for row in rows):
                token = "\n" if arm == "base" else TOKEN
                values = measured(model, base, run, seed, flags.problems, token=token)
                rows.append({"arm": arm, "seed": seed, "values": values})
                with file.open("a") as stream:
                    stream.write(json.dumps(rows[-1]) + "\n")
                print(seed, arm, {name: round(value, 3) for name, value in values.items()}, flush=True)
    print("", tables(rows, COLUMNS, PAIRS, compared=COLUMNS[:2]), sep="\n")


if __name__ == "__main__":
    main()
