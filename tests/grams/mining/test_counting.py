from hypothesis import given, settings
from hypothesis import strategies as st

from forage.grams.mining.counting import count_grams, read_corpus, texts_of
from forage.grams.words import runs

SOLUTION = st.lists(st.sampled_from(["a", "b", "C", "7", "."]), max_size=12).map(" ".join)


def test_a_corpus_by_hand() -> None:
    corpus = read_corpus(["So we. We so", "", "so"])
    assert corpus.vocabulary == ("so", "we")
    assert corpus.words.tolist() == [0, 1, -1, 1, 0, -1, -1, 0, -1]
    assert corpus.solution.tolist() == [0, 0, 0, 0, 0, 0, 1, 2, 2]
    assert (corpus.solutions, corpus.total) == (3, 5)


@settings(max_examples=60)
@given(st.lists(SOLUTION, max_size=6), st.integers(1, 3))
def test_against_counting_with_sets(solutions: list[str], least: int) -> None:
    corpus = read_corpus(solutions)
    for level in count_grams(corpus, longest=4, min_solutions=least):
        held: dict[str, set[int]] = {}
        occurrences: list[str] = []
        for number, text in enumerate(solutions):
            for run in runs(text):
                for start in range(len(run) - level.n + 1):
                    gram = " ".join(run[start : start + level.n])
                    held.setdefault(gram, set()).add(number)
                    occurrences.append(gram)
        wanted = {gram: len(inside) for gram, inside in held.items() if len(inside) >= least}
        texts = texts_of(corpus, level)
        assert dict(zip(texts, level.frequency.tolist(), strict=True)) == wanted
        assert [texts[gram] for gram in level.gram] == [gram for gram in occurrences if gram in wanted]
        for gram, place in zip(level.gram, level.place, strict=True):
            assert corpus.words[place : place + level.n].tolist() == level.grams[gram].tolist()
        pairs = list(zip(level.pair_gram.tolist(), level.pair_solution.tolist(), strict=True))
        assert len(pairs) == len(set(pairs)) == sum(wanted.values())
        assert all(solution in held[texts[gram]] for gram, solution in pairs)


def test_no_solution_at_all() -> None:
    corpus = read_corpus([])
    assert (corpus.solutions, corpus.total) == (0, 0)
    assert [len(level.grams) for level in count_grams(corpus, longest=3, min_solutions=2)] == [0, 0, 0]
