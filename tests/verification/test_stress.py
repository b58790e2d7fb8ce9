"""The stress set that users can run, on a part of it here; `pytest -m slow` judges all of it."""

import pytest

from forage.tasks.verifiers import VERIFIERS, parse_verifier
from forage.verification.judge import active_protections
from forage.verification.sandbox import PROTECTIONS
from forage.verification.stress import StressReport, stress
from forage.verification.stress.mutation import FORKS, mutants
from forage.verification.stress.run import Stressed, hostile_answers, surroundings


def check(report: StressReport) -> None:
    assert report.escaped == ()
    assert [name for finding in report.findings for name in finding.called_right] == []
    assert all(found.wrong + found.unjudged == found.answers for found in report.findings)
    # With so short a deadline, starting processes anew takes longer than the answers: it is counted apart.
    assert (report.hung, report.lost) == (0, 0)
    restarts = sum(sum(found.failures.values()) for found in report.findings)
    assert report.seconds < report.limit + 3 * restarts + 15


def test_the_set_is_large_and_covers_every_verifier() -> None:
    with surroundings() as around:
        answers = hostile_answers(around)
    assert len(answers) >= 200
    assert len({answer.name for answer in answers}) == len(answers)
    assert {answer.verifier.name for answer in answers} == set(VERIFIERS)


def test_a_part_of_the_set_does_no_harm() -> None:
    """Eleven answers to seven verifiers: processes are started for each verifier and after each answer that hangs."""
    report = stress(workers=1, deadline=0.5, every=48)
    check(report)
    assert {finding.verifier for finding in report.findings} == set(VERIFIERS) - {"choice"}


def test_mutants_are_the_same_for_a_seed_and_differ_from_their_parents() -> None:
    with surroundings() as around:
        answers = hostile_answers(around)
        first, again, other = (list(mutants(answers, 120, seed=seed)) for seed in (1, 1, 2))
    assert first == again != other
    assert len(first) == 120
    known = {answer.text for answer in answers}
    assert sum(mutant.text not in known for mutant in first) > 100
    assert len({mutant.verifier.name for mutant in first}) >= 5
    assert all(sum(mutant.text.count(mark) for mark in FORKS) <= 1 for mutant in first)


def test_a_few_mutants_do_no_harm() -> None:
    check(stress(workers=1, deadline=0.5, every=40, mutants=4, seed=3))


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_two_thousand_mutants_do_no_harm() -> None:
    check(stress(workers=2, deadline=1.0, mutants=2000, seed=0))


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_whole_set_is_judged_in_time() -> None:
    report = stress(workers=2, deadline=5.0)
    check(report)
    assert report.passed


def test_protections_have_names_and_are_told() -> None:
    assert set(active_protections(Stressed(verifier=parse_verifier("exact")))) <= set(PROTECTIONS)
