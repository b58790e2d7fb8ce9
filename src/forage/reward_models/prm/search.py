"""Decoding guided by a process model: propose a step, ask, keep it or try again, and step back from dead ends.

Heuristic greedy search (HGS-PRM, Ma et al., arXiv 2310.10080) with backtracking. A continuation is sampled and its
steps are judged in order; up to the first one that is refused they are kept, so accepting everything is plain sampling.
All problems move on together. What is drawn depends on the seed, the state and the number of the try alone.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from forage.core.errors import ForageError
from forage.core.protocols import OnProgress, Task, Tools
from forage.core.records import Completion, SampleRequest, SamplingParams, Start, Stop
from forage.core.seeds import derive_seed
from forage.tasks.step_texts import step_texts

Scorer = Callable[[Sequence[tuple[str, Sequence[str]]]], Sequence[Sequence[float]]]
"""(question, texts of the steps) of several solutions -> the score of every step of each, which may depend on what
stands before a step and on nothing behind it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GuidedSearch:
    """When a proposed step is kept.

    A step that scores `accept` or more is kept at once. After `proposals` refused steps the best of them is kept if it
    scores `floor` or more (the neutral verdict); else the search takes back the step before and looks for another one,
    up to `backtracks` times a solution; then the best is kept all the same. With `accept` above 1 all proposals are
    drawn and the best is kept: greedy search step by step. `lookahead` bounds the tokens that are sampled at once (0:
    to the end); what lies behind a refused step was sampled in vain, so a small one wastes less.
    """

    accept: float = 0.5
    floor: float = 0.1
    proposals: int = 4
    backtracks: int = 4
    lookahead: int = 16

    def __post_init__(self) -> None:
        if self.proposals < 1 or min(self.backtracks, self.lookahead) < 0:
            raise ForageError(
                "A search needs at least 1 proposal per step, and backtracks and a lookahead of 0 or more, not "
                f"{self.proposals}, {self.backtracks} and {self.lookahead}."
            )
        if not self.floor <= self.accept:
            raise ForageError(
                f"A step is kept at once from the score {self.accept}, so the floor cannot be {self.floor}."
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class GuidedSolution:
    """What a search wrote after a start, and what it took.

    `tokens` follow the start's prefix; `text` is the whole response. `scores` are those of the steps that were kept.
    `sampled` counts all new tokens, kept or not; `proposed` the steps that were judged; `forced` the kept steps below
    the floor.
    """

    start: Start
    tokens: tuple[int, ...]
    text: str
    scores: tuple[float, ...]
    stop: Stop
    sampled: int
    proposed: int
    backtracks: int
    forced: int


@dataclass(frozen=True, slots=True)
class _Step:
    tokens: tuple[int, ...]
    text: str
    score: float
    last: Stop | None  # set where nothing comes after it


@dataclass
class _State:
    """A prefix that was kept: `step` led here (None at the start), `refused` and `dead` are steps from here."""

    step: _Step | None
    tries: int = 0
    refused: list[_Step] = field(default_factory=list)
    dead: list[_Step] = field(default_factory=list)


@dataclass
class _Search:
    """The search of one solution: the path of states, and the beginning of a step that a lookahead cut."""

    number: int
    start: Start
    before: tuple[str, ...]
    path: list[_State] = field(default_factory=lambda: [_State(None)])
    partial: tuple[int, ...] = ()
    sampled: int = 0
    proposed: int = 0
    backtracks: int = 0

    @property
    def kept(self) -> list[_Step]:
        return [state.step for state in self.path if state.step is not None]

    @property
    def tokens(self) -> tuple[int, ...]:
        return tuple(token for step in self.kept for token in step.tokens)

    @property
    def over(self) -> bool:
        step = self.path[-1].step
        return step is not None and step.last is not None


def search(
    plan: GuidedSearch,
    starts: Sequence[Start],
    task: Task,
    tools: Tools,
    scorer: Scorer,
    params: SamplingParams,
    *,
    seed: int,
    on_progress: OnProgress | None = None,
) -> list[GuidedSolution]:
    """One solution for every start, in order; `params.max_tokens` bounds a whole response.

    Ends: a state is left after `plan.proposals` tries, so at most proposals * (kept steps + backtracks) are judged.
    """
    going = [_open(number, start, task, tools, params) for number, start in enumerate(starts)]
    done: dict[int, GuidedSolution] = {}
    while going:
        proposals = list(_propose(plan, going, task, tools, params, seed))
        asked = [(attempt, steps) for attempt, steps, _ in proposals if _texts(steps)]
        texts = [
            (attempt.start.problem.question, [*attempt.before, *_texts(attempt.kept), *_texts(steps)])
            for attempt, steps in asked
        ]
        scores = (
            {attempt.number: values for (attempt, _), values in zip(asked, scorer(texts), strict=True)} if asked else {}
        )
        for attempt, steps, rest in proposals:
            kept = _take(plan, attempt, _scored(attempt, steps, scores.get(attempt.number, ())))
            attempt.partial = rest if kept else ()
            if attempt.over:
                done[attempt.number] = _solution(plan, attempt, tools)
        going = [attempt for attempt in going if not attempt.over]
        if on_progress is not None:
            on_progress(len(done), len(starts))
    return [done[number] for number in range(len(starts))]


def _open(number: int, start: Start, task: Task, tools: Tools, params: SamplingParams) -> _Search:
    if len(start.prefix) >= params.max_tokens:
        raise ForageError(
            f"A prefix of {len(start.prefix)} tokens of problem {start.problem.id} leaves no room in a response of at "
            f"most {params.max_tokens}."
        )
    pieces = tools.codec.pieces(start.prefix)
    texts = tuple(text for _, text in step_texts(pieces, task.step_ends(pieces))) if start.prefix else ()
    return _Search(number, start, texts)


def _propose(
    plan: GuidedSearch, going: Sequence[_Search], task: Task, tools: Tools, params: SamplingParams, seed: int
) -> Iterator[tuple[_Search, list[_Step], tuple[int, ...]]]:
    """One more continuation for every search: its whole steps, not scored yet, and the tokens behind them."""
    requests, rooms = [], []
    for attempt in going:
        prefix = attempt.start.prefix + attempt.tokens + attempt.partial
        rooms.append(params.max_tokens - len(prefix))
        key = Start(attempt.start.problem, attempt.start.prefix + attempt.tokens).key
        requests.append(
            SampleRequest(
                tokens=tools.codec.prompt(attempt.start.problem) + prefix,
                group_size=1,
                seed=derive_seed(seed, attempt.number, key, attempt.path[-1].tries, len(attempt.partial)),
                limit=min(plan.lookahead, rooms[-1]) if plan.lookahead else rooms[-1],
            )
        )
    drawn: dict[int, Completion] = {order: each[0] for order, each in tools.sampler.sample(requests, params)}
    for order, attempt in enumerate(going):
        completion = drawn[order]
        attempt.sampled += len(completion.tokens)
        tokens = attempt.partial + completion.tokens
        ends = completion.stop == "eos" or len(completion.tokens) >= rooms[order]
        steps = _cut(attempt, tokens, completion.stop if ends else None, task, tools)
        yield attempt, steps, tokens[sum(len(step.tokens) for step in steps) :]


def _cut(attempt: _Search, tokens: tuple[int, ...], stop: Stop | None, task: Task, tools: Tools) -> list[_Step]:
    """`tokens` in steps. Without a stop more would follow, so the last one is not known to be whole and is left out."""
    before = len(attempt.start.prefix) + len(attempt.tokens)
    pieces = tools.codec.pieces(attempt.start.prefix + attempt.tokens + tokens)
    ends = [end - before for end in task.step_ends(pieces) if end > before]
    steps = []
    for begin, end in zip([0, *ends], ends, strict=False):
        last = stop if end == len(tokens) else None
        if end < len(tokens) or last is not None:
            steps.append(_Step(tokens[begin:end], "".join(pieces[before + begin : before + end]), 0.0, last))
    return steps


def _texts(steps: Sequence[_Step]) -> list[str]:
    return [step.text for step in steps if step.text.strip()]


def _scored(attempt: _Search, steps: Sequence[_Step], scores: Sequence[float]) -> list[_Step]:
    """The steps with their scores; one without a text (the end of the text) has the score of the step before."""
    known = iter(scores[len(attempt.before) + len(_texts(attempt.kept)) :])
    value, scored = attempt.kept[-1].score if attempt.kept else 1.0, []
    for step in steps:
        value = next(known) if step.text.strip() else value
        scored.append(_Step(step.tokens, step.text, value, step.last))
    return scored


def _take(plan: GuidedSearch, attempt: _Search, steps: Sequence[_Step]) -> bool:
    """Keeps steps up to the first that is refused; where a state has had its tries, settles what happens to it.

    Returns whether all steps were kept.
    """
    for step in steps:
        state = attempt.path[-1]
        state.tries += 1
        attempt.proposed += 1
        known = any(step.tokens == other.tokens for other in state.dead)
        if step.score >= plan.accept and not known:
            attempt.path.append(_State(step))
            continue
        if not known:
            state.refused.append(step)
        if state.tries >= plan.proposals:
            _settle(plan, attempt)
        return False
    return True


def _settle(plan: GuidedSearch, attempt: _Search) -> None:
    """Keeps the best refused step, or goes back until a state has tries left."""
    while True:
        state = attempt.path[-1]
        best = max(state.refused, key=lambda step: step.score, default=None)
        back = len(attempt.path) > 1 and attempt.backtracks < plan.backtracks
        if best is not None and (best.score >= plan.floor or not back):
            state.refused.remove(best)
            attempt.path.append(_State(best))
            return
        if not back:  # at the start, or out of backtracks, and all that is left led nowhere
            best = max(state.dead, key=lambda step: step.score)
            attempt.path.append(_State(best))
            return
        attempt.backtracks += 1
        left = attempt.path.pop().step
        if left is not None:
            attempt.path[-1].dead.append(left)
        if attempt.path[-1].tries < plan.proposals:
            return


def _solution(plan: GuidedSearch, attempt: _Search, tools: Tools) -> GuidedSolution:
    last = attempt.kept[-1]
    return GuidedSolution(
        start=attempt.start,
        tokens=attempt.tokens,
        text=tools.codec.decode(attempt.start.prefix + attempt.tokens),
        scores=tuple(step.score for step in attempt.kept if step.text.strip()),
        stop=last.last or "length",
        sampled=attempt.sampled,
        proposed=attempt.proposed,
        backtracks=attempt.backtracks,
        forced=sum(step.score < plan.floor for step in attempt.kept),
    )
