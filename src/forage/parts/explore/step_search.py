"""Tree search over steps: a step's responses go where the search on the current policy sends them."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field

from forage.core.protocols import Explore, Task, Tools
from forage.core.records import Rollout, SamplingParams, Start
from forage.parts.explore.forks import Fork, sample_forks, sample_roots
from forage.parts.values.step_search import SearchTree, TreeSearch, verdict


@dataclass(frozen=True, kw_only=True)
class StepSearch(Explore):
    """Monte-Carlo tree search over steps (MCTS-DPO, arXiv 2405.00451), all starts at once.

    Each iteration chooses a leaf (`values.step_search`) and samples whole responses from there: the first step of each
    is a next step of the leaf, and the rest is the rollout by which the verifier judges that step. So nothing is
    sampled but responses, at most `group_size` of them, and shared beginnings are sampled once; siblings are no
    independent samples. There are fewer where the search ends before: by its iterations, or because all leaves are
    ends or deep enough.
    """

    search: TreeSearch = field(default_factory=TreeSearch)

    def __call__(
        self, starts: Sequence[Start], task: Task, tools: Tools, *, group_size: int, params: SamplingParams, seed: int
    ) -> Iterator[tuple[int, tuple[Rollout, ...]]]:
        trees = [self.search.open(start.group_size or group_size) for start in starts]
        actions = self.search.actions
        for tree in trees:
            tree.advance()  # to the start
        grown = sample_roots(starts, [actions] * len(starts), task, tools, params, seed=seed)
        searching: Collection[int] = range(len(starts))
        while searching:
            _expand(trees, grown, searching, actions, tools)
            leaves = {order: leaf for order in searching if (leaf := trees[order].advance()) is not None}
            forks = {order: [Fork(max(leaf.row, 0), len(leaf.prefix))] * actions for order, leaf in leaves.items()}
            sample_forks(starts, grown, forks, task, tools, params, seed=seed)
            searching = leaves
        yield from ((order, tuple(rollouts)) for order, rollouts in enumerate(grown))


def _expand(
    trees: Sequence[SearchTree],
    grown: Sequence[Sequence[Rollout]],
    searching: Collection[int],
    actions: int,
    tools: Tools,
) -> None:
    """Gives every search what was sampled for it last, judged; the verifier works on all of it at once."""
    tried = {order: grown[order][-actions:] for order in searching}
    verdicts = {
        order: tools.judge.submit(rollouts[0].start.problem, [each.text for each in rollouts])
        for order, rollouts in tried.items()
    }
    for order, rollouts in tried.items():
        trees[order].expand(rollouts, [verdict(score) for score in verdicts[order].result()])
