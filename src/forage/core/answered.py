"""Whether a response gives an answer: one notion for evaluations, for labels of steps and for what is met again."""

from forage.core.protocols import Task
from forage.core.records import Problem, Score


def answered(task: Task, problem: Problem, text: str, score: Score | None = None) -> bool:
    """Whether the response, or the beginning of one, has given its final answer.

    The part `commit` of its score decides where there is one. Otherwise only a mark of an answer counts
    (`Task.marks_answer`): most verifiers read an answer out of any text, and would call every beginning finished.
    """
    if score is not None and "commit" in score.parts:
        return score.parts["commit"] >= 0.5
    return task.marks_answer(problem, text)
