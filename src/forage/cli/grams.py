"""`forage grams mine|show`: strategic grams from correct solutions."""

from pathlib import Path
from typing import Literal

from forage.cli.progress import say
from forage.cli.solutions import correct_solutions
from forage.cli.tables import Tables
from forage.core.atomic import write_file
from forage.core.errors import ForageError
from forage.core.result_table import ResultTable
from forage.grams.gram_list import GramList, load_grams
from forage.grams.mining.clustering import Agglomerative, Clustering, KMeans, Leader
from forage.grams.mining.embedding import embedder
from forage.grams.mining.miner import Miner

UNEQUAL = 0.05
"""A placebo whose coverage misses the list's by more than this share of it is worth a warning."""


def mine_command(
    source: Path,
    /,
    *,
    out: Path,
    words: str = "3-5",
    top: float = 0.2,
    min_solutions: int | None = None,
    split: Literal["train", "test"] = "train",
    formulae: Literal["drop", "rank"] = "drop",
    clustering: Literal["leader", "agglomerative", "k-means"] = "leader",
    radius: float = 0.25,
    clusters: int = 500,
    encoder: str | None = None,
    seed: int = 0,
) -> None:
    """Mines the phrases that many correct solutions share, and draws random ones of equal coverage beside them.

    Example: forage grams mine runs/first --out grams.json

    Args:
        source: A run directory (its correct rollouts), a model folder (its correct evaluation samples), a .jsonl file
            (one object per line with the key solution, text, response or completion; rows with "correct": false are
            left out), or a text file with one solution per line.
        out: Where the result is written. A JSON file.
        words: Words of a phrase, from-to. 1-5 for a word-level model such as those of the toy tasks.
        top: Share of the clusters to keep, by the number of solutions that hold one of their phrases. Ties are kept.
        min_solutions: Solutions that a phrase must stand in. A thousandth of all, and at least 2, unless given.
        split: Which problems: train or test. This chooses among evaluation samples. Phrases of test solutions know the
            test: a run that is trained with them must not be compared on it.
        formulae: What becomes of phrases with digits, LaTeX commands or single letters. They are never kept; rank lets
            them take part in the clustering and the ranking (so that --top is a share of all clusters), drop does not.
        clustering: How phrases are clustered. leader (one pass, any number of phrases), agglomerative (all pairs, up to
            20,000 phrases) or k-means; the last two need the extra `embed`.
        radius: Cosine distance within which phrases are one cluster (leader, agglomerative).
        clusters: How many clusters k-means makes.
        encoder: Sentence encoder, by name or folder. minilm is the usual one (needs the extra `embed`); tf-idf of
            words and letters unless given.
        seed: Random seed. It decides the random phrases.
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
    mined = miner(correct_solutions(source, split), source=str(source))
    write_file(out, mined.to_json().encode())
    if warning := placebo_warning(mined):
        say(warning)
    say(
        f"{len(mined.grams)} grams in {len(mined.clusters)} clusters from {mined.made['solutions']} solutions: {out}\n"
        f"Next: forage grams show {out}, forage train countdown --method grpo --method hicra:grams={out}"
    )


def show_command(
    name: str, /, *, max_clusters: int = 30, max_examples: int = 5, json: bool = False, out: Path | None = None
) -> None:
    """Prints a gram list: how it was made, its clusters with examples and frequencies, its coverage and its placebo.

    Example: forage grams show grams.json --max-clusters 10

    Args:
        name: A file that `forage grams mine` wrote, or phrases (a list written by hand).
        max_clusters: The most clusters that are shown.
        max_examples: The most phrases of each that are shown.
        json: Print tables as one JSON object.
        out: Where the result is written. A file; printed unless given.
    """
    shown, listed = Tables(json=json, out=out), load_grams(name)
    shown.say(f"{name}  id {listed.id}")
    shown.value("id", listed.id)
    for key, value in listed.made.items():
        shown.say(f"  {key.replace('_', ' ')}: {value}")
    shown.value("made", dict(listed.made))
    shown.table("clusters", cluster_table(listed, clusters=max_clusters, examples=max_examples))
    shown.say(_coverage(listed, max_examples))
    shown.value("coverage", listed.coverage)
    shown.value("placebo coverage", listed.placebo_coverage)
    if warning := placebo_warning(listed):
        shown.warn(warning)
        shown.value("warning", warning)
    shown.finish()


def cluster_table(listed: GramList, *, clusters: int, examples: int) -> ResultTable:
    """The first clusters: solutions that hold one of their phrases, how many phrases there are, and some of them."""
    rows = []
    for number, cluster in enumerate(listed.clusters[:clusters], 1):
        solutions = _share(cluster.solutions, listed.made.get("solutions")) if cluster.solutions else "-"
        phrases = [f"{gram!r}" if " " in gram else gram for gram in cluster.grams[:examples]]
        more = [f"and {len(cluster.grams) - examples} more"] if len(cluster.grams) > examples else []
        rows.append((cluster.label or str(number), solutions, str(len(cluster.grams)), ", ".join([*phrases, *more])))
    rest = len(listed.clusters) - clusters
    notes = (f"... and {rest} clusters more (--max-clusters).",) if rest > 0 else ()
    return ResultTable.of_texts(("cluster", "solutions", "grams", "examples"), rows, notes)


def _coverage(listed: GramList, examples: int) -> str:
    if listed.coverage is None or listed.placebo_coverage is None:
        return "Its coverage is not known: it was not mined from solutions."
    such = f", such as {', '.join(map(repr, listed.placebo[:examples]))}" if listed.placebo else ""
    return (
        f"Coverage: {listed.coverage:.1%} of the words; the placebo's {len(listed.placebo)} random grams cover "
        f"{listed.placebo_coverage:.1%}{such}."
    )


def placebo_warning(listed: GramList) -> str | None:
    """A sentence where the placebo does not cover as much as the list, so that comparing them would mislead."""
    if listed.coverage is None or listed.placebo_coverage is None:
        return None
    if abs(listed.placebo_coverage - listed.coverage) <= UNEQUAL * listed.coverage:
        return None
    return (
        f"The random grams cover {listed.placebo_coverage:.1%} of the words and the list {listed.coverage:.1%}: there "
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


SUBCOMMANDS = {"mine": mine_command, "show": show_command}
