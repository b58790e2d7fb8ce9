"""Small records for tests: problems, rollouts and groups that are complete and say nothing else."""

from collections.abc import Sequence

from forage.core.records import Group, Origin, Problem, Rollout, Score, Start


def problem(name: str = "p", prompt: str = "ab", answer: str = "x") -> Problem:
    return Problem(id=name, prompt=prompt, answer=answer, task="toy")


def rollout(start: Start, tokens: Sequence[int], *, steps: Sequence[int] | None = None, stop: str = "eos") -> Rollout:
    return Rollout(
        start=start,
        tokens=tuple(tokens),
        logprobs=tuple(-0.1 * (i + 1) for i in range(len(tokens))),
        entropies=tuple(0.5 + 0.1 * i for i in range(len(tokens))),
        text=" ".join(map(str, tokens)),
        step_ends=tuple(steps or (len(tokens),)),
        stop="eos" if stop == "eos" else "length",
        version=3,
    )


def group(
    values: Sequence[float], *, lengths: Sequence[int] | None = None, name: str = "p", prefix: tuple[int, ...] = ()
) -> Group:
    """Siblings with the given scores; sibling i has `lengths[i]` tokens (2 unless given)."""
    start = Start(problem(name), prefix, Origin.REPLAY if prefix else Origin.POLICY)
    sizes = lengths or [2] * len(values)
    rollouts = tuple(rollout(start, range(5, 5 + size)) for size in sizes)
    return Group(start, rollouts, tuple(Score(value, {"correct": float(value > 0)}) for value in values))
