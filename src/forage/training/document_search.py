"""Search for an answer in which documents are never read, only asked what they say of a step (RAG-Star, 2412.12881).

All problems move on together: a round writes one response to each of them, from where its tree sends it.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property

from forage.core.protocols import Task, Tools
from forage.core.records import Completion, Problem, SamplingParams, Start
from forage.core.searches import END_QUERY, last_query
from forage.core.seeds import derive_seed
from forage.ops.search_rewards import retrieval_reward
from forage.parts.explore.rollouts import to_request
from forage.parts.values.claim_tree import (
    ClaimNode,
    ClaimSearch,
    JudgedResponse,
    JudgedStep,
    chosen,
    descend,
    grow,
)
from forage.tasks.search import SearchEnvironment
from forage.tasks.search.evidence import SUPPORT, Claim, ClaimJudge, Judgment, judged

Scored = tuple[JudgedStep, ...]


@dataclass
class AnswerSearch:
    """The search of one answer: its tree, what was written, and how many tokens that took."""

    start: Start
    root: ClaimNode = field(default_factory=ClaimNode)
    responses: list[JudgedResponse] = field(default_factory=list)
    tokens: int = 0
    settled: bool = False

    @property
    def answer(self) -> JudgedResponse:
        """The response that is handed in."""
        return self.responses[chosen(self.responses)]


@dataclass(frozen=True)
class StepReader:
    """Reads a response as claims and lets the documents judge them, each claim once.

    A step asks what it writes as a query (`core/searches.py`) and answers what stands behind that; one without a query
    asks the problem's question. The last step asks that too, and answers what the task reads as the answer.
    """

    task: Task
    tools: Tools
    documents: SearchEnvironment
    judge: ClaimJudge
    refine: bool = False

    def read(self, problem: Problem, before: Scored, completion: Completion, *, room: int) -> JudgedResponse:
        """The response that goes on behind the last of the steps `before`, which were judged when they were written."""
        codec = self.tools.codec
        begin = len(before[-1].prefix) if before else 0
        tokens = (before[-1].prefix if before else ()) + completion.tokens
        text, pieces = codec.decode(tokens), codec.pieces(tokens)
        ends = [end for end in self.task.step_ends(pieces) if end > begin]
        spoken = [end for end in ends if "".join(pieces[end:]).strip()]  # what follows the last words belongs to them
        steps = list(before)
        for end in [*spoken, len(tokens)]:
            last = end == len(tokens)
            step, judgment = self._step(problem, steps, tokens[:end], begin, last=last)
            refined = self._refined(problem, steps, step, begin, judgment.refined, last=last, room=room)
            steps.append(refined or step)
            if refined is not None and last:
                text = codec.decode(refined.prefix)
            if refined is not None or step.reward == 0:
                return self._response(problem, text, steps, ended=last)
            begin = end
        return self._response(problem, text, steps, ended=True)

    def _response(self, problem: Problem, text: str, steps: Sequence[JudgedStep], *, ended: bool) -> JudgedResponse:
        return JudgedResponse(text=text, steps=tuple(steps), answer=self.task.answer(problem, text), ended=ended)

    def _step(
        self, problem: Problem, before: Sequence[JudgedStep], prefix: tuple[int, ...], begin: int, *, last: bool
    ) -> tuple[JudgedStep, Judgment]:
        """The step that the tokens end with, from `begin`, and what the judge says of it."""
        written = self.tools.codec.decode(prefix[begin:])
        asked, answered = last_query(written) or problem.question, written.rpartition(END_QUERY)[2].strip()
        if last:
            asked, answered = problem.question, self.task.answer(problem, self.tools.codec.decode(prefix)) or ""
        history = tuple((step.asked, step.answered) for step in before)
        claim = Claim(question=problem.question, asked=asked, answered=answered, before=history)
        judgment = self._judged(claim)
        reward = retrieval_reward(judgment.consistent, SUPPORT[judgment.evidence])
        return JudgedStep(prefix=prefix, asked=asked, answered=answered, reward=reward), judgment

    def _refined(
        self,
        problem: Problem,
        before: Sequence[JudgedStep],
        step: JudgedStep,
        begin: int,
        answer: str,
        *,
        last: bool,
        room: int,
    ) -> JudgedStep | None:
        """The step with the documents' answer, judged anew; None where it stays as it is.

        It stays where the answer is not written out in it as it was read, and where the new text would not fit.
        """
        if not (self.refine and answer and step.answered and step.reward):
            return None
        codec = self.tools.codec
        written = codec.decode(step.prefix[begin:])
        places = [*re.finditer(rf"(?<!\w){re.escape(step.answered)}(?!\w)", written, re.IGNORECASE)]
        if not places:
            return None
        text = written[: places[-1].start()] + answer + written[places[-1].end() :]
        prefix = step.prefix[:begin] + codec.encode(text)
        if len(prefix) >= room:
            return None
        return self._step(problem, before, prefix, begin, last=last)[0]

    @cached_property
    def _judged(self) -> Callable[[Claim], Judgment]:
        return cache(lambda claim: judged(self.judge, claim, self.documents.find(claim.asked)))


def search(
    plan: ClaimSearch,
    starts: Sequence[Start],
    reader: StepReader,
    params: SamplingParams,
    *,
    seed: int,
) -> list[AnswerSearch]:
    """One search from every start, which has no prefix, in order. An environment of the task answers nothing.

    What is drawn depends on the seed, the start and the number of the round alone.
    """
    searches = [AnswerSearch(start) for start in starts]
    tools = reader.tools
    for number in range(plan.responses):
        going = [each for each in searches if not each.settled]
        paths = [descend(each.root, plan) for each in going]
        requests = [
            to_request(
                each.start,
                tools,
                params,
                group_size=1,
                seed=derive_seed(seed, *each.start.seed_parts, "round", number),
                after=_steps(path)[-1].prefix if len(path) > 1 else (),
            )
            for each, path in zip(going, paths, strict=True)
        ]
        for place, (completion,) in sorted(tools.sampler.sample(requests, params), key=lambda numbered: numbered[0]):
            each, path = going[place], paths[place]
            response = reader.read(each.start.problem, _steps(path), completion, room=params.max_tokens)
            grow(path, response)
            each.responses.append(response)
            each.tokens += len(completion.tokens)
            each.settled = plan.stop and response.settles
    return searches


def _steps(path: Sequence[ClaimNode]) -> Scored:
    return tuple(node.step for node in path if node.step is not None)
