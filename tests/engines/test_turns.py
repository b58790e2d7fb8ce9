"""Turns under a real sampler: what is asked, what is written, and that every beginning can be gone on with."""

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from forage.core.batch import Experience, TrainBatch
from forage.core.collate import collate
from forage.core.records import Completion, Group, Problem, Rollout, SampleRequest, SamplingParams, Score, Start
from forage.core.spans import behind, cut, own, steps_around
from forage.engines.local.engine import Opened
from forage.engines.optimization import Optimization
from forage.engines.turns import TurnReader, TurnSampler, in_turns, with_turn_ends
from forage.parts.losses.policy_loss import PolicyLoss
from forage.parts.losses.reduction import TokenMean
from forage.parts.losses.surrogate import Reinforce
from forage.parts.values import Metered
from support.turn_worlds import ENGINE, Guide, Guided, opened_for
from support.worlds import EASY, blank_model

PROBLEM = Problem(id="p", prompt="go one", answer="", task="world")
PARAMS = SamplingParams(max_tokens=24)
GUIDE = Guide()


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return blank_model(tmp_path_factory.mktemp("blank") / "model")


@pytest.fixture(scope="module")
def opened(model: Path) -> Opened:
    return opened_for(model, GUIDE)


def request(opened: Opened, begun: tuple[int, ...] = (), *, seed: int = 0, size: int = 24) -> SampleRequest:
    tokens = opened.codec.prompt(PROBLEM) + begun
    limit = PARAMS.max_tokens - len(begun)
    return SampleRequest(tokens, size, seed, limit, problem=PROBLEM, begun=len(begun))


def sampler(opened: Opened, guide: Guide = GUIDE) -> tuple[TurnSampler, TurnReader]:
    reader = TurnReader(guide, opened.codec, opened.policy.model.stop_ids, guide.turn_ends)
    return TurnSampler(opened.sampler, reader), reader


def draw(opened: Opened, *requests: SampleRequest, guide: Guide = GUIDE) -> list[tuple[Completion, ...]]:
    return [completions for _, completions in sorted(sampler(opened, guide)[0].sample(requests, PARAMS))]


def test_every_turn_is_answered_and_every_reply_is_told_apart(opened: Opened) -> None:
    (completions,) = draw(opened, request(opened))
    said, (end,) = opened.codec.encode(GUIDE.says), opened.codec.encode("north")
    replies = 0
    for completion in completions:
        asked = [place for place, token in enumerate(completion.tokens) if token == end]
        over = completion.stop == "length" and completion.tokens[-1] == end
        assert [first for first, _ in completion.given] == [place + 1 for place in (asked[:-1] if over else asked)]
        for first, last in completion.given:
            assert completion.tokens[first:last] == said
            assert all(map(math.isnan, completion.logprobs[first:last] + completion.entropies[first:last]))
        assert all(math.isfinite(value) for value in own(completion.logprobs, completion.given))
        assert completion.written == len(completion.tokens) - 2 * len(completion.given)
        assert len(completion.tokens) <= PARAMS.max_tokens
        replies += len(completion.given)
    assert replies > 24, "the world is one in which there is something to see"


def test_the_policy_reads_the_replies(opened: Opened) -> None:
    """The recorded log-probabilities are those of one pass over the whole text, replies included."""
    (completions,) = draw(opened, request(opened))
    start = Start(PROBLEM)
    rollouts = tuple(
        Rollout(start, c.tokens, c.logprobs, c.entropies, "", _ends(c), c.stop, 0, c.given) for c in completions
    )
    batch = collate([Group(start, rollouts, (Score(0.0),) * len(rollouts))], opened.codec.prompt)
    measured = opened.policy.measure(batch)
    difference = (measured.logprob - batch.behaviour)[batch.loss_mask].abs().max()
    assert difference < 1e-5
    assert int(batch.loss_mask.sum()) == sum(completion.written for completion in completions)


def test_an_update_is_that_of_the_policys_tokens_alone(model: Path, opened: Opened) -> None:
    """The gradient of - sum A log pi over the drawn tokens, over their number, by plain autograd on whole texts."""
    (completions,) = draw(opened, request(opened, size=6))
    start = Start(PROBLEM)
    rollouts = tuple(
        Rollout(start, c.tokens, c.logprobs, c.entropies, "", _ends(c), c.stop, 0, c.given) for c in completions
    )
    batch = collate([Group(start, rollouts, (Score(0.0),) * len(rollouts))], opened.codec.prompt)
    advantage = torch.where(batch.loss_mask, torch.arange(6.0)[:, None] - 2, 0.0)
    learner = ENGINE.open(str(model), optimization=Optimization(mini_batches=1, grad_clip=1e9)).policy
    module = learner.model.module
    logprob = module(batch.tokens).logits[:, :-1].log_softmax(-1).gather(-1, batch.tokens[:, 1:, None])[..., 0]
    mine = batch.loss_mask[:, 1:]
    assert int(mine.sum()) == sum(completion.written for completion in completions) < int((batch.step >= -1).sum())
    loss = -(logprob * advantage[:, 1:])[mine].sum() / mine.sum()
    wanted = torch.autograd.grad(loss, list(module.parameters()))
    loss_part = PolicyLoss(surrogate=Reinforce(), reduction=TokenMean())
    learner.improve(TrainBatch(Experience(batch, {}), advantage), loss_part, seed=0)
    for parameter, gradient in zip(module.parameters(), wanted, strict=True):
        torch.testing.assert_close(parameter.grad, gradient, rtol=1e-4, atol=1e-6)


def _ends(completion: Completion) -> tuple[int, ...]:
    return steps_around((len(completion.tokens),), completion.given)


def test_without_a_reply_everything_is_as_it_was_bit_for_bit(opened: Opened, model: Path) -> None:
    silent, requests = Guide(times=0), [request(opened), request(opened, seed=5, size=3)]
    answered = list(sampler(opened, silent)[0].sample(requests, PARAMS))
    assert answered == list(opened.sampler.sample(requests, PARAMS))
    plain = ENGINE.open(str(model))  # and where nothing ends a turn, as if there were no turns
    never = Guide(ends=("south south south south south",), times=0)
    assert list(sampler(plain, never)[0].sample(requests, PARAMS)) == list(plain.sampler.sample(requests, PARAMS))


def test_tokens_alone_tell_who_wrote_them_and_where_a_beginning_stands(opened: Opened) -> None:
    _, reader = sampler(opened)
    (completions,) = draw(opened, request(opened))
    said = opened.codec.encode(GUIDE.says)
    for completion in completions:
        for end in range(len(completion.tokens)):
            read = reader.read(PROBLEM, completion.tokens[:end])
            assert read.given == cut(completion.given, end)
            rest = [said[end - first :] for first, last in completion.given if first <= end < last]
            assert read.pending == (rest[0] if rest else ())
        assert reader.given(PROBLEM, completion.tokens) == completion.given


def test_any_beginning_can_be_gone_on_with(opened: Opened) -> None:
    """In the middle of a turn, at its end and in the middle of a reply: what is owed is said, and then sampled."""
    _, reader = sampler(opened)
    whole = next(each for each in draw(opened, request(opened))[0] if len(each.given) > 1)
    beginnings = [whole.tokens[:end] for end in range(len(whole.tokens) - 3)]
    drawn = draw(opened, *(request(opened, begun, size=4) for begun in beginnings))
    for begun, completions in zip(beginnings, drawn, strict=True):
        for completion in completions:
            together = behind(reader.given(PROBLEM, begun), len(begun), completion.given)
            assert together == reader.given(PROBLEM, begun + completion.tokens)
            assert len(begun) + len(completion.tokens) <= PARAMS.max_tokens
    owed = next(
        place for place, begun in enumerate(beginnings) if begun and begun[-1] == whole.tokens[whole.given[0][0]]
    )
    assert all(completion.given[0][0] == 0 for completion in drawn[owed]), "the rest of a reply comes first"


def test_a_sibling_does_not_depend_on_what_else_is_sampled(opened: Opened) -> None:
    alone, other = request(opened, size=3), request(opened, seed=9, size=5)
    assert [each.tokens for each in draw(opened, alone)[0]] == [each.tokens for each in draw(opened, other, alone)[1]]
    assert draw(opened, alone) == draw(opened, alone)
    later = [each.tokens[each.given[0][1] :] for each in draw(opened, request(opened))[0] if each.given]
    assert len(set(later)) > len(later) // 2, "siblings differ behind their replies too"


def test_a_reply_without_room_and_a_turn_too_many_cut_the_response_off(opened: Opened) -> None:
    long = Guide(says=" ".join(["three"] * 30))
    (completions,) = draw(opened, request(opened), guide=long)
    assert all(not completion.given for completion in completions)
    stopped = [each for each in completions if opened.codec.decode(each.tokens).endswith("north")]
    assert stopped
    assert all(each.stop == "length" for each in stopped)
    (completions,) = draw(opened, request(opened), guide=Guide(limit=2))
    assert max(len(completion.given) for completion in completions) == 1
    cut_off = [each for each in completions if opened.codec.decode(each.tokens).count("north") == 2]
    assert cut_off
    assert all(each.stop == "length" for each in cut_off)


def test_a_start_that_leaves_its_reply_no_room_is_gone_on_with_by_one_token(opened: Opened) -> None:
    begun = opened.codec.encode(" ".join(["three"] * (PARAMS.max_tokens - 3) + ["north"]))
    (completions,) = draw(opened, request(opened, begun))
    assert all(len(completion.tokens) == 1 and not completion.given for completion in completions)


def test_a_turn_may_end_across_the_border_of_a_beginning(model: Path) -> None:
    guide = Guide(ends=("north south",))
    opened = opened_for(model, guide)
    (completions,) = draw(opened, request(opened, opened.codec.encode("one north"), size=64), guide=guide)
    (south,) = opened.codec.encode("south")
    at_once = [completion for completion in completions if completion.tokens[0] == south]
    assert at_once, "the sampler sees no end here: it knows what it draws alone"
    assert all(completion.given[0][0] == 1 for completion in at_once)
    assert not any(completion.given and completion.given[0][0] == 0 for completion in completions)


def test_only_the_policys_tokens_are_counted(opened: Opened) -> None:
    turns, _ = sampler(opened)
    meter = Metered(turns)
    ((_, completions),) = meter.sample([request(opened)], PARAMS)
    assert meter.take() == sum(completion.written for completion in completions)


def test_a_request_must_name_its_problem(opened: Opened) -> None:
    turns, _ = sampler(opened)
    with pytest.raises(ValueError, match="names none"):
        next(turns.sample([replace(request(opened), problem=None)], PARAMS))


def test_without_an_environment_the_engine_and_the_sampler_stay(opened: Opened) -> None:
    task = Guided(worth=EASY.worth, environment=GUIDE)
    assert with_turn_ends(replace(ENGINE, stops=("go",)), task).stops == ("go", "north")
    assert with_turn_ends(ENGINE, EASY) is ENGINE
    assert in_turns(opened.sampler, opened, ENGINE, EASY)[0] is opened.sampler
    assert isinstance(in_turns(opened.sampler, opened, ENGINE, task)[0], TurnSampler)
