"""How much each step raised the policy's own probability of the right answer (BARL, arXiv 2505.20561)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from forage.core.batch import Batch
from forage.core.errors import ForageError
from forage.core.protocols import Codec, Signal, Task, Tools
from forage.core.records import Group, Problem, Rollout
from forage.ops.answer_progress import answer_progress

Tokens = tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class AnswerProgress(Signal):
    """`answer_progress` of every step, at its last token: the policy is asked for the right answer behind each step.

    A state is the prompt, the response so far, `mark` ("": the task's own) and the answer; all states of a step are
    scored together, equal ones once, without gradients, at the sampling temperature. The first `max_steps` steps count.
    A state that gives its answer already, is the end of a finished response, or leaves no room for the answer is not
    asked: from there on progress is 0. So it is in rows that were not judged.

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
        members = [pair for group in groups for pair in zip(group.rollouts, group.scores, strict=True)]
        states = [list(self._states(rollout, tools)) if score.judged else [] for rollout, score in members]
        known = _answer_logprobs(states, tools)
        draw = torch.Generator().manual_seed(seed)
        signal = torch.zeros(batch.tokens.shape, dtype=torch.float32)
        begins = batch.loss_mask.int().argmax(1).tolist()
        for row, ((rollout, _), asked) in enumerate(zip(members, states, strict=True)):
            if not asked:
                continue
            progress = torch.tensor(answer_progress([known[state] for state in asked], len(rollout.step_ends)))
            if self.permuted:
                progress = progress[torch.randperm(len(progress), generator=draw)]
            signal[row, torch.tensor(rollout.step_ends) - 1 + begins[row]] = progress
        return signal.to(batch.tokens.device)

    def _states(self, rollout: Rollout, tools: Tools) -> Iterator[tuple[Tokens, Tokens]]:
        """(what the policy reads, the answer) of the states that are asked about, the one before the first step too."""
        start, codec = rollout.start, tools.codec
        mark, answer = answer_tokens(self.task, start.problem, codec, mark=self.mark)
        prompt = codec.prompt(start.problem)
        for number, end in enumerate((0, *rollout.step_ends[: self.max_steps])):
            whole = start.prefix + rollout.tokens[:end]
            read = prompt + whole + mark
            over = end == len(rollout.tokens) and rollout.stop == "eos"
            full = tools.context is not None and len(read) + len(answer) > tools.context
            if full or (number and (over or self.task.marks_answer(start.problem, codec.decode(whole)))):
                return
            yield read, answer


def answer_tokens(task: Task, problem: Problem, codec: Codec, *, mark: str = "") -> tuple[Tokens, Tokens]:
    """The tokens of the mark and of the right answer behind it, read as one text where the tokenizer lets them.

    Raises ForageError where the task states no answer, or one without tokens.
    """
    stated = task.stated_answer(problem)
    if stated is None:
        raise ForageError(f"The task {task.name} states no right answer of {problem.id}, so none can be asked for.")
    words, answer = mark or stated[0], stated[1]
    before, whole = codec.encode(words), codec.encode(words + answer)
    together = whole[: len(before)] == before
    behind = whole[len(before) :] if together else codec.encode(answer)
    if not behind:
        raise ForageError(f"The right answer of {problem.id} has no tokens, so it cannot be asked for.")
    return before, behind


def _answer_logprobs(
    states: Sequence[Sequence[tuple[Tokens, Tokens]]], tools: Tools
) -> dict[tuple[Tokens, Tokens], float]:
    """ln pi(answer | what is read) of every different state, in one call of the policy."""
    if tools.policy is None:
        raise ForageError(
            "Progress towards the right answer asks the policy itself, which adapters do not offer inside another "
            "trainer. Use `forage train` for this method."
        )
    asked = list(dict.fromkeys(state for row in states for state in row))
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
