"""slime's hooks on its own contract: signatures, the fields of a sample and the dictionaries, as recorded from it."""

import asyncio
import copy
import inspect
import json
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch

from forage.adapters import slime
from forage.core.errors import ForageError
from forage.parts.credit.baseline.pass_at_k import PassAtK

CONTRACT = json.loads((Path(__file__).parent / "contracts" / "slime.json").read_text())
ARGS = SimpleNamespace(forage_methods="entropy_advantage:alpha=0.4")
REWARDS = "forage.adapters.slime.rewards"


def rollout_data(**changes: Any) -> dict[str, Any]:
    plain = {
        "rewards": [1.0, -2.0],
        "loss_masks": [torch.tensor([1, 1, 1]), torch.tensor([1, 0])],
        "response_lengths": [3, 2],
        "entropy": [torch.tensor([0.5, 3.0, 0.0]), torch.tensor([1.0, 9.0])],
        "log_probs": [torch.zeros(3), torch.zeros(2)],
    }
    return {**plain, **changes}


class Sample(SimpleNamespace):
    """The recorded fields, and slime's way to extend a response: mask and log-probabilities keep its length."""

    def append_response_tokens(
        self, args: Any = None, *, tokens: list[int], log_probs: Any, trainable: bool, meta_info: Any, text: str
    ) -> None:
        self.tokens = [*self.tokens, *tokens]
        self.loss_mask = [*(self.loss_mask or [1] * self.response_length), *([int(trainable)] * len(tokens))]
        self.response_length += len(tokens)
        self.rollout_log_probs = [*(self.rollout_log_probs or []), *log_probs]
        self.response = f"{self.response}{text}"


def sample(group: int | None, reward: Any, *, text: str = "so 2", status: str = "completed", **changes: Any) -> Any:
    assert status in CONTRACT["status"]
    assert set(changes) <= set(CONTRACT["sample"])
    given = {"group_index": group, "reward": reward, "tokens": [5, 6, 7], "response": text, "response_length": 2}
    return Sample(**copy.deepcopy(CONTRACT["sample"]) | given | {"status": SimpleNamespace(value=status)} | changes)


@pytest.mark.parametrize(
    ("hook", "name"),
    [("rewards", "custom_reward_post_process"), ("generate", "custom_generate"), ("advantage", "custom_advantage")],
)
def test_hooks_have_the_parameters_that_slime_passes(hook: str, name: str) -> None:
    wanted = CONTRACT["hooks"][name]
    assert list(inspect.signature(getattr(slime, hook)).parameters)[: len(wanted)] == wanted


def test_slime_gets_shaped_advantages_and_plain_returns() -> None:
    """1 + min(0.4 H, 1/2) and -2 + min(0.4 H, 1); the masked token has none."""
    data = rollout_data()
    assert set(data) <= set(CONTRACT["rollout_data"])
    with pytest.warns(UserWarning, match="does not see the updates"):
        slime.advantage(ARGS, data)
    assert data["advantages"][0].tolist() == pytest.approx([1.2, 1.5, 1.0])
    assert data["advantages"][1].tolist() == pytest.approx([-1.6, 0.0])
    assert [row.tolist() for row in data["returns"]] == [[1.0, 1.0, 1.0], [-2.0, 0.0]]


@pytest.mark.filterwarnings("ignore:.*does not see")
@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"entropy": None}, "computed none"),
        ({"entropy": [torch.zeros(3), torch.zeros(1)]}, "entropy does not have one entry"),
        ({"loss_masks": [torch.ones(2), torch.ones(2)]}, "loss_masks does not have one entry"),
    ],
)
def test_slime_without_what_is_needed(change: dict[str, Any], says: str) -> None:
    with pytest.raises(ForageError, match=says):
        slime.advantage(ARGS, rollout_data(**change))


def test_slime_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ForageError, match="no rewards"):
        slime.advantage(ARGS, {"loss_masks": [], "response_lengths": []})
    monkeypatch.delenv("FORAGE_METHODS", raising=False)
    with pytest.raises(ForageError, match="Which methods"):
        slime.advantage(SimpleNamespace(), rollout_data())
    with pytest.raises(ForageError, match=f"too late. Add --custom-reward-post-process-path {REWARDS}"):
        slime.advantage(SimpleNamespace(forage_methods="passk:k=2"), rollout_data())


def test_a_baseline_is_settled_by_the_reward_hook_and_not_twice() -> None:
    """Siblings need not stand together; a sample without a reward gets 0 and its siblings do not see it."""
    args = SimpleNamespace(forage_methods="passk:k=2,scale=false", custom_reward_post_process_path=REWARDS)
    samples = [sample(7, 1.0), sample(3, 0.0), sample(7, 0.0), sample(7, 0.0), sample(3, 1.0), sample(3, 0.0)]
    samples.append(sample(7, None, status="aborted", response_length=0))
    raw, credits = slime.rewards(args, samples)
    assert raw == [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0]
    wanted = PassAtK(k=2)(torch.tensor([1.0, 0.0, 0.0]).double(), torch.zeros(3, dtype=torch.int64)).tolist()
    assert wanted[0] > 0 > wanted[1]
    assert credits == pytest.approx([wanted[0], wanted[1], wanted[1], wanted[1], wanted[0], wanted[1], 0.0])
    data = rollout_data(rewards=credits[:2])
    slime.advantage(args, data)
    assert data["advantages"][0].tolist() == pytest.approx([wanted[0]] * 3)


@pytest.mark.parametrize(("scaled", "wanted"), [(True, [1.5, -0.5, -0.5, -0.5]), (False, [0.75, -0.25, -0.25, -0.25])])
def test_methods_that_keep_the_estimator_keep_that_of_slime(scaled: bool, wanted: list[float]) -> None:
    """One right of four: 3/4 above the mean, over a sample deviation of 1/2."""
    args = SimpleNamespace(forage_methods="entropy_advantage", grpo_std_normalization=scaled, reward_key="acc")
    _, credits = slime.rewards(args, [sample(0, {"acc": value}) for value in (1.0, 0.0, 0.0, 0.0)])
    assert credits == pytest.approx(wanted, rel=1e-5)


def first_word(one: Any) -> str:
    return one.response.split()[0]


def test_rarer_modes_are_worth_more_before_the_mean_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three right ones, two of them alike: 1/2, 1/2 and 1 by inverse counts, scaled to the group's size of 3 by ips."""
    monkeypatch.setattr(slime, "load_function", {"mine:first_word": first_word}.__getitem__)
    texts = ("add 2", "add 3", "count 2", "guess")
    args = SimpleNamespace(forage_methods="mode_diversity", forage_mode="mine:first_word", grpo_std_normalization=False)
    rewards = (1.0, 1.0, 1.0, 0.0)
    _, credits = slime.rewards(args, [sample(0, r, text=text) for r, text in zip(rewards, texts, strict=True)])
    assert credits[0] == pytest.approx(credits[1])
    assert credits[2] > credits[0] > credits[3]
    assert sum(credits) == pytest.approx(0.0)


class Tokenizer:
    def encode(self, text: str, add_special_tokens: bool) -> list[int]:
        assert not add_special_tokens
        return [ord(letter) for letter in text]

    def decode(self, tokens: list[int]) -> str:
        return "".join(map(chr, tokens))


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> list[list[int]]:
    """slime's own generation in its order: it reads the tokens that are there, and extends the response."""
    asked: list[list[int]] = []

    async def generate(args: Any, one: Any, sampling_params: dict[str, Any]) -> Any:
        one.tokens = one.tokens or [ord(letter) for letter in one.prompt]
        asked.append(list(one.tokens))
        one.append_response_tokens(args, tokens=[1, 2], log_probs=[-0.1, -0.2], trainable=True, meta_info={}, text="!?")
        return one

    module = ModuleType("slime.rollout.sglang_rollout")
    module.generate, module.GenerateState = generate, lambda args: SimpleNamespace(tokenizer=Tokenizer())  # pyright: ignore[reportAttributeAccessIssue]
    rollout = ModuleType("slime.rollout")
    rollout.sglang_rollout = module  # pyright: ignore[reportAttributeAccessIssue]
    for name, one in {"slime": ModuleType("slime"), "slime.rollout": rollout}.items():
        monkeypatch.setitem(sys.modules, name, one)
    monkeypatch.setitem(sys.modules, "slime.rollout.sglang_rollout", module)
    return asked


def fresh(**changes: Any) -> Any:
    return sample(0, None, text="", status="pending", tokens=[], response_length=0, prompt="hi", **changes)


@pytest.mark.parametrize("prefix", ["so", [115, 111]], ids=["text", "tokens"])
def test_restarts_continue_a_prefix_that_is_never_learned(engine: list[list[int]], prefix: Any) -> None:
    one = asyncio.run(slime.generate(ARGS, fresh(metadata={"prefix": prefix}), {"max_new_tokens": 8}))
    assert engine == [[104, 105, 115, 111]]
    assert one.response == "so!?"
    assert one.loss_mask == [0, 0, 1, 1]
    assert one.rollout_log_probs == [0.0, 0.0, -0.1, -0.2]
    assert one.response_length == len(one.loss_mask) == 4


def test_siblings_of_different_starts_are_refused(engine: list[list[int]]) -> None:
    made = [asyncio.run(slime.generate(ARGS, fresh(metadata={"prefix": text}), {})) for text in ("so", "no")]
    for one in made:
        one.reward = 1.0
    with pytest.raises(ForageError, match="mixes starts"):
        slime.rewards(ARGS, made)


def test_evaluations_and_begun_responses_are_left_alone(engine: list[list[int]]) -> None:
    asyncio.run(slime.generate(ARGS, fresh(metadata={"prefix": "so"}), {}, evaluation=True))
    begun = sample(0, None, prompt="hi", text="ab", tokens=[104, 105, 1, 2], metadata={"prefix": "so"})
    asyncio.run(slime.generate(ARGS, begun, {}))
    assert engine == [[104, 105], [104, 105, 1, 2]]


def test_what_a_restart_cannot_do_is_said() -> None:
    with pytest.raises(ForageError, match="--apply-chat-template"):
        slime.begin(sample(0, None, prompt=[{"role": "user"}], metadata={"prefix": "so"}), Tokenizer())
    with pytest.raises(ForageError, match="newer"):
        slime.begin(SimpleNamespace(prompt="hi", metadata={"prefix": "so"}), Tokenizer())
