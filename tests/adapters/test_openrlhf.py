"""OpenRLHF's reward function: loaded from its file and asked in a thread, as OpenRLHF does."""

import asyncio
import importlib.util
from typing import Any

import pytest

from forage.adapters import openrlhf
from forage.core.errors import ForageError
from support.forked_servers import SetAside

AS_A_COMMAND = "import runpy; runpy.run_module('forage.adapters.openrlhf', run_name='__main__', alter_sys=True)"
"""What `python -m forage.adapters.openrlhf` does."""


def loaded(set_aside: SetAside) -> Any:
    """The module as OpenRLHF reads it: from the path that is given as --reward.remote_url."""
    process = set_aside.launch(AS_A_COMMAND)
    assert process.stdin is not None
    assert process.stdout is not None
    with process.stdin, process.stdout:
        path = process.stdout.read()
    process.wait()
    spec = importlib.util.spec_from_file_location("reward_func", path.strip())
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_answers_are_judged_against_their_labels(monkeypatch: pytest.MonkeyPatch, set_aside: SetAside) -> None:
    monkeypatch.setenv(openrlhf.VERIFIER, "numeric")
    found = asyncio.run(asyncio.to_thread(loaded(set_aside).reward_func, ["2 + 2? It is 4."], ["2 + 2? "], ["4"]))
    assert set(found) == {"rewards", "scores", "extra_logs"}
    assert (found["rewards"].tolist(), found["extra_logs"]["unjudged"].tolist()) == ([1.0], [0.0])


def test_the_prompt_is_no_part_of_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(openrlhf.VERIFIER, "numeric")
    found = openrlhf.reward_func(["What is 4? I do not know.", "q 7"], ["What is 4? ", "q "], ["4", 7])
    assert found["rewards"].tolist() == [0.0, 1.0]
    assert found["scores"].tolist() == [0.0, 1.0]


def test_an_answer_without_a_verdict_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(openrlhf.VERIFIER, "python:json:loads")  # refuses a problem, so it raises for every answer
    found = openrlhf.reward_func(["x"], [""], ["4"])
    assert found["rewards"].tolist() == [0.0]
    assert found["extra_logs"]["unjudged"].tolist() == [1.0]


def test_lists_of_different_lengths_are_refused() -> None:
    with pytest.raises(ForageError, match="2 queries, 1 prompts"):
        openrlhf.reward_func(["a", "b"], ["a"], ["a"])
