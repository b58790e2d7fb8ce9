"""A search that documents judge beside plain sampling and its control, on a tiny model."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from forage.core.errors import ForageError
from forage.core.records import Problem
from forage.engines.local.engine import LocalEngine
from forage.parts.values.claim_tree import ClaimSearch
from forage.tasks.search import SearchEnvironment
from forage.tasks.with_environment import with_environment
from forage.training.document_comparison import document_search
from support.worlds import World, blank_model
from tasks.search.test_index import Texts


@dataclass(frozen=True, kw_only=True)
class Voting(World):
    """The first word is the answer, and north is right; a document says so."""

    worth: tuple[tuple[str, float], ...] = (("north", 1.0),)

    def answer(self, problem: Problem, text: str) -> str | None:
        return text.split()[0] if text.split() else None

    def step_ends(self, pieces: Sequence[str]) -> tuple[int, ...]:
        return (len(pieces),)


GUIDE = SearchEnvironment(documents=Texts(texts=("go one north", "go two north", "go three north", *["else"] * 3)))


def test_a_model_is_searched_beside_its_control_and_one_seed_is_one_result(tmp_path: Path) -> None:
    model = blank_model(tmp_path / "model")
    asked = {"task": with_environment(Voting(), GUIDE), "repeats": 3, "max_tokens": 2}
    engine = LocalEngine(threads=1, matmul="highest")
    plan = ClaimSearch(responses=12)
    first, second = (document_search(model, engine=engine, plan=plan, **asked) for _ in range(2))
    assert first == second
    assert first != document_search(model, engine=engine, plan=plan, seed=1, **asked)
    assert first.search.estimate > first.vote.estimate + 0.2, "documents know what the model does not"
    assert first.search.estimate > first.shuffled.estimate + 0.2
    assert first.search_tokens <= first.plain_tokens
    assert first.n == int(np.ceil(first.search_tokens / first.single_tokens)) < 12
    assert first.search_tokens < first.shuffled_tokens, "only supported answers end a search"
    assert first.over_best_of_n.estimate == pytest.approx(first.search.estimate - first.best_of_n.estimate)
    assert first.over_shuffled.estimate == pytest.approx(first.search.estimate - first.shuffled.estimate)
    assert first.over_vote.estimate == pytest.approx(first.search.estimate - first.vote.estimate)
    assert first.supported == pytest.approx(first.search.estimate, abs=0.01), "supported is right here"
    assert "shuffled documents" in str(first.table().rows)


def test_a_task_without_an_environment_takes_documents_that_are_named(tmp_path: Path) -> None:
    model, engine = blank_model(tmp_path / "model"), LocalEngine(threads=1, matmul="highest")
    asked = {"engine": engine, "task": Voting(), "repeats": 1, "max_tokens": 2}
    assert document_search(model, documents=GUIDE, **asked).problems == 3
    with pytest.raises(ForageError, match="no documents to search"):
        document_search(model, **asked)
    with pytest.raises(ForageError, match="at least one search"):
        document_search(model, documents=GUIDE, **{**asked, "repeats": 0})


def test_exhaustive_search_of_single_steps_is_best_of_as_many(tmp_path: Path) -> None:
    """With one step a response there is no tree, and the search without an early end spends what best-of-n spends."""
    model, engine = blank_model(tmp_path / "model"), LocalEngine(threads=1, matmul="highest")
    plan = ClaimSearch(responses=8, stop=False)
    task = with_environment(Voting(), GUIDE)
    found = document_search(model, plan=plan, task=task, repeats=8, max_tokens=1, engine=engine)
    assert (found.n, found.search_tokens) == (8, 8.0)
    assert abs(found.over_best_of_n.estimate) < 0.25
