"""The two rewards of R1-Searcher (arXiv 2503.05592): first for searching at all, then for what the answer is worth."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace

from forage.core.protocols import Reward
from forage.core.records import Rollout, Score
from forage.core.searches import searches, well_formed
from forage.ops.search_rewards import check_search_answer, check_search_call, search_answer_reward, search_call_reward


class SearchStage(Reward):
    """A reward that looks at the searches and the form of a response. What was not judged stays unjudged.

    `Score.parts` holds the number of searches as `searches`, the form as `well_formed`, and what the reward added as
    `search_reward`.
    """

    def __call__(self, rollouts: Sequence[Rollout], scores: Sequence[Score]) -> tuple[Score, ...]:
        return tuple(self._judge(rollout.text, score) for rollout, score in zip(rollouts, scores, strict=True))

    @abstractmethod
    def rewarded(self, score: Score, searched: int, formed: bool) -> Score:
        """A judged score with the value of this stage."""

    def _judge(self, text: str, score: Score) -> Score:
        if not score.judged:
            return score
        searched, formed = searches(text), well_formed(text)
        changed = self.rewarded(score, searched, formed)
        return replace(changed, parts={**changed.parts, "searches": float(searched), "well_formed": float(formed)})


@dataclass(frozen=True, kw_only=True)
class SearchCalls(SearchStage):
    """Stage 1: `retrieval` for searching, `form` for the form, whatever the answer is. The scores are graded."""

    retrieval: float = 0.5
    form: float = 0.5

    def __post_init__(self) -> None:
        check_search_call(self.retrieval, self.form)

    def rewarded(self, score: Score, searched: int, formed: bool) -> Score:
        value = search_call_reward(searched, formed, retrieval=self.retrieval, form=self.form)
        return replace(score.reweighted(value, "search_reward"), graded=True)


@dataclass(frozen=True, kw_only=True)
class SearchAnswers(SearchStage):
    """Stage 2: what the verifier found the answer to be worth, less `penalty` for a wrong form."""

    penalty: float = 2.0

    def __post_init__(self) -> None:
        check_search_answer(self.penalty)

    def rewarded(self, score: Score, searched: int, formed: bool) -> Score:
        return score.reweighted(search_answer_reward(score.value, formed, penalty=self.penalty), "search_reward")
