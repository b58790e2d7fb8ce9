"""Replay on a table of a user's own: whichever verifier checks its answers, states are kept."""

import json
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from forage.methods import grpo, rrl
from forage.recipes import table
from forage.store.run_directory import RunDirectory
from forage.tasks.verifiers import VERIFIERS
from forage.training.loop import train
from support.own_world import sums, write_model, write_table

TYPED = {"regex": r"regex:answer is (\d+)", "python": "python:replay_checks:is_right"}
"""Verifiers that are not named by their name alone."""

MODULE = """
def is_right(problem, text):
    return problem.answer in text


def places(text):
    return range(2, len(text), 2)
"""


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    place = tmp_path_factory.mktemp("own")
    write_model(place / "model")
    (place / "replay_checks.py").write_text(MODULE)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        patch.syspath_prepend(str(place))
        yield place


def answer(verifier: str, right: str) -> str:
    if verifier == "unit_tests":
        return json.dumps({"inputs": [[1]], "outputs": [int(right)], "entry": "f"})
    return "B" if verifier == "choice" else right


@pytest.mark.parametrize("verifier", sorted(VERIFIERS))
def test_states_are_kept_whatever_checks_the_answers(verifier: str, world: Path) -> None:
    rows = [{**row, "answer": answer(verifier, row["answer"])} for row in sums()]
    recipe = table(
        model=str(world / "model"),
        data=write_table(world / f"{verifier}.jsonl", rows),
        verifier=TYPED.get(verifier, verifier),
        step_ends="python:replay_checks:places",
        method=(grpo(), rrl(collect=1.0, margin=-1.0, continuations=1, traces=1)),
        steps=1,
        groups=2,
        group_size=2,
        max_tokens=12,
        verifier_workers=1,
        threads=1,
        matmul="highest",
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        train(recipe, out=world / "runs" / verifier)
    (row,) = RunDirectory.open(world / "runs" / verifier).metrics()
    assert row["unjudged"] == 0
    assert row["replay_entries"] > 0
    assert row["replay_answered"] == 0, "these responses are noise: nothing marks an answer in them"
