"""OpenRLHF: this file is a reward function for `--reward.remote_url`.

    export FORAGE_VERIFIER=math
    python -m openrlhf.cli.train_ppo_ray --reward.remote_url "$(python -m forage.adapters.openrlhf)" ...

OpenRLHF asks for one response at a time and has no hook behind its estimator, so siblings, entropies and credit cannot
be seen here. What can be carried is the judging of answers, in a process that can be killed.
"""

import atexit
import functools
import os
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

import torch

from forage.core.errors import ForageError
from forage.core.protocols import Judge
from forage.core.records import Problem
from forage.tasks.verifiers import parse_verifier
from forage.verification.judge import WorkerJudge
from forage.verification.stress.run import Stressed

VERIFIER = "FORAGE_VERIFIER"


def reward_func(queries: Sequence[str], prompts: Sequence[str], labels: Sequence[Any]) -> dict[str, Any]:
    """`{"rewards", "scores", "extra_logs"}` of queries (prompt and response) against their labels, 1 where right.

    The verifier is that of the environment variable FORAGE_VERIFIER ("math" unless set), spelled as for
    `forage train table --verifier`. OpenRLHF cannot leave a response out: one that could not be judged gets 0, which
    `extra_logs["unjudged"]` counts. Raises ForageError where the lists differ in length.
    """
    if not len(queries) == len(prompts) == len(labels):
        raise ForageError(f"There are {len(queries)} queries, {len(prompts)} prompts and {len(labels)} labels.")
    judge = _judge(os.environ.get(VERIFIER, "math"))
    waiting = []
    for query, prompt, label in zip(queries, prompts, labels, strict=True):
        problem = Problem(id=prompt, prompt=prompt, answer=str(label), task="external")
        waiting.append(judge.submit(problem, [query.removeprefix(prompt)]))
    scores = [future.result()[0] for future in waiting]
    value = torch.tensor([score.value for score in scores], dtype=torch.float32)
    unjudged = value.isnan().float()
    value = value.nan_to_num(0.0)
    return {"rewards": value, "scores": value.clone(), "extra_logs": {"unjudged": unjudged}}


@functools.cache
def _judge(verifier: str) -> Judge:
    """One per verifier and process, since a judge that is started for each response would cost more than judging."""
    stack = ExitStack()
    atexit.register(stack.close)
    return stack.enter_context(WorkerJudge(Stressed(verifier=parse_verifier(verifier)), workers=1))


if __name__ == "__main__":
    print(__file__)
