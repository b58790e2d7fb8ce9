"""One step of reinforcement learning, on one page. Read this first; no method is named here.

starts -> rollouts -> scores -> groups -> [collate: the door to tensors] -> signals -> credit -> weights
"""

import time
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace

from forage.core.batch import TrainBatch
from forage.core.collate import collate, with_entropy
from forage.core.demonstrations import with_demonstrations
from forage.core.protocols import Memory, Policy, Tools
from forage.core.records import Group, Start
from forage.core.seeds import derive_seed
from forage.evaluation.metrics.rollout_metrics import rollout_metrics
from forage.parts.signals import measure, signal_metrics
from forage.parts.values import Metered
from forage.training.recipe import Recipe
from forage.training.watch import Watch


@dataclass
class Run:
    """What changes (weights, memory) and what may be used (tools). `finishing` guards the changes that a step makes."""

    recipe: Recipe
    policy: Policy
    memory: Memory
    tools: Tools
    meter: Metered  # the sampler of `tools`: it counts the tokens of rollouts, and those that values cost
    finishing: AbstractContextManager[object]
    tokens: int = field(default=0)
    watch: Watch = field(default_factory=Watch)


@dataclass(frozen=True)
class StepReport:
    """What a step did: its metrics, and the records behind them."""

    metrics: Mapping[str, float]
    groups: tuple[Group, ...]
    train: TrainBatch


def step(run: Run, number: int) -> StepReport:
    """Samples, judges, credits and learns once. `number` counts from 1 and seeds everything random in the step."""
    recipe, began = run.recipe, time.perf_counter()
    seed = derive_seed(recipe.seed, "step", number)
    run.tools.value_cache.clear()  # values of states are of this step

    tried = list(sample_groups(run, number, seed))  # everything, in order
    sampled = run.memory.marked(tried, step=number)  # next to what the memory holds
    groups = select(sampled, recipe)  # what is learned from
    batch = with_entropy(collate(groups, run.tools.codec.prompt), run.policy.measure)  # ---- the door ----
    experience = measure(groups, batch, recipe.needs, recipe.signals, run.tools, seed=seed)
    train = recipe.credit(experience)  # advantages (B, T), settled
    prompt, given, look = run.tools.codec.prompt, run.tools.given, run.policy.measure
    train = with_demonstrations(train, groups, run.memory, prompt, given, look)  # nobody's samples
    memory_metrics = run.memory.observe(sampled, recipe.task, run.tools, recipe.sampling, step=number, seed=seed)
    with run.finishing:
        update = run.policy.improve(train, recipe.loss, seed=seed)  # weights change here
        run.memory.record(sampled, step=number)  # memory changes here
        run.tokens += run.meter.take()

    metrics = {"step": number, "seconds": time.perf_counter() - began, "tokens": run.tokens}
    seen = rollout_metrics(sampled, modes=recipe.task.has_modes) | signal_metrics(recipe.signals, sampled, run.tools)
    metrics |= {**seen, **memory_metrics, **update}
    for sentence in run.watch.note(metrics):
        warnings.warn(sentence, stacklevel=2)
    return StepReport(metrics, tuple(groups), train)


def sample_groups(run: Run, number: int, seed: int) -> Iterator[Group]:
    """Rollouts from the memory's starts, judged; asks for more while the recipe wants more groups that are divided."""
    goal, missing = run.recipe.grouping, run.recipe.grouping.groups
    for attempt in range(goal.max_rounds):
        starts = distinct(run.memory.draw(missing, step=number))
        for group in run.tools.share(explore_and_score, starts, run, derive_seed(seed, "round", attempt)):
            missing -= group.divided or not goal.require_variance
            yield group
        if missing == 0:
            return


def distinct(starts: Iterable[Start]) -> list[Start]:
    """The starts, those of one state numbered: drawn with one seed their responses would be the same."""
    met: Counter[str] = Counter()
    numbered = []
    for start in starts:
        numbered.append(replace(start, draw=met[start.key]) if met[start.key] else start)
        met[start.key] += 1
    return numbered


def explore_and_score(starts: Sequence[Start], run: Run, seed: int) -> list[Group]:
    """Siblings of every start and their scores. Verification overlaps sampling: siblings are judged as they finish."""
    recipe, pending = run.recipe, []
    many, params = recipe.grouping.group_size, recipe.sampling
    for order, rollouts in recipe.explore(starts, recipe.task, run.tools, group_size=many, params=params, seed=seed):
        verdict = run.tools.judge.submit(rollouts[0].start.problem, [rollout.text for rollout in rollouts])
        pending.append((order, rollouts, verdict))
    groups = []
    for _, rollouts, verdict in sorted(pending, key=lambda item: item[0]):
        scores = verdict.result()
        for reward in recipe.rewards:
            scores = reward(rollouts, scores)
        groups.append(Group(rollouts[0].start, rollouts, scores))
    return groups


def select(sampled: Sequence[Group], recipe: Recipe) -> list[Group]:
    """The groups a step learns from: where the recipe wants that the divided ones, topped up to the full number."""
    if not recipe.grouping.require_variance:
        return list(sampled)
    ranked = sorted(range(len(sampled)), key=lambda index: (not sampled[index].divided, index))
    return [sampled[index] for index in sorted(ranked[: recipe.grouping.groups])]
