"""Searching in whole runs: they resume, go on inside of documents, change nothing unused, and take anyone's table."""

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from forage.base_models.lookup import LookupBase
from forage.base_models.tiny_model import build
from forage.cli import main
from forage.core.records import SampleRequest, SamplingParams
from forage.core.searches import searches, well_formed
from forage.core.turns import environment_of
from forage.engines.local.engine import LocalEngine, Opened
from forage.engines.optimization import Optimization
from forage.engines.turns import TurnReader, TurnSampler
from forage.evaluation.evaluation import Evaluation
from forage.methods import apply, grpo, r1_searcher, rloo
from forage.recipes import lookup
from forage.store.run_directory import RunDirectory
from forage.tasks.lookup import Lookup, facts
from forage.tasks.search import SearchEnvironment
from forage.tasks.with_environment import with_environment
from forage.training.checkpoints import find_checkpoint
from forage.training.loop import train
from forage.training.recipe import Grouping, Recipe, Schedule
from support.interruptions import metrics_of, train_whole_and_in_parts
from support.own_world import write_table
from support.worlds import EASY, blank_model
from tasks.search.test_index import Texts

TASK = Lookup()
PROBLEM = TASK.problems("test")[0]
FAST: dict[str, Any] = {
    "steps": 2,
    "rollouts_every": 1,
    "groups": 2,
    "group_size": 16,
    "matmul": "highest",
    "threads": 1,
}


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that has hardly learned anything, and writes queries now and then."""
    small = LookupBase(traces=640, steps=40, batch=32, layers=1, hidden=16, heads=1, head_dim=16, inner=16)
    return build(small, tmp_path_factory.mktemp("base") / "lookup", progress=False)


@pytest.fixture(scope="module")
def opened(base: Path) -> Opened:
    return LocalEngine(threads=1, matmul="highest", stops=SearchEnvironment.turn_ends).open(str(base))


def test_a_run_of_the_first_stage(base: Path, tmp_path: Path) -> None:
    assert find_checkpoint(base).task == TASK, "an evaluation knows its search engine"
    train(lookup(model=str(base), method=[grpo(), r1_searcher()], **FAST), out=tmp_path / "run")
    run = RunDirectory.open(tmp_path / "run")
    kept = [row for step in (1, 2) for row in run.rollouts(step)]
    assert sum(bool(row["given"]) for row in kept) > 4, "there is something to see"
    for row in kept:
        text = "".join(row["pieces"])
        said = ["".join(row["pieces"][first:last]).split() for first, last in row["given"]]
        assert all((each[0], each[-1]) == ("<|begin_of_documents|>", "<|end_of_documents|>") for each in said)
        assert len(said) == text.count("<|end_of_query|> <|begin_of_documents|>") <= TASK.searches
        silent = {place for first, last in row["given"] for place in range(first, last)}
        for column in ("logprobs", "entropies", "advantages"):
            assert {place for place, value in enumerate(row[column]) if math.isnan(value)} == silent
        assert row["reward"] == 0.5 * (searches(text) >= 1) + 0.5 * well_formed(text)
    found = run.metrics()
    assert all(0 <= row["well_formed"] <= 1 and row["searches"] <= row["replies"] <= TASK.searches for row in found)
    assert found[0]["tokens"] == sum(
        len(row["tokens"]) - sum(last - first for first, last in row["given"]) for row in run.rollouts(1)
    )


def test_a_run_resumes_bit_for_bit(base: Path, tmp_path: Path) -> None:
    recipe = lookup(model=str(base), method=[grpo(), r1_searcher(stage=2)], **FAST)
    train_whole_and_in_parts(recipe, tmp_path, stop_after=1)
    assert repr(metrics_of(tmp_path / "whole")) == repr(metrics_of(tmp_path / "parts"))


def test_any_beginning_is_gone_on_with_inside_of_documents_too(opened: Opened) -> None:
    environment = environment_of(TASK)
    assert environment is not None
    reader = TurnReader(environment, opened.codec, opened.policy.model.stop_ids, environment.turn_ends)
    fact = facts()[0]
    asked = opened.codec.encode(f"<think> <|begin_of_query|> {fact.name} {fact.relation} <|end_of_query|>")
    reply = opened.codec.encode(environment.reply(PROBLEM, opened.codec.decode(asked)) or "")
    assert fact.value in opened.codec.decode(reply)
    whole, params = asked + reply, SamplingParams(max_tokens=38)
    requests = []
    for end in range(len(whole) + 1):
        read = reader.read(PROBLEM, whole[:end])
        assert read.pending == (whole[end:] if end >= len(asked) else ())
        assert read.given == (((len(asked), end),) if end > len(asked) else ())
        prompt = opened.codec.prompt(PROBLEM)
        requests.append(SampleRequest(prompt + whole[:end], 2, end, 38 - end, problem=PROBLEM, begun=end))
    sampler = TurnSampler(opened.sampler, reader)
    for end, completions in sampler.sample(requests, params):
        if len(asked) <= end < len(whole):
            for completion in completions:
                owed = len(whole) - end
                assert completion.tokens[:owed] == whole[end:]
                assert completion.given[0] == (0, owed)
                assert math.isfinite(completion.logprobs[owed])


def test_one_search_too_many_cuts_a_response_off(opened: Opened) -> None:
    environment = SearchEnvironment(documents=Texts(texts=("red",)), searches=1)
    reader = TurnReader(environment, opened.codec, opened.policy.model.stop_ids, environment.turn_ends)
    asked = opened.codec.encode("<think> <|begin_of_query|> red <|end_of_query|>")
    begun = asked + opened.codec.encode(environment.reply(PROBLEM, opened.codec.decode(asked)) or "")
    prompt = opened.codec.prompt(PROBLEM)
    request = SampleRequest(prompt + begun, 64, 0, 60, problem=PROBLEM, begun=len(begun))
    ((_, completions),) = TurnSampler(opened.sampler, reader).sample([request], SamplingParams(max_tokens=60))
    again = [each for each in completions if opened.codec.decode(each.tokens).endswith("<|end_of_query|>")]
    assert again
    assert all(each.stop == "length" and not each.given for each in again)
    assert not any(each.given for each in completions)


def test_where_no_query_is_written_a_run_is_the_same_bit_for_bit(tmp_path: Path) -> None:
    plain = apply(
        Recipe(
            name="plain",
            model=str(blank_model(tmp_path / "model")),
            task=EASY,
            schedule=Schedule(steps=2, rollouts_every=2),
            grouping=Grouping(groups=2, group_size=8),
            sampling=SamplingParams(max_tokens=8),
            optimization=Optimization(lr=1e-2, mini_batches=1),
            engine=LocalEngine(threads=1, matmul="highest"),
        ),
        [rloo()],
    )
    searching = SearchEnvironment(documents=Texts(texts=("north",)))
    train(plain, out=tmp_path / "plain")
    train(replace(plain, task=with_environment(EASY, searching)), out=tmp_path / "searching")
    assert repr(metrics_of(tmp_path / "plain")) == repr(metrics_of(tmp_path / "searching"))
    files = [tmp_path / name / "rollouts" / "step-000002.parquet" for name in ("plain", "searching")]
    assert files[0].read_bytes() == files[1].read_bytes()


def test_anyones_model_and_table_search_anyones_documents(base: Path, tmp_path: Path) -> None:
    """From the command line: trained with documents, evaluated with them, and on another table with the same ones."""
    documents = write_table(tmp_path / "docs.jsonl", [{"text": fact.document} for fact in facts()])
    rows = [{"prompt": fact.question, "answer": fact.value} for fact in facts()[:20]]
    data, run = write_table(tmp_path / "table.jsonl", rows), tmp_path / "run"
    searching = f"search:results=1,searches=2,documents={documents}"
    small = ["--max-tokens", "38", "--threads", "1"]
    line = ["train", "table", "--model", base, "--data", data, "--verifier", "f1", "--environment", searching]
    line += ["--method", "grpo", "--method", "r1_searcher:stage=2", "--steps", "1", "--groups", "2"]
    line += ["--group-size", "8", "--lr", "1e-3", "--matmul", "highest", "--out", run, *small]
    assert main([str(each) for each in line]) == 0
    task = json.loads((run / "recipe.json").read_text())["task"]
    assert task["part"] == "WithEnvironment"
    assert task["environment"]["documents"]["path"] == str(documents)
    assert "searches" in RunDirectory.open(run).metrics()[0]
    other = write_table(tmp_path / "other.jsonl", rows[5:9])
    unlike_the_run = ["--verifier", "f1", "--environment", searching]
    for where, flags in ((run, ["--data", other]), (base, ["--data", other, *unlike_the_run])):
        asked = ["eval", where, "--n", "2", "--k", "1,2", "--problems", "2", "--out", tmp_path / "evals"]
        assert main([str(each) for each in (*asked, *flags, *small)]) == 0
    found = [Evaluation.load(file) for file in (tmp_path / "evals" / "evals").glob("*.json")]
    assert len(found) == 2
    assert all(each.sampled_by["environment"] == task["environment"] for each in found)
    documents.write_text('{"text": "something else"}\n')
    assert main(["eval", str(run), "--n", "2", "--k", "1", "--out", str(tmp_path / "late"), *small]) == 2
