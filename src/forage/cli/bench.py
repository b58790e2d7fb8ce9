"""`forage bench RECIPE`: methods x seeds x controls, and whether they helped."""

import io
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any

from forage.bench.arms import read_arms
from forage.bench.by_seed import gap_table, level_table
from forage.bench.exact import check_exact, counted_once, exact_numbers, exact_pairs
from forage.bench.plan import Bench, BenchSettings, plan_bench
from forage.bench.train import base_of, evaluate_base, train_bench
from forage.cli import run_command
from forage.cli.compare import compare_command
from forage.cli.flags import Flag
from forage.cli.lists import Ks, numbers
from forage.cli.progress import message_on_interrupt, progress_bar, say, say_notes
from forage.cli.recipe_flags import Out, Texts, named_recipe, read_flags, recipe_flags
from forage.cli.tables import Tables
from forage.core.errors import ForageError
from forage.recipes import RECIPES
from forage.report import build_report

if TYPE_CHECKING:
    from forage.recipes.compose import RecipeFunction

FLAGS: Mapping[str, tuple[Any, Any]] = {
    "arm": (Texts, ()),
    "arms_file": (Path | None, None),
    "control": (Texts, ()),
    "worlds": (bool, False),
    "exact": (bool, False),
    "seeds": (str, "0,1,2"),
    "out": (Out, None),
    "n": (int, 256),
    "k": (Ks, "1,4,16,64,256"),
    "processes": (int, 1),
    "json": (bool, False),
}
HELP = """    arm: Methods joined by +, as grpo+entropy_advantage:alpha=0.2. May be given several times; the others are
        compared with the first.
    arms_file: File of more arms, one a line; # begins a comment.
    control: A control, put beside every arm that has the method it controls for; or all. `forage methods` lists them.
    seeds: Random seeds of every arm, separated by commas.
    worlds: Give each seed a toy task of its own: its base model and its problems. Needs --exact.
    exact: Sample nothing. pass@k, distinct@k and PCMD are computed from the chances of all answers,
        where a task can list them, and compared by seed; no report is written.
    out: Where the result is written. A folder of the runs and of the report; `runs/bench-RECIPE` unless given.
    n: Responses per problem.
    k: Numbers of samples k, separated by commas. pass@k is estimated for each.
    processes: Runs at a time. With more than one, each has one thread and writes its messages to a file beside it.
    json: Print tables as one JSON object. With --exact it holds the numbers of each run, too.
"""
FIRST = ("arm", "control", "seeds", "steps", "model")
"""The flags that matter most."""


def flags_of_recipe(build: "RecipeFunction[...]") -> list[Flag]:
    """All flags of `forage bench` with this recipe."""
    return recipe_flags(build, FLAGS, HELP, first=FIRST, without=("method", "seed"))


def run(argv: Sequence[str]) -> int:
    name = named_recipe("bench", argv)
    if name is None:
        return 0
    build = RECIPES[name]
    settings, more = read_flags(build, flags_of_recipe(build), FLAGS, command="bench", argv=argv[1:])
    comparison = BenchSettings(
        arms=(*more["arm"], *(read_arms(more["arms_file"]) if more["arms_file"] else ())),
        controls=more["control"],
        seeds=[int(value) for value in numbers(more["seeds"], "--seeds", whole=True)],
        n=more["n"],
        ks=[int(value) for value in numbers(more["k"], "--k", whole=True)],
        processes=more["processes"],
        exact=more["exact"],
        worlds=more["worlds"],
    )
    bench = plan_bench(build, settings, comparison, out=more["out"] or Path("runs") / f"bench-{name}")
    if bench.exact:
        check_exact(bench)
    say_notes(next(iter(bench.runs.values())).task)
    say(f"{len(bench.runs)} runs in {bench.out}")
    compare = _compare_exactly if bench.exact else _compare_samples
    compare(bench, more["k"], json=more["json"])
    return 0


def _compare_samples(bench: Bench, k: str, *, json: bool) -> None:
    evaluated = []
    if base := base_of(bench):
        kept = message_on_interrupt("Interrupted; what was sampled is kept: the same command goes on.")
        with kept, progress_bar(f"eval {base.name}") as move:
            evaluated.append(evaluate_base(bench, base, move))
    else:
        say(f"{next(iter(bench.runs.values())).model} is no folder, so the base is not evaluated.")
    with progress_bar("bench") as move:
        train_bench(bench, run_here, move)
    first, *others = [*bench.runs, *evaluated]
    compare_command(first, tuple(others), k=k, json=json)
    page = build_report([*evaluated, *bench.runs], bench.out / "report.html")
    say(f"Report: {page}")


def _compare_exactly(bench: Bench, k: str, *, json: bool) -> None:
    with progress_bar("bench") as move:
        train_bench(bench, run_here, move)
    values = exact_numbers(bench)
    names = list(dict.fromkeys(name for row in values.values() for name in row))
    shown = Tables(json=json)
    shown.table("exact", level_table(counted_once(values), names))
    shown.table("differences", gap_table(values, exact_pairs(bench), names))
    shown.value("runs", [{"arm": arm, "seed": seed, **row} for (arm, seed), row in values.items()])
    shown.finish()


def run_here(arguments: Sequence[str]) -> None:
    """Runs a command of `forage`, which shows its progress but not its tables. Raises ForageError where it fails."""
    with redirect_stdout(io.StringIO()):
        code = run_command(arguments)
    if code:
        raise ForageError(f"`forage {' '.join(arguments)}` ended with code {code}.")
