import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forage.core.errors import ForageError
from forage.grams.mining import clustering
from forage.grams.mining.clustering import Agglomerative, KMeans, leader_clusters
from forage.grams.mining.embedding import TfIdf, embedder


def unit(*degrees: float) -> np.ndarray:
    angles = np.radians(degrees)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


def test_by_hand() -> None:
    # Radius .25 is 41.4 degrees. 30 joins 0; 60 is too far from 0 and leads; 31 is nearer to 60; 90 joins 60.
    assert leader_clusters(unit(0, 30, 60, 31, 90, 180), radius=0.25).tolist() == [0, 0, 1, 1, 1, 2]
    assert leader_clusters(unit(0, 0, 60, 30), radius=0.25).tolist() == [0, 0, 1, 0]  # equally near: the older
    assert leader_clusters(unit(0, 30, 0), radius=0).tolist() == [0, 1, 0]


def test_nothing_and_zeros() -> None:
    assert leader_clusters(np.zeros((0, 4), dtype=np.float32), radius=0.25).tolist() == []
    assert leader_clusters(np.zeros((3, 4), dtype=np.float32), radius=0.25).tolist() == [0, 1, 2]


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([1, 3, 7]))
def test_blocks_change_nothing_and_leaders_are_apart(seed: int, block: int) -> None:
    draw = np.random.default_rng(seed)
    vectors = draw.normal(size=(40, 3)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    vectors[draw.integers(0, 40, 8)] = vectors[draw.integers(0, 40, 8)]
    whole = leader_clusters(vectors, radius=0.2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(clustering, "BLOCK", block)
        assert leader_clusters(vectors, radius=0.2).tolist() == whole.tolist()
    leaders = [int(np.flatnonzero(whole == cluster)[0]) for cluster in range(whole.max() + 1)]
    cosine = vectors @ vectors[leaders].T
    assert (1 - cosine[np.arange(40), whole] <= 0.2 + 1e-5).all()
    between = cosine[leaders] - 2 * np.eye(len(leaders))
    assert (1 - between >= 0.2 - 1e-5).all()


def test_average_linkage_by_hand() -> None:
    # Distances are 1 - cosine: 0 and 20 degrees .06, 50 and 60 .015, so these pairs join first. Between the pairs the
    # mean is (.357 + .5 + .134 + .234) / 4 = .306; 180 is far from all. Cut at .25 they stay apart, at .35 they join.
    vectors = unit(0, 50, 20, 60, 180)
    assert Agglomerative(radius=0.25)(vectors).tolist() == [0, 1, 0, 1, 2]
    assert Agglomerative(radius=0.35)(vectors).tolist() == [0, 0, 0, 0, 1]
    assert Agglomerative()(unit(5)).tolist() == [0]


def test_too_many_pairs_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clustering, "MOST_PAIRED", 3)
    with pytest.raises(ForageError, match="`min_solutions`"):
        Agglomerative()(unit(0, 1, 2, 3))


def test_k_means_by_hand() -> None:
    vectors = unit(90, 0, 2, 88, 180, 1)
    found = KMeans(clusters=3)(vectors)
    assert found.tolist() == [0, 1, 1, 0, 2, 1]
    assert KMeans(clusters=3)(vectors).tolist() == found.tolist()
    assert KMeans(clusters=50)(unit(0, 0, 90)).tolist() == [0, 0, 1]  # no more clusters than different rows
    with pytest.raises(ForageError, match="at least one cluster"):
        KMeans(clusters=0)(vectors)


@pytest.mark.parametrize("radius", [-0.1, 1.0, float("nan")])
def test_impossible_radius(radius: float) -> None:
    with pytest.raises(ForageError, match="radius"):
        leader_clusters(unit(0), radius=radius)


# --------------------------------------------------------------------------------------------------------- embedding


def test_tf_idf_knows_spelling() -> None:
    texts = ["let us try another way", "let us try a different way", "the sum of both sides", "the sum of both sides"]
    vectors = TfIdf()(texts)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-5)
    cosine = vectors @ vectors.T
    assert cosine[2, 3] == pytest.approx(1, abs=1e-5)
    assert cosine[0, 1] > 0.4 > 0.2 > abs(cosine[0, 2])


def test_tf_idf_weighs_by_the_corpus() -> None:
    # "way" is in every text of the corpus, "odd" in none: the rarer word decides which text is nearer.
    corpus = ["the way", "a way", "my way"]
    one, odd, way = TfIdf()(["odd way", "odd end", "long way"], corpus=corpus)
    assert one @ odd > one @ way
    assert np.array_equal(TfIdf()(["a b", "b c"]), TfIdf()(["a b", "b c"]))
    assert not TfIdf()(["..."]).any()


def test_a_missing_encoder_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "sentence_transformers", None)
    with pytest.raises(ForageError, match="forage-rl\\[embed\\]"):
        embedder("minilm")(["so"])
    assert embedder("minilm").name == "sentence-transformers/all-MiniLM-L6-v2"
    assert embedder(None) == TfIdf()
