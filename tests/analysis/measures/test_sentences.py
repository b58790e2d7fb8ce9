"""Sentences partition texts and tokens; reflective ones are found; rare ones are far from the base."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forage.analysis.measures.rare import cosine_rarity, mean_nearest, rare_sentences
from forage.analysis.measures.reflective import REFLECTIVE, Sentence, reflective_sentences, sentences_of
from forage.analysis.measures.sentences import sentence_of_tokens, sentence_spans
from forage.core.errors import ForageError
from forage.grams.mining.embedding import TfIdf
from support.made_responses import response, words


def cut(text: str, *starts: str) -> list[str]:
    return [text[start:end] for start, end in sentence_spans(text, starts=starts)]


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("One. Two! Three?", ["One. ", "Two! ", "Three?"]),
        ("It is 3.14 and 1,000. Next", ["It is 3.14 and 1,000. ", "Next"]),
        ("First line\nsecond line\n\n", ["First line\n", "second line\n\n"]),
        ("Take $a. b$ here. Then", ["Take $a. b$ here. ", "Then"]),
        ("Take \\[x. \n y\\] here. Then", ["Take \\[x. \n y\\] here. ", "Then"]),
        ("Run ```a. b\nc``` now. Done", ["Run ```a. b\nc``` now. ", "Done"]),
        ("Open ```a. b\nc", ["Open ```a. b\nc"]),
        ("1. Add two.\n2. Stop.", ["1. Add two.\n", "2. Stop."]),
        ('He said "go." Then left.', ['He said "go." ', "Then left."]),
        ("", []),
        ("no end", ["no end"]),
    ],
)
def test_where_sentences_end(text: str, sentences: list[str]) -> None:
    assert cut(text) == sentences


def test_words_that_begin_sentences() -> None:
    assert cut("try 8 - 6 = 2 check 2 2 yes so", "try", "check", "so") == ["try 8 - 6 = 2 ", "check 2 2 yes ", "so"]
    assert cut("so-called sort", "so") == ["so-called sort"]


@given(st.text(alphabet="ab.!?1 \n$`\\[]", max_size=60))
def test_sentences_partition_the_text(text: str) -> None:
    assert "".join(cut(text)) == text


@given(st.lists(st.text(alphabet="a. \n", max_size=5), min_size=1, max_size=15))
def test_sentences_partition_the_tokens(pieces: list[str]) -> None:
    found = response(pieces)
    spans = sentence_spans(found.text)
    if not spans:
        return
    numbers = sentence_of_tokens(found, spans)
    assert len(numbers) == len(pieces)
    assert (np.diff(numbers) >= 0).all()
    assert numbers.min() >= 0
    assert numbers.max() < len(spans)


def test_sentence_entropy_by_hand() -> None:
    found = sentences_of([words("Add two. Check it again.", [0.1, 0.3, 0.6, 0.9, 1.2])])
    assert [(s.text, pytest.approx(s.entropy)) for s in found] == [("Add two.", 0.2), ("Check it again.", 0.9)]
    flagged = reflective_sentences(found)
    assert (flagged.n, flagged.n_rest) == (1, 1)
    assert flagged.difference is not None
    assert flagged.difference.estimate == pytest.approx(0.7)


@pytest.mark.parametrize(
    ("text", "reflective"),
    [
        ("let me double-check", True), ("Verify it", True), ("we rechecked", True), ("cross-checking", True),
        ("a checkerboard", False), ("verification", False), ("checkers", False),
    ],
)  # fmt: skip
def test_reflective_words(text: str, reflective: bool) -> None:
    assert bool(REFLECTIVE.search(text)) is reflective


def test_distance_to_five_neighbours_by_hand() -> None:
    # Base points 0..4 on a line, a sentence at 10: distances 10 9 8 7 6, mean 8.
    assert mean_nearest(np.abs(np.array([[10.0]]) - np.arange(5.0))).tolist() == [8.0]
    assert mean_nearest(np.array([[3.0, 1.0, 2.0]]), k=2).tolist() == [1.5]
    assert mean_nearest(np.array([[3.0, 1.0]])).tolist() == [2.0]


def test_cosine_rarity_over_several_blocks() -> None:
    rng = np.random.default_rng(0)
    queries, reference = (rng.normal(size=(n, 8)).astype(np.float32) for n in (1100, 40))
    queries, reference = (v / np.linalg.norm(v, axis=1, keepdims=True) for v in (queries, reference))
    slow = np.sort(1 - queries.astype(np.float64) @ reference.T.astype(np.float64), axis=1)[:, :5].mean(axis=1)
    assert cosine_rarity(queries, reference) == pytest.approx(slow, abs=1e-5)


def lines(verbs: list[str], nouns: list[str], *, problems: int, name: str, entropy: float = 0.2) -> list[Sentence]:
    rng = np.random.default_rng(1)
    return [
        Sentence(
            text=f"we {rng.choice(verbs)} the {rng.choice(nouns)} number {problem} to {rng.integers(1000)}",
            entropy=entropy + 0.01 * rng.random(),
            response=problem,
            problem=f"{name}{problem}",
        )
        for problem in range(problems)
        for _ in range(6)
    ]


PLAIN = (["add", "take", "move", "join"], ["first", "second", "third", "small"])


def test_new_behaviour_is_rare_and_measured() -> None:
    base = lines(*PLAIN, problems=20, name="b")
    unresolved = [
        Sentence(text=f"suppose instead zebras quietly juggle xylophones {n}", entropy=0.9, response=n, problem=f"s{n}")
        for n in range(12)
    ]
    found = rare_sentences([*lines(*PLAIN, problems=18, name="a"), *unresolved], base, TfIdf())
    assert "tf-idf" in found.embedding
    assert set(found.examples) <= {sentence.text for sentence in unresolved}
    assert found.entropy.difference is not None
    assert found.entropy.difference.low > 0.5
    assert found.deciles[-1] > found.null_deciles[-1]
    assert found.beyond.low > 0.05


def test_the_null_where_nothing_changed() -> None:
    base, policy = lines(*PLAIN, problems=40, name="b"), lines(*PLAIN, problems=41, name="a")[6:]
    found = rare_sentences(policy, base, TfIdf())
    assert found.beyond.low <= 0.1 <= found.beyond.high
    assert found.entropy.share == pytest.approx(0.1, abs=0.02)
    assert found == rare_sentences(policy, base, TfIdf())


def test_answers_to_the_reference_problems_are_left_out() -> None:
    base = lines(*PLAIN, problems=20, name="b")
    found = rare_sentences(base, base, TfIdf())
    assert found.sentences == found.held_out  # only the problems of the held-out half are left
    assert found.beyond.estimate == pytest.approx(0.1, abs=0.02)


def test_too_little_to_compare() -> None:
    with pytest.raises(ForageError, match="at least 10 different sentences"):
        rare_sentences(lines(*PLAIN, problems=1, name="a"), lines(*PLAIN, problems=2, name="b"), TfIdf())
