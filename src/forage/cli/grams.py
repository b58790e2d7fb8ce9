"""`forage grams mine|show`: strategic grams from correct solutions."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import tyro
from rich.console import Console
from rich.table import Table

from forage.cli.solutions import correct_solutions
from forage.cli.subcommands import run_subcommand
from forage.core.atomic import write_file
from forage.core.errors import ForageError
from forage.grams.gram_list import GramList, load_grams
from forage.grams.mining.clustering import Agglomerative, Clustering, KMeans, Leader
from forage.grams.mining.embedding import embedder
from forage.grams.mining.miner import Miner

UNEQUAL = 0.05
"""A placebo whose coverage misses the list's by more than this share of it is worth a warning."""


def mine_command(
    source: Annotated[Path, tyro.conf.Positional],
    /,
    *,
    out: Path,
    words: str = "3-5",
    formulae: Literal["drop", "rank"] = "drop",
    top: float = 0.2,
    clustering: Literal["leader", "agglomerative", "k-means"] = "leader",
    radius: float = 0.25,
    clusters: int = 500,
    min_solutions: int | None = None,
    encoder: str | None = None,
    seed: int = 0,
    split: Literal["train", "test"] = "train",
) -> None:
    """Mines the phrases that many correct solutions share, and draws random ones of equal coverage beside them.

    Args:
        source: a run directory (its correct rollouts), a model folder (its correct evaluation samples), a .jsonl file
            (one object per line with the key solution, text, response or completion; rows with "correct": false are
            left out), or a text file with one solution per line.
        out: the file to write.
        split: which problems the evaluation samples answer. Phrases of test solutions know the test: a run that is
            trained with them must not be compared on it.
        words: words of a phrase, from-to; 1-5 for a word-level model such as the lab's.
        formulae: phrases with digits, LaTeX commands or single letters are never kept; rank lets them take part in the
            clustering and the ranking (so that --top is a share of all clusters), drop does not.
        top: share of the clusters to keep, by the number of solutions that hold one of their phrases; ties are kept.
        clustering: leader (one pass, any number of phrases), agglomerative (all pairs, up to 20,000 phrases) or
            k-means; the last two need the extra `embed`.
        radius: cosine distance within which phrases are one cluster (leader, agglomerative).
        clusters: how many clusters k-means makes.
        min_solutions: solutions that a phrase must stand in; a thousandth of all, and at least 2, unless given.
        encoder: a sentence encoder, by name or folder ("minilm" for the usual one; needs the extra `embed`); tf-idf
            of words and letters unless given.
        seed: random seed of the random phrases.
    """
    shortest, longest = _span(words)
    miner = Miner(
        shortest=shortest,
        longest=longest,
        formulae=formulae,
        top=top,
        clustering=_clustering(clustering, radius, clusters, seed),
        min_solutions=min_solutions,
        seed=seed,
        embedder=embedder(encoder),
    )
    found = miner(correct_solutions(source, split), source=str(source))
    write_file(out, found.to_json().encode())
    console = Console(stderr=True)
    if warning := placebo_warning(found):
        console.print(warning, style="yellow", highlight=False, soft_wrap=True)
    console.print(
        f"{len(found.grams)} grams in {len(found.clusters)} clusters from {found.made['solutions']} solutions: {out}\n"
        f"Next: forage grams show {out}, forage train countdown --method grpo --method hicra:grams={out}",
        highlight=False,
        soft_wrap=True,
        markup=False,
    )


def show_command(name: Annotated[str, tyro.conf.Positional], /, *, clusters: int = 30, examples: int = 5) -> None:
    """Prints a gram list: how it was made, its clusters with examples and frequencies, its coverage and its placebo.

    Args:
        name: a file that `forage grams mine` wrote, or phrases (a list written by hand).
        clusters: how many clusters to print.
        examples: how many phrases of each.
    """
    console, found = Console(), load_grams(name)
    console.print(f"{name}  id {found.id}", highlight=False, soft_wrap=True, markup=False)
    for key, value in found.made.items():
        console.print(f"  {key.replace('_', ' ')}: {value}", highlight=False, soft_wrap=True, markup=False)
    table = Table(box=None, padding=(0, 2, 0, 0))
    for column in ("cluster", "solutions", "grams", "examples"):
        table.add_column(column, overflow="fold", justify="left" if column == "examples" else "right")
    for number, cluster in enumerate(found.clusters[:clusters], 1):
        counted = _share(cluster.solutions, found.made.get("solutions")) if cluster.solutions else "-"
        shown = [f"{gram!r}" if " " in gram else gram for gram in cluster.grams[:examples]]
        more = [f"and {len(cluster.grams) - examples} more"] if len(cluster.grams) > examples else []
        table.add_row(cluster.label or str(number), counted, str(len(cluster.grams)), ", ".join([*shown, *more]))
    console.print(table, highlight=False)
    if len(found.clusters) > clusters:
        console.print(f"... and {len(found.clusters) - clusters} clusters more (--clusters).", highlight=False)
    if found.coverage is None or found.placebo_coverage is None:
        console.print("Its coverage is not known: it was not mined from solutions.", highlight=False)
        return
    such = f", such as {', '.join(map(repr, found.placebo[:examples]))}" if found.placebo else ""
    console.print(
        f"Coverage: {found.coverage:.1%} of the words; the placebo's {len(found.placebo)} random grams cover "
        f"{found.placebo_coverage:.1%}{such}.",
        highlight=False,
        soft_wrap=True,
        markup=False,
    )
    if warning := placebo_warning(found):
        console.print(warning, style="yellow", highlight=False, soft_wrap=True)


def placebo_warning(found: GramList) -> str | None:
    """A sentence where the placebo does not cover as much as the list, so that comparing them would mislead."""
    if found.coverage is None or found.placebo_coverage is None:
        return None
    if abs(found.placebo_coverage - found.coverage) <= UNEQUAL * found.coverage:
        return None
    return (
        f"The random grams cover {found.placebo_coverage:.1%} of the words and the list {found.coverage:.1%}: there "
        "were not enough other phrases, so hicra_random marks another share of the tokens than hicra. Keep fewer "
        "clusters (--top) or give more solutions."
    )


def _clustering(name: str, radius: float, clusters: int, seed: int) -> Clustering:
    kinds: dict[str, Clustering] = {
        "leader": Leader(radius=radius),
        "agglomerative": Agglomerative(radius=radius),
        "k-means": KMeans(clusters=clusters, seed=seed),
    }
    return kinds[name]


def _span(text: str) -> tuple[int, int]:
    shortest, _, longest = text.partition("-")
    if not shortest.isdecimal() or not (longest or shortest).isdecimal():
        raise ForageError(f"--words takes the words of a phrase as from-to, such as 3-5, not {text!r}.")
    return int(shortest), int(longest or shortest)


def _share(count: int, total: object) -> str:
    return f"{count} ({count / total:.0%})" if isinstance(total, int) and total else str(count)


def run(argv: Sequence[str]) -> int:
    return run_subcommand("grams", {"mine": mine_command, "show": show_command}, argv)
