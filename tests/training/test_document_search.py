"""A search that documents judge, in a world of two questions written by hand."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

import pytest

from forage.core.protocols import Tools
from forage.core.records import Completion, Problem, SampleRequest, SamplingParams, Score, Start
from forage.core.searches import BEGIN_QUERY, END_QUERY
from forage.parts.values.claim_tree import ClaimSearch
from forage.tasks.search import Document, SearchEnvironment
from forage.tasks.search.evidence import Claim, Judgment, WordJudge
from forage.tasks.steps import Stepwise
from forage.training.document_search import AnswerSearch, StepReader, search
from support.builders import problem
from support.readable_codecs import Letters
from support.worlds import World
from tasks.search.test_index import Texts

FACTS = SearchEnvironment(documents=Texts(texts=("lomir pet owl", "owl city rome", "fox city oslo")), results=2)
QUESTION = problem("two", prompt="city of the pet of lomir")


def pair(asked: str, answered: str) -> str:
    return f"{BEGIN_QUERY}{asked}{END_QUERY} {answered}\n"


OWL, FOX = pair("pet of lomir", "owl"), pair("pet of lomir", "fox")
ROME, OSLO = pair("city of owl", "rome"), pair("city of owl", "oslo")


@dataclass(frozen=True, kw_only=True)
class Tagged(World):
    """The answer is the last line, in tags."""

    worth: tuple[tuple[str, float], ...] = ()

    def answer(self, problem: Problem, text: str) -> str | None:
        _, begin, rest = text.rpartition("<answer>")
        return " ".join(rest.removesuffix("</answer>").split()) if begin else None


@dataclass
class Script(Letters):
    """Sampler, codec and judge: a token is a character, and what is written next is named by what stands there."""

    lines: Mapping[str, Sequence[str]]
    version: int = 0
    asked: list[SampleRequest] = field(default_factory=list)
    drawn: Counter[str] = field(default_factory=Counter)

    def prompt(self, problem: Problem) -> tuple[int, ...]:
        return (0,)

    def sample(
        self, requests: Sequence[SampleRequest], params: SamplingParams
    ) -> Iterator[tuple[int, tuple[Completion, ...]]]:
        for number, request in reversed(list(enumerate(requests))):
            self.asked.append(request)
            begun = self.decode(request.tokens[1:])
            offered = self.lines[begun]
            tokens = self.encode(offered[self.drawn[begun] % len(offered)])
            self.drawn[begun] += 1
            yield number, (Completion(tokens, (0.0,) * len(tokens), (0.0,) * len(tokens), "eos"),)

    def submit(self, problem: Problem, texts: Sequence[str]) -> Future[tuple[Score, ...]]:
        raise AssertionError("a search asks the documents, not the verifier")


def searched(
    plan: ClaimSearch, lines: Mapping[str, Sequence[str]], judge: WordJudge | None = None
) -> tuple[AnswerSearch, Script]:
    script = Script(lines)
    task = Stepwise(task=Tagged(), steps="newline")
    reader = StepReader(task, Tools(script, script, script), FACTS, judge or WordJudge(), plan.refine)
    (found,) = search(plan, [Start(QUESTION)], reader, SamplingParams(max_tokens=400), seed=0)
    return found, script


def test_steps_are_read_and_judged_by_hand() -> None:
    """The facts support both steps (3, 3) and say nothing of the whole question (2)."""
    plan = ClaimSearch(responses=1)
    found, _ = searched(plan, {"": [f"{OWL}{ROME}<answer>rome</answer>"]})
    (response,) = found.responses
    assert [(step.asked, step.answered, step.reward) for step in response.steps] == [
        ("pet of lomir", "owl", 3),
        ("city of owl", "rome", 3),
        (QUESTION.question, "rome", 2),
    ]
    assert (response.answer, response.ended, response.reward) == ("rome", True, 8 / 3)
    assert found.tokens == len(f"{OWL}{ROME}<answer>rome</answer>")


def test_a_question_that_does_not_fit_ends_the_reading() -> None:
    found, _ = searched(ClaimSearch(responses=1), {"": [f"{OWL}{pair('weather today', 'rain')}<answer>rome</answer>"]})
    (response,) = found.responses
    assert [step.reward for step in response.steps] == [3, 0]
    assert not response.ended


def test_the_search_goes_deep_where_documents_support() -> None:
    """First two responses from the start, then from the supported `owl` (Q 2) and not from `fox` (Q 4/3)."""
    good, bad = f"{OWL}{OSLO}<answer>oslo</answer>", f"{FOX}{OSLO}<answer>oslo</answer>"
    lines = {"": [bad, good], OWL: [f"{ROME}<answer>rome</answer>"], FOX: [f"{OSLO}<answer>oslo</answer>"]}
    found, script = searched(ClaimSearch(responses=3, exploration=0.5), lines)
    begun = [script.decode(request.tokens[1:]) for request in script.asked]
    assert begun == ["", "", OWL]
    assert [request.begun for request in script.asked] == [0, 0, len(OWL)]
    assert found.answer.answer == "rome"
    assert found.tokens == len(good) + len(bad) + len(f"{ROME}<answer>rome</answer>"), "what is shared costs once"
    assert all("documents" not in response.text for response in found.responses)


def test_a_response_that_is_supported_throughout_ends_the_search() -> None:
    known = f"{OWL}<answer>rome</answer>"
    judge = WordJudge(about=0.1)  # then a fact is also about the whole question
    assert len(searched(ClaimSearch(), {"": [known]}, judge)[0].responses) == 1
    assert len(searched(ClaimSearch(stop=False, responses=5), {"": [known]}, judge)[0].responses) == 5


def test_a_contradicted_answer_is_refined_and_gone_on_from() -> None:
    bad = f"{FOX}{OSLO}<answer>oslo</answer>"
    lines = {"": [bad], FOX: [f"{OSLO}<answer>oslo</answer>"], OWL: [f"{ROME}<answer>rome</answer>"]}
    found, script = searched(ClaimSearch(responses=2, actions=1, refine=True), lines)
    assert [script.decode(request.tokens[1:]) for request in script.asked] == ["", OWL]
    assert [step.reward for step in found.responses[0].steps] == [3], "judged anew, and nothing is kept behind it"
    assert (found.answer.answer, found.answer.reward) == ("rome", 8 / 3)
    assert searched(ClaimSearch(responses=1), lines)[0].answer.answer == "oslo", "only where it is asked for"


def test_a_refined_end_is_another_answer() -> None:
    judge = WordJudge(about=0.1)
    found, _ = searched(ClaimSearch(responses=1, refine=True), {"": ["<answer>blue</answer>"]}, judge)
    assert found.answer.text == "<answer>owl</answer>"
    assert found.answer.settles


@pytest.mark.parametrize(("written", "wanted"), [("We", "owl"), ("sea  blue", "sea  blue"), ("green sea", "owl")])
def test_an_answer_is_refined_where_it_stands_as_it_was_read(written: str, wanted: str) -> None:
    """`we` also stands in `answer`; and of `sea  blue` the answer that is read, `sea blue`, is no part."""
    judge = WordJudge(about=0.1)
    found, _ = searched(ClaimSearch(responses=1, refine=True), {"": [f"<answer>{written}</answer>"]}, judge)
    assert found.answer.text == f"<answer>{wanted}</answer>"


def test_a_claim_is_looked_up_once() -> None:
    seen: list[Claim] = []

    def judge(claim: Claim, passages: Sequence[Document]) -> Judgment:
        seen.append(claim)
        return Judgment(True, "silent")

    script = Script({"": ["<answer>blue</answer>", "<answer>red</answer>"]})
    task = Stepwise(task=Tagged(), steps="newline")
    reader = StepReader(task, Tools(script, script, script), FACTS, judge)
    search(ClaimSearch(responses=6), [Start(QUESTION)], reader, SamplingParams(max_tokens=400), seed=0)
    assert [claim.answered for claim in seen] == ["blue", "red"]
