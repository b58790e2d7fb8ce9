"""How many answers per second each verifier judges, beside plain math-verify in one process.

    python benchmarks/verifiers.py [--answers 400] [--workers 2]

Right and wrong answers alternate. Mathematics comes in three kinds: integers (judged before math-verify is asked),
fractions and algebra. The first answers, which load what judging needs, are not counted.
"""

import argparse
import logging
import time
from collections.abc import Callable, Sequence

from forage.core.records import Problem
from forage.tasks.verifiers import Verifier, parse_verifier
from forage.tasks.verifiers.unit_tests import Examination
from forage.verification.judge import WorkerJudge
from forage.verification.stress.run import Stressed

Case = tuple[str, str]
"""The right answer, and a response."""


def integers(amount: int) -> list[Case]:
    return [(str(7 * k), f"We get \\boxed{{{7 * k + k % 2}}}.") for k in range(amount)]


def fractions(amount: int) -> list[Case]:
    def case(k: int) -> Case:
        return f"\\frac{{{k}}}{{{k + 1}}}", f"\\boxed{{\\frac{{{2 * k}}}{{{2 * k + 2 + k % 2}}}}}"

    return [case(k) for k in range(1, amount + 1)]


def algebra(amount: int) -> list[Case]:
    return [(f"x^2+{2 * k}x+{k * k}", f"\\boxed{{(x+{k + k % 2})^2}}") for k in range(1, amount + 1)]


def programs(amount: int) -> list[Case]:
    tests = Examination(inputs=tuple([x] for x in range(12)), outputs=tuple(range(1, 25, 2)), entry="f").to_json()
    return [(tests, f"def f(x):\n    return 2 * x + {1 + k % 2}  # {k}\n") for k in range(amount)]


def plain_math_verify(cases: Sequence[Case]) -> float:
    from math_verify import parse, verify

    logging.getLogger("math_verify").setLevel(logging.CRITICAL)

    def judge(case: Case) -> None:
        answer, text = case
        verify(parse(f"${answer}$", parsing_timeout=None), parse(text, parsing_timeout=None), timeout_seconds=None)

    return per_second(cases, lambda chosen: [judge(case) for case in chosen])


def in_workers(verifier: Verifier, cases: Sequence[Case], workers: int) -> float:
    with WorkerJudge(Stressed(verifier=verifier), workers=workers, deadline=60.0) as judge:

        def ask(chosen: Sequence[Case]) -> None:
            problems = [Problem(id=str(k), prompt="", answer=answer, task="b") for k, (answer, _) in enumerate(chosen)]
            futures = [judge.submit(p, [text]) for p, (_, text) in zip(problems, chosen, strict=True)]
            for future in futures:
                future.result()

        return per_second(cases, ask)


def per_second(cases: Sequence[Case], judge: Callable[[Sequence[Case]], object]) -> float:
    warm, rest = cases[:4], cases[4:]
    judge(warm)
    began = time.perf_counter()
    judge(rest)
    return len(rest) / (time.perf_counter() - began)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--answers", type=int, default=400)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    for name, cases in (("integers", integers), ("fractions", fractions), ("algebra", algebra)):
        made = cases(options.answers)
        ours = in_workers(parse_verifier("math"), made, options.workers)
        print(f"{name:10} math-verify {plain_math_verify(made):8.0f}/s   forage {ours:8.0f}/s", flush=True)
    for specification, cases in (("exact", integers), ("numeric", integers), ("unit_tests", programs)):
        rate = in_workers(parse_verifier(specification), cases(options.answers), options.workers)
        print(f"{specification:10} {'':21}   forage {rate:8.0f}/s", flush=True)


if __name__ == "__main__":
    main()
