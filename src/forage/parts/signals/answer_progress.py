"""How much each step changed the policy's own belief in the right answer, or in candidates (BARL, arXiv 2505.20561)."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import torch
from torch import Tensor

from forage.core.batch import Batch
from forage.core.errors import ForageError
from forage.core.protocols import Codec, Signal, Task, Tools
from forage.core.records import Group, Problem, Rollout
from forage.ops.answer_progress import answer_progress, check_beta, posterior_credit

Tokens = tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class AnswerProgress(Signal):
    """`answer_progress` of every step, at its last token: the policy is asked for the right answer behind each step.

    A state is the prompt, the response so far, `mark` ("": the task's own) and the answer; all states of a step are
    scored together, equal ones once, without gradients, at the sampling temperature. The first `max_steps` steps count.
    A state that gives its answer already, is the end of a finished response, or leaves no room for the answer is not
    asked: from there on progress is 0. So it is in rows that were not judged. What an environment replies belongs to
    the step before, whose last token is then the policy's last one.

    With `permuted` the rewards of a response are dealt anew among its steps: the control.
    """

    task: Task
    mark: str = ""
    max_steps: int = 20
    permuted: bool = False

    name = "answer_progress"

    def __post_init__(self) -> None:
        if self.max_steps < 1:
            raise ForageError(f"max_steps must be at least 1, not {self.max_steps}.")

    def __call__(self, groups: Sequence[Group], batch: Batch, tools: Tools, *, seed: int) -> Tensor:
        members = [(group, rollout) for group in groups for rollout in group.rollouts]
        states = [asked for group in groups for asked in self._asked(group, tools)]
        known = _answer_logprobs([state for asked in states for candidate in asked for state in candidate], tools)
        draw = torch.Generator().manual_seed(seed)
        signal = torch.zeros(batch.tokens.shape, dtype=torch.float32)
        for row, ((group, rollout), asked) in enumerate(zip(members, states, strict=True)):
            if not any(asked):
                continue
            logprob = [[known[state] for state in candidate] for candidate in asked]
            credit = torch.tensor(self._credit(logprob, len(rollout.step_ends)))
            if self.permuted:
                credit = credit[torch.randperm(len(credit), generator=draw)]
            begin = len(tools.codec.prompt(group.start.problem)) + len(group.start.prefix)
            signal[row, begin + torch.tensor(_last_own(rollout))] = credit
        return signal.to(batch.tokens.device)

    def _candidates(self, group: Group, encode: Callable[[str], Tokens]) -> Sequence[Tokens]:
        """Answers that are asked for beside the right one; `encode` gives () for what cannot be written."""
        return ()

    def _credit(self, logprob: Sequence[Sequence[float]], steps: int) -> list[float]:
        """What the steps of a response are credited with; the right answer's probabilities come first."""
        return answer_progress(logprob[0], steps)

    def _asked(self, group: Group, tools: Tools) -> Iterator[list[list[tuple[Tokens, Tokens]]]]:
        """For each response and each answer, the right one first: the states in which it is asked for."""
        problem, codec = group.start.problem, tools.codec
        mark, right = answer_tokens(self.task, problem, codec, mark=self.mark)
        others = self._candidates(group, lambda answer: _written(self.task, problem, codec, self.mark, answer))
        answers = list(dict.fromkeys((right, *others)))
        room = None if tools.context is None else tools.context - max(map(len, answers))
        for rollout, score in zip(group.rollouts, group.scores, strict=True):
            reads = list(self._reads(rollout, codec, mark, room)) if score.judged else []
            yield [[(read, answer) for read in reads] for answer in answers]

    def _reads(self, rollout: Rollout, codec: Codec, mark: Tokens, room: int | None) -> Iterator[Tokens]:
        """What the policy reads in the states that are asked about, the one before the first step too."""
        start = rollout.start
        prompt = codec.prompt(start.problem)
        for number, end in enumerate((0, *rollout.step_ends[: self.max_steps])):
            whole = start.prefix + rollout.tokens[:end]
            read = prompt + whole + mark
            over = end == len(rollout.tokens) and rollout.stop == "eos"
            full = room is not None and len(read) > room
            if full or (number and (over or self.task.marks_answer(start.problem, codec.decode(whole)))):
                return
            yield read


@dataclass(frozen=True, kw_only=True)
class AnswerPosterior(AnswerProgress):
    """`posterior_credit` of every step: progress towards the right answer and towards those that siblings gave.

    The candidates are the right answer and the answers given most often, the first of equals, `candidates` in all; a
    single one is the right answer alone. What the tokenizer cannot write is no candidate. Each is asked for in the
    states in which the right one is. It stands in the place of plain progress, so a recipe has one of the two.
    """

    candidates: int = 5
    beta: float = 1.0
    discount: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_beta(self.beta)
        if self.candidates < 1:
            raise ForageError(f"The right answer is a candidate: there is at least 1, not {self.candidates}.")
        if not 0 <= self.discount <= 1:
            raise ForageError(f"The discount of later progress must lie between 0 and 1, not {self.discount}.")

    def _candidates(self, group: Group, encode: Callable[[str], Tokens]) -> Sequence[Tokens]:
        problem = group.start.problem
        right = self.task.stated_answer(problem)
        judged = (each for each, score in zip(group.rollouts, group.scores, strict=True) if score.judged)
        given = Counter(answer for each in judged if (answer := self.task.answer(problem, each.text)))
        others = (answer for answer, _ in given.most_common() if self.task.stated_answer(problem, answer) != right)
        return tuple(islice(filter(None, map(encode, others)), self.candidates - 1))

    def _credit(self, logprob: Sequence[Sequence[float]], steps: int) -> list[float]:
        return posterior_credit(logprob, steps, beta=self.beta, discount=self.discount)


def answer_tokens(
    task: Task, problem: Problem, codec: Codec, *, mark: str = "", answer: str | None = None
) -> tuple[Tokens, Tokens]:
    """The tokens of the mark and of an answer behind it, read as one text where the tokenizer lets them.

    The answer is the right one unless another is given, in the form that `Task.answer` has. Raises ForageError where
    the task states none, or one without tokens.
    """
    stated = task.stated_answer(problem, answer)
    if stated is None:
        raise ForageError(f"The task {task.name} states no right answer of {problem.id}, so none can be asked for.")
    words, stated_words = mark or stated[0], stated[1]
    before, whole = codec.encode(words), codec.encode(words + stated_words)
    together = whole[: len(before)] == before
    behind = whole[len(before) :] if together else codec.encode(stated_words)
    if not behind:
        raise ForageError(f"The answer {stated_words!r} to {problem.id} has no tokens, so it cannot be asked for.")
    return before, behind


def _written(task: Task, problem: Problem, codec: Codec, mark: str, answer: str) -> Tokens:
    """The tokens of an answer that a response gave; () where the tokenizer has no words for it."""
    try:
        return answer_tokens(task, problem, codec, mark=mark, answer=answer)[1]
    except ForageError:
        return ()


def _last_own(rollout: Rollout) -> list[int]:
    """The place of each step's last token that the policy wrote; what an environment replies ends a step."""
    before = {last: first for first, last in rollout.given}
    return [before.get(end, end) - 1 for end in rollout.step_ends]


def _answer_logprobs(states: Sequence[tuple[Tokens, Tokens]], tools: Tools) -> dict[tuple[Tokens, Tokens], float]:
    """ln pi(answer | what is read) of every different state, in one call of the policy."""
    if tools.policy is None:
        raise ForageError(
            "Progress towards the right answer asks the policy itself, which adapters do not offer inside another "
            "trainer. Use `forage train` for this method."
        )
    asked = list(dict.fromkeys(states))
    if not asked:
        return {}
    logprob = tools.policy.measure(_layout(asked)).logprob.double().sum(1)
    return dict(zip(asked, logprob.tolist(), strict=True))


def _layout(asked: Sequence[tuple[Tokens, Tokens]]) -> Batch:
    """A row for each state, the answer as what is learned; nothing else of it is ever read."""
    width = max(len(read) + len(answer) for read, answer in asked)
    tokens = torch.zeros((len(asked), width), dtype=torch.int64)
    loss_mask = torch.zeros((len(asked), width), dtype=torch.bool)
    for row, (read, answer) in enumerate(asked):
        tokens[row, : len(read) + len(answer)] = torch.tensor((*read, *answer))
        loss_mask[row, len(read) : len(read) + len(answer)] = True
    blank, zeros = torch.zeros(tokens.shape), torch.zeros(len(asked), dtype=torch.int64)
    return Batch(
        tokens=tokens,
        loss_mask=loss_mask,
        origin=zeros,
        behaviour=blank,
        entropy=blank,
        reward=torch.zeros(len(asked)),
        group=zeros,
        step=torch.where(loss_mask, 0, -1),
        step_reward=blank,
        version=zeros,
        weight=torch.ones(len(asked)),
    )
