"""Rollouts by vLLM, over a stand-in for the package: what is asked, what is recorded, and which weights answer."""

import importlib.util
import json
import math
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from forage.core.errors import ForageError
from forage.core.protocols import Sampler
from forage.core.records import Completion, SampleRequest, SamplingParams
from forage.engines.local.adapters import Lora, add_adapter
from forage.engines.local.engine import LocalEngine
from forage.engines.local.model import LocalModel
from forage.engines.vllm.engine import Engine
from forage.engines.vllm.offline import open_offline
from forage.engines.vllm.opening import open_sampler
from forage.engines.vllm.sampler import VllmSampler, sibling_seed
from forage.engines.vllm.server import ServerEngine
from forage.engines.vllm.settings import Vllm, parse_sampler
from forage.engines.vllm.sync_weights import sync_weights
from forage.methods import entropy_advantage, grpo
from forage.store.run_directory import RunDirectory
from forage.training.loop import train
from support import vllm_double
from training.test_loop import final_weights, small

REQUESTS = [SampleRequest((5, 6, 7), 3, seed=11), SampleRequest((5, 6, 7, 9), 2, seed=12, limit=2)]
PARAMS = SamplingParams(temperature=0.9, max_tokens=6)


@pytest.fixture(autouse=True)
def _weights_in_a_folder_of_the_test(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Samplers that a test does not close leave their weights there."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path_factory.mktemp("weights")))


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[vllm_double.LLM]:
    return vllm_double.install(monkeypatch)


@pytest.fixture
def model(tiny_base: Path) -> LocalModel:
    return LocalModel.load(tiny_base)


def sampler_of(model: LocalModel, version: list[int], **settings: Any) -> VllmSampler:
    def start(folder: Path) -> Any:
        return open_offline(folder, dtype="float32", memory=0.3, trust=False)

    return VllmSampler(
        start,
        save=lambda folder: sync_weights(model, folder),
        version=lambda: version[0],
        config=model.config,
        stop_ids=(1,),
        **settings,
    )


def completions(sampler: Sampler) -> dict[int, tuple[Completion, ...]]:
    return dict(sampler.sample(REQUESTS, PARAMS))


def bits(found: dict[int, tuple[Completion, ...]]) -> dict[int, Any]:
    """What can be compared: NaN is not equal to itself."""
    return {number: [(c.tokens, c.logprobs, c.stop) for c in some] for number, some in found.items()}


# -------------------------------------------------------------------------------------------------- beside the trainer


def test_every_sibling_is_asked_for_with_its_own_seed(model: LocalModel, made: list[vllm_double.LLM]) -> None:
    found = completions(sampler_of(model, [0]))
    asked = made[0].llm_engine.asked
    assert [tokens for _, tokens, _ in asked] == [[5, 6, 7]] * 3 + [[5, 6, 7, 9]] * 2
    assert [wish.seed for *_, wish in asked] == [sibling_seed(11, j) for j in range(3)] + [
        sibling_seed(12, j) for j in range(2)
    ]
    assert len({wish.seed for *_, wish in asked}) == 5
    assert all(0 <= wish.seed < 2**63 for *_, wish in asked)
    assert [wish.max_tokens for *_, wish in asked] == [6, 6, 6, 2, 2]
    for *_, wish in asked:
        assert (wish.temperature, wish.top_p, wish.top_k, wish.logprobs) == (0.9, 1.0, 0, 0)
        assert wish.stop_token_ids == [1]
    assert made[0].settings["enable_prefix_caching"] is True
    assert made[0].settings["logprobs_mode"] == "processed_logprobs"
    assert sorted(found) == [0, 1]
    for request, index in ((REQUESTS[0], 0), (REQUESTS[1], 1)):
        assert len(found[index]) == request.group_size
        for sibling, completion in enumerate(found[index]):
            wish = next(w for _, tokens, w in asked if w.seed == sibling_seed(request.seed, sibling))
            expected = vllm_double.draw(model, list(request.tokens), wish)
            assert completion.tokens == tuple(expected.token_ids)
            assert completion.logprobs == tuple(
                p[t].logprob for t, p in zip(completion.tokens, expected.logprobs or (), strict=False)
            )
            assert all(math.isnan(entropy) for entropy in completion.entropies)
            assert completion.stop == ("eos" if expected.finish_reason == "stop" else "length")


def test_a_request_draws_the_same_whatever_is_beside_it(model: LocalModel, made: list[vllm_double.LLM]) -> None:
    sampler = sampler_of(model, [0])
    together = completions(sampler)
    ((_, alone),) = sampler.sample(REQUESTS[1:], PARAMS)
    assert bits({1: alone}) == bits({1: together[1]})


def test_weights_are_handed_over_when_they_changed_and_only_then(
    model: LocalModel, made: list[vllm_double.LLM], tmp_path: Path
) -> None:
    version = [0]
    sampler = sampler_of(model, version, handover=str(tmp_path))
    before = completions(sampler)
    assert bits(completions(sampler)) == bits(before)
    (llm,) = made
    assert len(llm.loaded) == 1
    with torch.no_grad():
        for parameter in model.module.parameters():
            parameter.mul_(1.5)
    version[0] = 1
    after = completions(sampler)
    assert bits(after) != bits(before)
    assert len(llm.loaded) == 2
    assert llm.forgotten == 1
    theirs, tokens = llm.llm_engine.model, torch.tensor([[5, 6, 7, 9]])
    assert torch.equal(theirs.head.logits(theirs.hidden(tokens)), model.head.logits(model.hidden(tokens)))
    assert list(tmp_path.iterdir()) == [Path(llm.loaded[1])]  # the old folder is gone
    sampler.close()
    assert llm.llm_engine.engine_core.closed
    assert not list(tmp_path.iterdir())


def test_weights_handed_over_in_vain_are_removed(model: LocalModel, tmp_path: Path) -> None:
    def refuse(folder: Path) -> Engine:
        assert (folder / "model.safetensors").exists()
        raise ForageError("No server.")

    sampler = VllmSampler(
        refuse,
        save=lambda folder: sync_weights(model, folder),
        version=lambda: 0,
        config=model.config,
        handover=str(tmp_path),
    )
    with pytest.raises(ForageError, match="No server"):
        completions(sampler)
    sampler.close()
    assert not list(tmp_path.iterdir())


def test_an_adapter_is_handed_over_inside_the_weights(
    model: LocalModel, made: list[vllm_double.LLM], tmp_path: Path
) -> None:
    add_adapter(model.module, Lora(rank=2), base="somewhere")
    with torch.no_grad():
        for parameter in model.module.parameters():
            if parameter.requires_grad:
                parameter.add_(0.2)
    tokens = torch.tensor([[5, 6, 7, 9]])
    expected = model.head.logits(model.hidden(tokens))
    completions(sampler_of(model, [0]))
    theirs = made[0].llm_engine.model
    torch.testing.assert_close(theirs.head.logits(theirs.hidden(tokens)), expected, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(model.head.logits(model.hidden(tokens)), expected, rtol=0, atol=0)


@pytest.mark.parametrize("family", ["llama", "gpt2", "gemma2", "gemma3"])
@pytest.mark.parametrize("tied", [True, False])
def test_what_is_handed_over_computes_the_same_and_ties_nothing(
    family: str, tied: bool, module_of: Any, tokenizer: Any, tmp_path: Path
) -> None:
    module = module_of(family)
    if tied:
        module.config.tie_word_embeddings = True
        module.tie_weights()
        module.config.eos_token_id = 3
    elif module.get_output_embeddings().weight is module.get_input_embeddings().weight:
        pytest.skip("tied by itself")
    model = LocalModel(module, tokenizer)
    shared = module.get_output_embeddings().weight is module.get_input_embeddings().weight
    assert shared == tied
    sync_weights(model, tmp_path / "given")
    tensors = load_file(tmp_path / "given" / "model.safetensors")
    assert sum(tensor.shape == model.head.weight.shape for tensor in tensors.values()) >= 2
    assert json.loads((tmp_path / "given" / "config.json").read_text())["tie_word_embeddings"] is False
    given, tokens = LocalModel.load(tmp_path / "given"), torch.tensor([[5, 6, 7, 9]])
    assert torch.equal(given.head.logits(given.hidden(tokens)), model.head.logits(model.hidden(tokens)))
    assert module.config.tie_word_embeddings == tied
    assert (module.get_output_embeddings().weight is module.get_input_embeddings().weight) == tied


def test_log_probabilities_that_vllm_cannot_tell_are_nan(model: LocalModel, made: list[vllm_double.LLM]) -> None:
    sampler = sampler_of(model, [0])
    completions(sampler)

    def spoil(output: vllm_double.CompletionOutput) -> None:
        assert output.logprobs
        output.logprobs[0] = {}
        output.logprobs[-1][output.token_ids[-1]].logprob = -math.inf if len(output.token_ids) > 1 else math.nan

    made[0].llm_engine.spoil = spoil
    for some in completions(sampler).values():
        for completion in some:
            known = [math.isfinite(p) for p in completion.logprobs]
            assert not known[0]
            assert not known[-1]
            assert all(known[1:-1])
            assert not any(math.isinf(p) for p in completion.logprobs)


def test_a_stop_text_cuts_behind_the_token_that_completed_it(model: LocalModel, made: list[vllm_double.LLM]) -> None:
    found = completions(sampler_of(model, [0], stops=("x",), ends=lambda tokens: len(tokens) == 2))
    assert all(len(c.tokens) <= 2 for some in found.values() for c in some)
    assert all(c.stop == "eos" for some in found.values() for c in some if len(c.tokens) == 2)
    wish = made[0].llm_engine.asked[0][2]
    assert (wish.stop, wish.include_stop_str_in_output, wish.detokenize) == (["x"], True, True)


def test_leaving_early_gives_up_what_is_under_way(model: LocalModel, made: list[vllm_double.LLM]) -> None:
    work = sampler_of(model, [0]).sample(REQUESTS, PARAMS)
    next(work)
    work.close()  # pyright: ignore[reportAttributeAccessIssue]
    engine = made[0].llm_engine
    assert sorted(engine.aborted) == sorted(name for name, *_ in engine.waiting)
    assert engine.aborted


def test_what_cannot_be_served_is_a_sentence(model: LocalModel, made: list[vllm_double.LLM]) -> None:
    sampler = sampler_of(model, [0])
    with pytest.raises(ForageError, match="do not fit"):
        sampler.sample([SampleRequest((5,) * 600, 1, seed=1)], PARAMS)
    with pytest.raises(ForageError, match="vocabulary"):
        sampler.sample([SampleRequest((10**6,), 1, seed=1)], PARAMS)
    completions(sampler)

    def give_up(output: vllm_double.CompletionOutput) -> None:
        output.finish_reason = "abort"

    made[0].llm_engine.spoil = give_up
    with pytest.raises(ForageError, match="gave a completion up"):
        completions(sampler)


@pytest.mark.skipif(importlib.util.find_spec("vllm") is not None, reason="vllm is installed")
def test_without_vllm_a_run_is_refused_before_it_begins(tiny_base: Path, tmp_path: Path) -> None:
    with pytest.raises(ForageError, match=r"forage-rl\[vllm\]"):
        train(small(tiny_base, grpo(), sampler="vllm"), out=tmp_path / "run")
    assert not (tmp_path / "run").exists()
    with pytest.raises(ForageError, match=r"forage-rl\[vllm\]"):
        open_offline(tiny_base, dtype="float32", memory=0.3, trust=False)


def test_samplers_as_people_type_them() -> None:
    assert parse_sampler("local") is None
    assert parse_sampler("vllm:cap=2") == Vllm(cap=2.0)
    assert parse_sampler("vllm:server=http://localhost:8000") == Vllm(server="http://localhost:8000")
    for text, said in (("vlm", "no sampler"), ("vllm:server=here", "http://"), ("vllm:cap=0.5", "1 or more")):
        with pytest.raises(ForageError, match=said):
            parse_sampler(text)


# ---------------------------------------------------------------------------------------------------------- whole runs


def metrics(path: Path) -> list[dict[str, float]]:
    return [dict(row) for row in RunDirectory.open(path).metrics()]


def test_training_through_the_stand_in_learns_from_the_newest_weights(
    tiny_base: Path, made: list[vllm_double.LLM], tmp_path: Path
) -> None:
    """Its model is loaded from the folder that was handed over, so stale weights would show in the mismatch."""
    out = tmp_path / "run"
    train(small(tiny_base, grpo(), entropy_advantage(), sampler="vllm", steps=3, lr=1e-2, groups=2), out=out)
    (llm,) = made
    assert len(llm.loaded) == 3
    assert llm.llm_engine.engine_core.closed
    for row in metrics(out):
        assert row["mismatch"] < 1e-5
        assert row["mismatch_max"] < 1e-4
        assert row["mismatch_unknown"] == 0
        assert abs(row["mismatch_kl"]) < 1e-8
        assert 0 < row["entropy"] < 5
        assert "mismatch_weight" not in row
    saved = RunDirectory.open(out)
    assert all(math.isfinite(h) for row in saved.rollouts(saved.rollout_steps()[-1]) for h in row["entropies"])


def test_without_handed_over_weights_the_mismatch_shows_it(
    tiny_base: Path, made: list[vllm_double.LLM], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vllm_double.LLM, "collective_rpc", lambda *_, **__: [None])
    train(small(tiny_base, grpo(), sampler="vllm", steps=2, lr=1e-2, groups=2), out=tmp_path / "run")
    first, second = metrics(tmp_path / "run")
    assert first["mismatch"] < 1e-5
    assert second["mismatch"] > 1e-3


def test_the_sampler_of_a_run_is_written_down(tiny_base: Path, made: list[vllm_double.LLM], tmp_path: Path) -> None:
    train(small(tiny_base, grpo(), sampler="vllm:cap=2", steps=1, groups=2), out=tmp_path / "run")
    recipe = json.loads((tmp_path / "run" / "recipe.json").read_text())
    assert recipe["sampler"]["cap"] == 2.0
    assert final_weights(tmp_path / "run")


def test_the_local_sampler_stays_what_it_was(tiny_base: Path) -> None:
    opened = LocalEngine(threads=1, matmul="highest").open(str(tiny_base))
    with open_sampler(None, opened, LocalEngine()) as (policy, sampler):
        assert policy is opened.policy
        assert sampler is opened.sampler


# ------------------------------------------------------------------------------------------------------------- servers


class Handler(BaseHTTPRequestHandler):
    """The four endpoints that are used, over our own model."""

    server: "Server"  # pyright: ignore[reportIncompatibleVariableOverride]  (what it is served by)

    def do_GET(self) -> None:
        self.output({"data": [{"id": "policy"}]} if self.path == "/v1/models" else None)

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.heard.append((self.path, body))
        if self.path == "/v1/completions":
            self.output(self.server.complete(body))
        elif self.server.development and self.path == "/collective_rpc":
            self.server.model = LocalModel.load(Path(body["kwargs"]["weights_path"]))
            self.output({"results": [None]})
        elif self.server.development and self.path == "/reset_prefix_cache":
            self.output({"success": True})
        else:
            self.send_error(404)

    def output(self, said: Any) -> None:
        data = json.dumps(said).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:
        pass


class Server(ThreadingHTTPServer):
    development = True
    model: LocalModel

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.heard: list[tuple[str, Any]] = []
        self._one_at_a_time = threading.Lock()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def complete(self, body: dict[str, Any]) -> dict[str, Any]:
        with self._one_at_a_time:
            made = vllm_double.draw(self.model, body["prompt"], vllm_double.Wish(**body))
        logprobs = [place[token].logprob for token, place in zip(made.token_ids, made.logprobs or (), strict=True)]
        choice = {"token_ids": made.token_ids, "finish_reason": made.finish_reason}
        return {"choices": [{**choice, "logprobs": {"token_logprobs": [None, *logprobs[1:]]}}]}


@pytest.fixture
def server() -> Iterator[Server]:
    running = Server()
    threading.Thread(target=running.serve_forever, daemon=True).start()
    yield running
    running.shutdown()
    running.server_close()


def test_a_server_gives_what_the_engine_beside_gives(
    model: LocalModel, made: list[vllm_double.LLM], server: Server
) -> None:
    beside = completions(sampler_of(model, [0]))
    opened = LocalEngine(threads=1, matmul="highest").open(str(model.module.name_or_path))
    with open_sampler(Vllm(server=server.address), opened, LocalEngine()) as (_, sampler):
        found = completions(sampler)
    assert [path for path, _ in server.heard[:2]] == ["/collective_rpc", "/reset_prefix_cache"]
    asked = [body for path, body in server.heard if path == "/v1/completions"]
    assert all(body["return_token_ids"] and body["model"] == "policy" for body in asked)
    for number, some in beside.items():
        for one, other in zip(some, found[number], strict=True):
            assert one.tokens == other.tokens
            assert one.logprobs[1:] == other.logprobs[1:]
            assert math.isnan(other.logprobs[0])  # the server said null
            assert one.stop == other.stop


def test_what_a_server_cannot_do_is_a_sentence(model: LocalModel, server: Server, tmp_path: Path) -> None:
    server.development = False
    engine = ServerEngine(server.address)
    with pytest.raises(ForageError, match="VLLM_SERVER_DEV_MODE=1"):
        engine.load(tmp_path)
    with pytest.raises(ForageError, match=r"No vLLM server answers at http://127\.0\.0\.1:9/v1/models"):
        ServerEngine("http://127.0.0.1:9")
