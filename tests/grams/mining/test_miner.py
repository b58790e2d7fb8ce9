import random
from dataclasses import replace

import pytest

from forage.core.errors import ForageError
from forage.grams.gram_list import GramList
from forage.grams.matching import Matcher
from forage.grams.mining.clustering import Leader
from forage.grams.mining.counting import count_grams, read_corpus
from forage.grams.mining.miner import Miner
from forage.grams.mining.placebo import draw_placebo
from forage.grams.words import is_formula, runs
from forage.tasks.countdown import Countdown
from forage.tasks.countdown.verifier import verify

PLANS = ["let us try another way", "wait that is wrong", "the next step is"]
FILLER = ["alpha", "beta", "gamma", "delta", "epsilon", "zeta", "theta", "kappa", "lambda", "sigma", "omega", "tau"]


def solutions(count: int = 60, seed: int = 0) -> list[str]:
    """Random filler and formulae; every plan opens a sentence of about half of the solutions."""
    rng = random.Random(seed)
    texts = []
    for _ in range(count):
        sentences = [" ".join(rng.choices(FILLER, k=6)) for _ in range(4)]
        sentences += [f"{plan} {rng.choice(FILLER)}" for plan in PLANS if rng.random() < 0.5]
        sentences.append("so we get x 7 by the rule 1 2 3")
        rng.shuffle(sentences)
        texts.append(". ".join(sentences) + ".")
    return texts


def covered_share(texts: list[str], grams: tuple[str, ...]) -> float:
    """By matching: the share of the words that lie in a match."""
    matcher, words, inside = Matcher(grams), 0, 0
    for text in texts:
        words += sum(map(len, runs(text)))
        inside += sum(len([w for run in runs(text[start:end]) for w in run]) for start, end in matcher.spans(text))
    return inside / words


@pytest.fixture(scope="module")
def mined() -> GramList:
    return Miner(top=0.1)(solutions(), source="made up")


def test_it_finds_what_solutions_share(mined: GramList) -> None:
    found = set(mined.grams)
    assert {"let us try another", "wait that is wrong", "the next step is"} <= found
    assert not any(is_formula(word) for gram in found for word in gram.split())
    assert all(3 <= len(gram.split()) <= 5 for gram in found)
    assert [cluster.solutions for cluster in mined.clusters] == sorted(
        (cluster.solutions for cluster in mined.clusters), reverse=True
    )


def test_coverage_is_that_of_matching_and_the_placebo_has_the_same(mined: GramList) -> None:
    texts = solutions()
    assert mined.coverage == pytest.approx(covered_share(texts, mined.grams), abs=1e-12)
    assert mined.placebo_coverage == pytest.approx(covered_share(texts, mined.placebo), abs=1e-12)
    assert mined.placebo_coverage == pytest.approx(mined.coverage, rel=0.02)
    assert not Matcher(mined.grams).find(". ".join(mined.placebo))
    assert not Matcher(mined.placebo).find(". ".join(mined.grams))


def test_the_placebo_holds_formulae_only_where_other_words_do_not_suffice(mined: GramList) -> None:
    def formulae(grams: tuple[str, ...]) -> int:
        return sum(any(map(is_formula, gram.split())) for gram in grams)

    corpus = read_corpus(solutions())
    levels = count_grams(corpus, longest=5, min_solutions=2)[2:]
    for seed in range(4):
        placebo, covered = draw_placebo(corpus, levels, mined.grams, coverage=400, seed=seed)  # each formula has 180
        assert formulae(placebo) == 0
        assert 390 <= covered <= 404
    assert formulae(mined.placebo) == mined.made["placebo_formulae"]
    assert formulae(mined.placebo) > 0, "here they fill up the coverage"


def test_the_same_solutions_give_the_same_list(mined: GramList) -> None:
    again = Miner(top=0.1)(iter(solutions()), source="made up")
    assert again == mined
    assert again.id == mined.id
    other = Miner(top=0.1, seed=1)(solutions(), source="made up")
    assert other.clusters == mined.clusters
    assert other.placebo != mined.placebo


def counts(texts: list[str]) -> dict[tuple[str, ...], int]:
    found = Miner(top=1, min_solutions=1, clustering=Leader(radius=0))(texts, source="x")
    return {cluster.grams: cluster.solutions for cluster in found.clusters}


def test_frequency_counts_solutions() -> None:
    texts = ["we may try this", "we may try that", "now we may try"]
    once = counts(texts)
    assert once[("we may try",)] == 3
    assert once[("may try this",)] == 1
    repeated = counts([f"{texts[0]}. {texts[0]}", *texts[1:]])
    assert repeated == once  # repeating inside a solution changes nothing
    doubled = counts([*texts, texts[0]])
    assert doubled[("we may try",)] == 4  # one more solution adds one
    assert doubled[("may try this",)] == 2


def test_a_cluster_counts_each_solution_once() -> None:
    # All three grams are near each other, and the first solution holds two of them.
    texts = ["we may try this. we may try these", "we may try this", "we may try those"]
    (whole,) = Miner(shortest=4, longest=4, top=1, min_solutions=1, clustering=Leader(radius=0.9))(
        texts, source="x"
    ).clusters
    assert set(whole.grams) == {"we may try this", "we may try these", "we may try those"}
    assert whole.solutions == 3


def test_the_top_share_keeps_ties() -> None:
    # Five clusters of one word: frequencies 3, 2, 2, 1, 1.
    texts = ["red green blue", "red green", "red blue. pink", "gold"]
    miner = Miner(shortest=1, longest=1, min_solutions=1, clustering=Leader(radius=0.1))
    kept = {top: replace(miner, top=top)(texts, source="x").grams for top in (0.2, 0.4, 0.6, 0.8)}
    assert kept[0.2] == ("red",)
    assert kept[0.4] == kept[0.6] == ("red", "blue", "green")
    assert set(kept[0.8]) == {"red", "blue", "green", "pink", "gold"}


def test_formulae_take_places_or_not_but_are_never_in_the_list() -> None:
    # Frequencies: 7 and x in four solutions, red in three, blue in two. Half of four clusters, or half of two.
    texts = ["7. x. red", "7. x. red", "7. x. red. blue", "7. x. blue"]
    dropped = Miner(shortest=1, longest=1, top=0.5, clustering=Leader(radius=0.1))(texts, source="t")
    assert [(cluster.grams, cluster.solutions) for cluster in dropped.clusters] == [(("red",), 3)]
    with pytest.raises(ForageError, match="nothing but formulae"):
        Miner(shortest=1, longest=1, top=0.5, clustering=Leader(radius=0.1), formulae="rank")(texts, source="t")
    ranked = Miner(shortest=1, longest=1, top=0.75, clustering=Leader(radius=0.1), formulae="rank")(texts, source="t")
    assert [(cluster.grams, cluster.solutions) for cluster in ranked.clusters] == [(("red",), 3)]
    assert ranked.made["clusters"] == 4


def test_clusters_are_counted_without_their_formulae() -> None:
    # "try 7" and "try" are one cluster; without the formula it stands in two solutions.
    texts = ["try this. try", "try", "try 7 and 7", "now so"]
    (whole, *_) = Miner(shortest=1, longest=2, top=1, min_solutions=1, clustering=Leader(radius=0.9), formulae="rank")(
        texts, source="t"
    ).clusters
    assert not any("7" in gram for gram in whole.grams)
    assert whole.solutions == sum(any(gram in text for gram in whole.grams) for text in texts)


PLANNING = {"try", "let", "check", "wait", "back", "so"}


def test_it_finds_the_planning_words_of_the_lab() -> None:
    # From correct responses alone. `yes` and `no`, the outcomes of a check, are the words it takes for plans.
    task, texts = Countdown(size="demo"), []
    for trace in task.traces(1000):
        text = " ".join(trace.words[:-1])
        if verify(trace.puzzle, text, task.space.limit).value == 1:
            texts.append(text)
    found = Miner(shortest=1, longest=2, formulae="rank")(texts, source="traces")
    words = {word for gram in found.grams for word in gram.split()}
    assert len(words & PLANNING) >= 5
    assert words <= PLANNING | {"yes", "no"}


def test_what_cannot_be_mined_is_a_sentence() -> None:
    with pytest.raises(ForageError, match="no correct solution in nowhere"):
        Miner()([], source="nowhere")
    with pytest.raises(ForageError, match="No phrase of 3 to 5 words stands in 2 of the 2 solutions"):
        Miner()(["one two three", "four five six"], source="x")


def test_impossible_settings_are_refused() -> None:
    for shortest, longest in ((4, 3), (0, 2), (1, 11)):
        with pytest.raises(ForageError, match="1 to 10 words"):
            Miner(shortest=shortest, longest=longest)
    for top in (0.0, 1.1):
        with pytest.raises(ForageError, match="share of clusters"):
            Miner(top=top)
    with pytest.raises(ForageError, match="at least one solution"):
        Miner(min_solutions=0)
