"""Retrospective replay on the chain of coins: what is kept, when, what comes back, and that off is off."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import pytest

from forage.core.errors import ForageError
from forage.core.protocols import Memory, Task
from forage.core.records import UNJUDGED, Group, Origin, Problem, SamplingParams, Score, Start
from forage.parts.memory import ReplaySchedule, RetrospectiveReplay, ShuffledProblems
from forage.parts.memory.first_solved import FirstSolved
from forage.parts.memory.restart_store import StoreLimits
from forage.parts.values import TaskOracle
from support.builders import problem, rollout
from support.coins import END, Coins

PROBLEMS = [problem(f"p{number}") for number in range(6)]
PARAMS = SamplingParams(max_tokens=10)
SCHEDULE = ReplaySchedule(last=20, collect_until=8, replay_from=5, share=0.5, ramp=2, fade=4)


@dataclass(frozen=True, kw_only=True)
class Tails(Task):
    """A response that says 00 gives its answer away."""

    name = "tails"

    def problems(self, split: Literal["train", "test"]) -> Sequence[Problem]:
        return PROBLEMS

    def verify(self, problem: Problem, text: str) -> Score:
        return Score(0.0)

    def answer(self, problem: Problem, text: str) -> str | None:
        return "0" if "00" in text else None

    def oracle(self, problem: Problem, text: str) -> float:
        return text.count("1") / 10


def config(**settings: Any) -> RetrospectiveReplay:
    defaults = {"schedule": SCHEDULE, "continuations": 4, "rescore_every": 0, "quantile": 0.0}
    return RetrospectiveReplay(**{**defaults, **settings})


def failed(start: Start, *responses: tuple[int, ...]) -> Group:
    """Every token a step; all wrong."""
    rollouts = tuple(rollout(start, tokens, steps=range(1, len(tokens) + 1)) for tokens in responses)
    return Group(start, rollouts, (Score(0.0, {"correct": 0.0}),) * len(responses))


def coins(heads: float = 1.0) -> Coins:
    return Coins(heads=heads, length=10)


def observe(memory: Memory, groups: Sequence[Group], step: int = 1, world: Coins | None = None) -> Any:
    found = memory.observe(groups, Tails(), (world or coins()).tools, PARAMS, step=step, seed=step)
    memory.record(groups, step=step)
    return found


def entries(memory: Memory) -> list[dict[str, Any]]:
    return memory.state()["entries"]


RESPONSE = (1, 1, 1, 1, 0, 1, 0, 1, 0, 1)


def test_the_best_step_end_in_the_window_is_kept() -> None:
    # All heads from here: the value of a prefix is 1 - its tails / 10, so ends 2, 3 and 4 are equal and the first wins.
    memory, world = config().open(PROBLEMS, seed=0), coins()
    said = observe(memory, [failed(Start(PROBLEMS[0]), RESPONSE)], world=world)
    assert [len(request.tokens) - 1 for request in reversed(world.asked)] == [2, 3, 4, 5, 6, 7]
    (kept,) = entries(memory)
    assert (kept["problem"], tuple(kept["prefix"]), kept["score"], kept["created"]) == ("p0", (1, 1), 1.0, 1)
    assert said["replay_entries"] == 1
    assert said["replay_share"] == 0


def test_kept_prefixes_are_strict_and_give_no_answer_away() -> None:
    memory = config(window=(0.0, 0.9), traces=9, margin=-1).open(PROBLEMS, seed=0)
    responses = [(1, 0, 0, 1, 1, 0), (0, 1, 0, 1), (0, 0, 1, 1), RESPONSE]
    ended = [(*response, END) for response in responses]
    observe(memory, [failed(Start(one), *ended) for one in PROBLEMS], world=coins(0.5))
    assert len(entries(memory)) >= 6
    for kept in entries(memory):
        text = "".join(map(str, kept["prefix"]))
        assert "00" not in text
        assert END not in kept["prefix"]
        assert any("".join(map(str, one)).startswith(text) and len(one) > len(text) for one in ended)


def test_promise_must_exceed_the_problem_by_the_margin_and_stand_out() -> None:
    group = failed(Start(PROBLEMS[0]), RESPONSE, (0,) * 10)
    half = replace(group, scores=(Score(0.0), Score(1.0)))
    for margin, count in ((0.49, 1), (0.51, 0)):  # value 1 against a success rate of 1/2
        memory = config(margin=margin, traces=1).open(PROBLEMS, seed=0)
        observe(memory, [half])
        assert len(entries(memory)) == count
    both = failed(Start(PROBLEMS[0]), RESPONSE, (0, 1) * 5)  # best values 1 and 0.9 (one of its ends gives .9)
    for quantile, count in ((0.0, 2), (1.0, 1)):
        memory = config(quantile=quantile, traces=2).open(PROBLEMS, seed=0)
        observe(memory, [both])
        assert len(entries(memory)) == count


SOLVED = replace(failed(Start(PROBLEMS[1]), RESPONSE), scores=(Score(1.0),))


@pytest.mark.parametrize(
    ("group", "settings", "limit", "cause"),
    [
        (SOLVED, {}, 10, "no judged response to a fresh problem was wrong"),
        (
            failed(Start(PROBLEMS[0]), (1, 1)),
            {"window": (0.6, 0.9)},
            10,
            "none of 2 wrong responses has a step end betw",
        ),
        (
            failed(Start(PROBLEMS[0]), (0,) * 10),
            {},
            10,
            r"12 of 12 step ends come behind the mark of an answer, and 0 ",
        ),
        (failed(Start(PROBLEMS[0]), RESPONSE), {}, 2, r"0 of 12 step ends .* and 12 leave no room"),
        (failed(Start(PROBLEMS[0]), RESPONSE), {"margin": 1.0}, 5, r"none of 6 .* worth 1 more .* 6 leave no room"),
    ],
    ids=["solved", "no steps", "answered", "no room", "margin"],
)
def test_keeping_nothing_is_said_with_its_cause(group: Group, settings: Any, limit: int, cause: str) -> None:
    memory, again = (config(**settings).open(PROBLEMS, seed=0) for _ in range(2))
    short, world = SamplingParams(max_tokens=limit), coins(0.5).tools
    memory.observe([group], Tails(), world, short, step=1, seed=1)
    again.restore(json.loads(json.dumps(memory.state())))
    with pytest.warns(UserWarning, match=f"kept no state.*{cause}"):
        again.observe([group], Tails(), world, short, step=SCHEDULE.collect_until, seed=1)


def test_only_fresh_judged_failures_are_looked_at() -> None:
    start = Start(PROBLEMS[0])
    right = replace(failed(start, RESPONSE), scores=(Score(1.0, {"correct": 1.0}),))
    lost = replace(failed(start, RESPONSE), scores=(UNJUDGED,))
    again = failed(Start(PROBLEMS[0], (1,), Origin.REPLAY), (1, 1, 0, 1, 0))
    memory, world = config().open(PROBLEMS, seed=0), coins()
    observe(memory, [right, lost, again], world=world)
    assert not world.asked
    assert not entries(memory)


def test_a_random_cut_is_of_the_same_responses_for_the_same_tokens() -> None:
    groups = [failed(Start(one), RESPONSE, (0, 1) * 5) for one in PROBLEMS]
    kept, spent = {}, {}
    for cut in ("value", "random"):
        memory, world = config(cut=cut).open(PROBLEMS, seed=0), coins(0.7)
        observe(memory, groups, world=world)
        kept[cut], spent[cut] = entries(memory), world.asked
    assert spent["value"] == spent["random"]
    assert sorted(e["score"] for e in kept["value"]) == sorted(e["score"] for e in kept["random"])
    assert [e["prefix"] for e in kept["value"]] != [e["prefix"] for e in kept["random"]]
    assert all(2 <= len(e["prefix"]) <= 7 for e in kept["random"])


def test_from_the_beginning_the_same_problems_come_for_the_same_tokens() -> None:
    groups = [failed(Start(one), RESPONSE, (0, 1) * 5) for one in PROBLEMS]
    kept, spent = {}, {}
    for cut in ("value", "beginning"):
        memory, world = config(cut=cut).open(PROBLEMS, seed=0), coins(0.7)
        observe(memory, groups, world=world)
        kept[cut], spent[cut] = entries(memory), world.asked
    assert spent["value"] == spent["beginning"]
    assert {e["problem"] for e in kept["beginning"]} == {e["problem"] for e in kept["value"]}
    assert all(e["prefix"] == () for e in kept["beginning"])


def test_a_problem_is_not_drawn_again_in_the_step_in_which_it_is_drawn_anyway() -> None:
    memory = config(cut="beginning").open(PROBLEMS, seed=0)
    observe(memory, [failed(Start(one), RESPONSE) for one in PROBLEMS])
    for step in range(5, 17):
        starts = memory.draw(4, step=step)
        again = [start.problem.id for start in starts if start.origin is Origin.REPLAY]
        assert len(set(again)) == len(again) == (1 if step == 5 else 2)
        assert not set(again) & {start.problem.id for start in starts if start.origin is Origin.POLICY}
        assert not any(start.prefix for start in starts)


def test_successes_are_cut_back_where_asked_for() -> None:
    group = failed(Start(PROBLEMS[0]), RESPONSE, (0, 1) * 5)
    half = replace(group, scores=(Score(0.0, {"correct": 0.0}), Score(1.0, {"correct": 1.0})))
    found = {}
    for responses in ("wrong", "right"):
        memory = config(responses=responses, margin=-1).open(PROBLEMS, seed=0)
        observe(memory, [half])
        (found[responses],) = (entry["prefix"] for entry in entries(memory))
    assert found == {"wrong": (1, 1), "right": (0, 1)}


def test_an_oracle_takes_the_place_of_continuations() -> None:
    memory, world = config(values=TaskOracle(), rescore_every=2).open(PROBLEMS, seed=0), coins()
    observe(memory, [failed(Start(PROBLEMS[0]), RESPONSE, (0,) * 10)], world=world)
    assert not world.asked
    (kept,) = entries(memory)
    # Of 1, 11, 111, ... the share of ones among ten: 1/10 at the start, and 1111 before the first zero is the best.
    assert (kept["prefix"], kept["score"]) == ((1, 1, 1, 1, 0, 1), 0.5)
    observe(memory, [failed(Start(PROBLEMS[1]), (0,) * 10)], step=2, world=world)
    assert (entries(memory)[0]["score"], entries(memory)[0]["scored"]) == (0.5, 2)
    assert not world.asked


def test_what_siblings_got_is_the_value_of_their_problem() -> None:
    # Both of the siblings right and one of them replayed or not: nothing but the step ends is asked.
    memory, world = config(margin=0.5).open(PROBLEMS, seed=0), coins(0.0)
    group = failed(Start(PROBLEMS[0]), RESPONSE, RESPONSE)
    observe(memory, [replace(group, scores=(Score(0.0), Score(1.0)))], world=world)
    assert all(len(request.tokens) > 1 for request in world.asked)
    assert not entries(memory)


def test_nothing_is_kept_late_and_nothing_comes_back_early() -> None:
    memory = config().open(PROBLEMS, seed=0)
    observe(memory, [failed(Start(PROBLEMS[0]), RESPONSE)], step=9)
    assert not entries(memory)
    observe(memory, [failed(Start(one), RESPONSE) for one in PROBLEMS], step=8)
    assert len(entries(memory)) == 6
    shares = {}
    for step in range(1, 21):
        starts = memory.draw(8, step=step)
        assert len(starts) == 8
        replayed = [start for start in starts if start.origin is Origin.REPLAY]
        assert all(bool(start.prefix) == (start.origin is Origin.REPLAY) for start in starts)
        assert len({start.key for start in replayed}) == len(replayed)
        shares[step] = len(replayed)
    expected = {5: 2, 17: 3, 18: 2, 19: 1, 20: 0, **dict.fromkeys(range(1, 5), 0), **dict.fromkeys(range(6, 17), 4)}
    assert shares == expected


@pytest.mark.parametrize("off", ["share", "empty"])
def test_off_is_the_memory_of_fresh_problems(off: str) -> None:
    chosen = config(schedule=replace(SCHEDULE, share=0.0)) if off == "share" else config()
    memory, plain, world = chosen.open(PROBLEMS, seed=4), ShuffledProblems().open(PROBLEMS, seed=4), coins()
    for step in range(1, 15):
        assert memory.draw(4, step=step) == plain.draw(4, step=step)
        if off == "share":
            assert observe(memory, [failed(Start(PROBLEMS[0]), RESPONSE)], step=step, world=world) == {}
    assert not world.asked
    assert not entries(memory)


def test_tries_and_successes_are_counted_and_retire_an_entry() -> None:
    memory = config(limits=StoreLimits(enough=2)).open(PROBLEMS[:1], seed=0)
    observe(memory, [failed(Start(PROBLEMS[0]), RESPONSE)])
    (_, start) = memory.draw(2, step=7)
    assert (start.prefix, start.origin) == ((1, 1), Origin.REPLAY)
    group = failed(start, (1,), (0,), (1, 1))
    said = observe(memory, [replace(group, scores=(Score(1.0), Score(0.0), UNJUDGED))], step=7)
    assert (said["replay_share"], said["replay_correct"]) == (1.0, 0.5)
    assert [(one["tries"], one["successes"]) for one in entries(memory)] == [(1, 1)]
    observe(memory, [replace(group, scores=(Score(1.0), Score(1.0), Score(0.0)))], step=8)
    assert all(start.origin is Origin.POLICY for start in memory.draw(2, step=9))


def test_scores_are_renewed_by_the_policy_as_it_is() -> None:
    memory = config(rescore_every=6).open(PROBLEMS, seed=0)
    observe(memory, [failed(Start(PROBLEMS[0]), RESPONSE)], step=2)
    observe(memory, [failed(Start(PROBLEMS[1]), (0,) * 10)], step=6, world=coins(0.0))
    assert [(one["score"], one["scored"]) for one in entries(memory)] == [(0.2, 6)]


@dataclass
class Speaking(Coins):
    """Coins that can read a text: its digits are its tokens."""

    def prompt(self, problem: Problem) -> tuple[int, ...]:
        return (9,)

    def encode(self, text: str) -> tuple[int, ...]:
        return tuple(int(digit) for digit in text)


@dataclass(frozen=True, kw_only=True)
class Solved(Tails):
    """Knows a right response, each of whose tokens is a step."""

    def reference(self, problem: Problem) -> str | None:
        return None if problem.id == "p5" else "0111111111"

    def step_ends(self, pieces: Sequence[str]) -> tuple[int, ...]:
        return tuple(range(1, len(pieces) + 1))


def test_solutions_are_cut_by_the_same_rules_where_asked_for() -> None:
    # All heads from here. The own response: 11 is worth 1. The solution: one tail whatever is cut, so 0.9 at each of
    # the ends 2 ... 7 of the window, and the first of equals is kept. Problem 1 was always solved, problem 5 has none.
    groups = [failed(Start(PROBLEMS[number]), RESPONSE) for number in (0, 1, 5)]
    groups[1] = replace(groups[1], scores=(Score(1.0, {"correct": 1.0}),))
    found = {}
    for solutions in (False, True):
        memory, world = config(solutions=solutions).open(PROBLEMS, seed=0), Speaking(heads=1.0, length=10)
        memory.observe(groups, Solved(), world.tools, PARAMS, step=1, seed=1)
        found[solutions] = {(e["problem"], tuple(e["prefix"]), e["score"], e["source"]) for e in entries(memory)}
    own = {("p0", (1, 1), 1.0, "policy"), ("p5", (1, 1), 1.0, "policy")}
    assert found == {False: own, True: own | {("p0", (0, 1), 0.9, "reference")}}
    memory = config(solutions=True, margin=0.95).open(PROBLEMS, seed=0)
    memory.observe(groups, Solved(), Speaking(heads=1.0, length=10).tools, PARAMS, step=1, seed=1)
    assert {entry["source"] for entry in entries(memory)} == {"policy"}, "a solution must promise as much"


def test_a_solution_leaves_room_for_a_response() -> None:
    memory, world = config(solutions=True).open(PROBLEMS, seed=0), Speaking(heads=1.0, length=10)
    group = failed(Start(PROBLEMS[0]), (1, 0, 1, 0, 1))
    said = memory.observe([group], Solved(), world.tools, SamplingParams(max_tokens=5), step=1, seed=1)
    assert max(len(request.tokens) - 1 for request in world.asked) == 4
    assert said["replay_skipped"] == 3, "of the solution, whose ends are 2 ... 7"
    with pytest.raises(ForageError, match="cannot say"):
        memory.observe([group], Solved(), coins().tools, PARAMS, step=1, seed=1)


def test_prefixes_that_leave_no_room_are_skipped_and_counted() -> None:
    # Step ends 2 ... 7 of both; a response may have 5 tokens, so 5, 6 and 7 leave no room.
    group, short = failed(Start(PROBLEMS[0]), RESPONSE, (0, 1) * 5), SamplingParams(max_tokens=5)
    memory, world = config(traces=2).open(PROBLEMS, seed=0), coins()
    said = memory.observe([group], Tails(), world.tools, short, step=1, seed=1)
    assert said["replay_skipped"] == 6
    assert {len(request.tokens) - 1 for request in world.asked} == {2, 3, 4}
    assert all(len(kept["prefix"]) < 5 for kept in entries(memory))
    memory, world = config(window=(0.5, 0.9)).open(PROBLEMS, seed=0), coins()
    said = memory.observe([group], Tails(), world.tools, short, step=1, seed=1)
    assert said["replay_skipped"] == 10
    assert not world.asked
    assert observe(config().open(PROBLEMS, seed=0), [group])["replay_skipped"] == 0


def test_what_the_memory_says_of_its_entries() -> None:
    # Step 2 keeps 11 of problem 0 (worth 1 then), step 4 the same of problem 1. At step 6 all is tails: 2 heads of 10.
    memory = config(rescore_every=6).open(PROBLEMS, seed=0)
    empty = observe(memory, [failed(Start(PROBLEMS[2]), (0,) * 10)], step=1, world=coins(0.0))
    assert all(math.isnan(empty[f"replay_{name}"]) for name in ("age", "value_then", "value_now", "correct"))
    assert empty["fresh_correct"] == 0
    for number, step in ((0, 2), (1, 4)):
        observe(memory, [failed(Start(PROBLEMS[number]), RESPONSE)], step=step)
    said = observe(memory, [failed(Start(PROBLEMS[2]), (0,) * 10)], step=6, world=coins(0.0))
    assert (said["replay_age"], said["replay_value_then"], said["replay_value_now"]) == ((4 + 2) / 2, 1.0, 0.2)


def test_where_problems_became_solvable() -> None:
    def solved(number: int, *prefix: int) -> Group:
        start = Start(PROBLEMS[number], prefix, Origin.REPLAY if prefix else Origin.POLICY)
        return replace(failed(start, (1,)), scores=(Score(1.0),))

    first = FirstSolved()
    for step, groups, expected in (
        (1, [failed(Start(PROBLEMS[0]), (1,)), solved(1)], (1, 0, 0)),
        (2, [solved(0, 1), solved(1, 1)], (1, 1, 0)),
        (3, [solved(2, 1), solved(0)], (1, 2, 1)),
        (4, [solved(0), solved(0, 1)], (1, 2, 1)),
    ):
        first.note(groups, step)
        assert tuple(first.counts().values()) == expected
    again = FirstSolved()
    again.restore(json.loads(json.dumps(first.state())))
    assert again.state() == first.state() == {"p0": [2, True, 3], "p1": [1, False, 1], "p2": [3, True, None]}


def test_a_memory_of_before_these_were_noted_is_restored() -> None:
    memory = config().open(PROBLEMS, seed=0)
    observe(memory, [failed(Start(PROBLEMS[0]), RESPONSE)])
    old = {name: value for name, value in memory.state().items() if name != "first"}
    for entry in old["entries"]:
        del entry["first"], entry["source"]
    again = config().open(PROBLEMS, seed=0)
    again.restore(json.loads(json.dumps(old)))
    assert math.isnan(observe(again, [failed(Start(PROBLEMS[0]), (0,) * 10)])["replay_value_then"])


def test_state_restores_everything_bit_for_bit() -> None:
    def driven(memory: Memory, steps: range) -> list[Any]:
        seen = []
        for step in steps:
            starts = memory.draw(4, step=step)
            observe(memory, [failed(start, RESPONSE, (0, 1) * 5) for start in starts], step=step, world=coins(0.7))
            seen.append((starts, memory.state()))
        return seen

    whole, parts = (config(rescore_every=3).open(PROBLEMS, seed=1) for _ in range(2))
    expected = driven(whole, range(1, 13))
    driven(parts, range(1, 7))
    again = config(rescore_every=3).open(PROBLEMS, seed=1)
    again.restore(json.loads(json.dumps(parts.state())))
    assert driven(again, range(7, 13)) == expected[6:]
    assert any(start.origin is Origin.REPLAY for starts, _ in expected for start in starts)


@pytest.mark.parametrize(
    "settings", [{"window": (0.5, 1.0)}, {"quantile": 2}, {"tau": 0}, {"continuations": 0}, {"margin": 2}]
)
def test_settings_that_make_no_sense_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ForageError):
        config(**settings)


@pytest.mark.parametrize("settings", [{"share": 1.5}, {"last": 0}])
def test_schedules_that_make_no_sense_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ForageError):
        replace(SCHEDULE, **settings)
