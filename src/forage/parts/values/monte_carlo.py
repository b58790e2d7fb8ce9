"""The value of a start: the mean return of fresh continuations by the policy as it is now.

V(s) = (1 / M) sum of R(s, continuation m), which is unbiased because a state of a language model can be restarted
exactly (VinePPO, Kazemnejad et al., arXiv 2410.01679). A continuation may only be as long as the response
limit leaves over: V is the value of the same episode that training samples, and what the limit cuts off is judged as it
stands. Prefixes are tokens and are never tokenised again.
"""

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from forage.core.errors import ForageError
from forage.core.protocols import Reward, Task, Tools
from forage.core.records import Completion, Origin, Rollout, SampleRequest, SamplingParams, Score, Start, StartValue
from forage.core.seeds import derive_seed
from forage.core.spans import behind, steps_around
from forage.parts.values.source import Valuer, ValueSource


@dataclass(frozen=True, kw_only=True)
class MonteCarlo(ValueSource):
    """`continuations` of each start, worth what the verifier and then `rewards` make of them (None: those of the run,
    so that a value is in the units of the return that is learned from, whatever the order of the methods).

    With `equal="state"` starts that the task names as one state are valued once (`Task.state`); with "tokens" only
    equal starts are equal.
    """

    continuations: int = 9
    rewards: tuple[Reward, ...] | None = None
    equal: Literal["tokens", "state"] = "tokens"

    def __post_init__(self) -> None:
        if self.continuations < 1:
            raise ForageError(f"A value is a mean of at least 1 continuation, not {self.continuations}.")

    def open(self, task: Task, tools: Tools, params: SamplingParams, *, seed: int) -> Valuer:
        if self.equal == "tokens":
            return StartValues(tools, params, self, seed, task)
        return StartValues(tools, params, self, seed, task, state=lambda start: state_name(start, task, tools))


def state_name(start: Start, task: Task, tools: Tools) -> str:
    """What the task calls the state that a start has reached; the start's own key where the task cannot say."""
    name = task.state(start.problem, tools.codec.decode(start.prefix))
    return start.key if name is None else f"{start.problem.id}\0{name}"


@dataclass
class StartValues(Valuer):
    """Values of starts under the sampler's policy. All services with these tools and this `method` share what is known,
    until the policy's version changes. A step begins by knowing nothing (`step.py`): one that is repeated, because the
    run was interrupted, then does what it did the first time.

    `params.max_tokens` bounds a whole response, prefix included. `task` tells rewards where the steps of a response end
    (None: it is one step). `state` names the state that a start has reached: starts of one name are valued once, by
    continuations of the first of them. Unless given only equal starts are equal; a coarser name pools starts from which
    the policy may continue differently, which biases values for less work.
    """

    tools: Tools
    params: SamplingParams
    method: MonteCarlo
    seed: int
    task: Task | None = None
    state: Callable[[Start], str] = field(default=lambda start: start.key)

    def __call__(self, starts: Sequence[Start]) -> tuple[StartValue, ...]:
        """One value per start, in order; a start whose name came before shares the value and takes 0 tokens.

        Raises ForageError for a start whose prefix leaves no room under `params.max_tokens`.
        """
        known = self._known()
        names = [self._name(start) for start in starts]
        new: dict[tuple[Any, ...], Start] = {}
        for name, start in zip(names, starts, strict=True):
            if name not in known:
                new.setdefault(name, start)
        known.update(zip(new, self._sample(list(new.values())), strict=True))
        fresh, values = set(new), []
        for name in names:
            value = known[name]
            values.append(value if name in fresh else StartValue(value.mean, value.error, value.judged, 0))
            fresh.discard(name)
        return tuple(values)

    def store(self, start: Start, returns: Sequence[float]) -> None:
        """The judged returns of siblings that the current policy sampled from `start` are its value; 0 tokens."""
        self._known()[self._name(start)] = _summary(returns, 0)

    def _name(self, start: Start) -> tuple[Any, ...]:
        return self.tools.sampler.version, repr(self.method), self.state(start)

    def _known(self) -> dict[tuple[Any, ...], StartValue]:
        """What is known of the policy as it is; the rest is forgotten."""
        known = self.tools.value_cache
        for name in [name for name in known if name[0] != self.tools.sampler.version]:
            del known[name]
        return known

    def _sample(self, starts: Sequence[Start]) -> list[StartValue]:
        requests = [
            SampleRequest(
                tokens=self.tools.codec.prompt(start.problem) + start.prefix,
                group_size=self.method.continuations,
                seed=derive_seed(self.seed, "value", start.key),
                limit=self._room(start),
                problem=start.problem,
                begun=len(start.prefix),
            )
            for start in starts
        ]
        pending = {}
        for order, completions in self.tools.sampler.sample(requests, self.params):
            rollouts = tuple(self._rollout(starts[order], completion) for completion in completions)
            texts = [rollout.text for rollout in rollouts]
            tokens = sum(completion.written for completion in completions)
            pending[order] = rollouts, tokens, self.tools.judge.submit(starts[order].problem, texts)
        values = []
        for order in range(len(starts)):
            rollouts, tokens, verdict = pending[order]
            scores: tuple[Score, ...] = verdict.result()
            for reward in self._rewards:
                scores = reward(rollouts, scores)
            returns = [score.value for score in scores if score.judged]
            values.append(_summary(returns, tokens))
        return values

    def _room(self, start: Start) -> int:
        room = self.params.max_tokens - len(start.prefix)
        if room < 1:
            raise ForageError(
                f"A prefix of {len(start.prefix)} tokens of problem {start.problem.id} leaves no room in a response of "
                f"at most {self.params.max_tokens}."
            )
        return room

    def _rollout(self, start: Start, completion: Completion) -> Rollout:
        """What rewards judge: the whole response, earlier steps included, so that values along it are of one return.

        A start that was cut back stays one: rewards may ask what it was cut back from.
        """
        cut_back = start.origin in (Origin.RIGHT, Origin.WRONG)
        head = () if cut_back else start.prefix
        nothing = (0.0,) * len(head)
        given = behind(self.tools.given(start.problem, head), len(head), completion.given)
        return Rollout(
            start=start if cut_back else Start(start.problem),
            tokens=head + completion.tokens,
            logprobs=nothing + completion.logprobs,
            entropies=nothing + completion.entropies,
            text=self.tools.codec.decode(start.prefix + completion.tokens),
            step_ends=steps_around(self._step_ends(head + completion.tokens), given),
            stop=completion.stop,
            version=self.tools.sampler.version,
            given=given,
        )

    def _step_ends(self, tokens: tuple[int, ...]) -> tuple[int, ...]:
        """Only rewards ask for them."""
        if self.task is None or not self._rewards:
            return (len(tokens),)
        return self.task.step_ends(self.tools.codec.pieces(tokens))

    @property
    def _rewards(self) -> tuple[Reward, ...]:
        return self.tools.rewards if self.method.rewards is None else self.method.rewards


def _summary(returns: Sequence[float], tokens: int) -> StartValue:
    if not returns:
        return StartValue(math.nan, math.nan, 0, tokens)
    error = statistics.stdev(returns) / math.sqrt(len(returns)) if len(returns) > 1 else math.nan
    return StartValue(math.fsum(returns) / len(returns), error, len(returns), tokens)
