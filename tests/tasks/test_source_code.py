"""A change of the source that judges is noticed: of the function, of what it imports beside it, of forage's own."""

from pathlib import Path

import pytest

from forage.engines.identity import judged_by, sampled_by
from forage.engines.local.engine import LocalEngine
from forage.tasks.countdown import Countdown
from forage.tasks.source_code import module_digest
from forage.tasks.steps import Stepwise
from forage.tasks.table import Table, TableFile
from forage.tasks.verifiers import parse_verifier
from forage.training.recipe import Verifying


def test_the_source_beside_a_verifier_counts_and_nothing_is_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    own, beside, other = (tmp_path / f"{name}.py" for name in ("my_checks_d3", "beside_d3", "other_d3"))
    own.write_text("import beside_d3\nraise SystemExit\ndef is_right(problem, text):\n    return True\n")
    beside.write_text("LIMIT = 1\n")
    other.write_text("LIMIT = 1\n")
    task = Stepwise(task=Table(train=TableFile(path="t"), verifier=parse_verifier("python:my_checks_d3:is_right")))

    def known() -> object:
        return judged_by(task, Verifying())

    first = known()
    assert module_digest("my_checks_d3")
    other.write_text("LIMIT = 2\n")
    assert known() == first
    beside.write_text("LIMIT = 2\n")
    second = known()
    assert second != first
    own.write_text(own.read_text().replace("True", "False"))
    assert known() not in (first, second)
    assert module_digest("no_such_module_d3") == ""


def test_limits_count_where_judging_may_hang() -> None:
    table = Table(train=TableFile(path="t"), verifier=parse_verifier("math"))
    for changed in (Verifying(deadline=1.0), Verifying(memory_mb=64), Verifying(overrun="unjudged")):
        assert judged_by(table, changed) != judged_by(table, Verifying())
        assert judged_by(Countdown(), changed) == judged_by(Countdown(), Verifying())
    assert judged_by(table, Verifying(workers=3)) == judged_by(table, Verifying())
    assert judged_by(table, Verifying())["versions"]["math-verify"]


@pytest.mark.parametrize("changes", [{"dtype": "bfloat16"}, {"stops": ("\n",)}, {"matmul": "medium"}])
def test_what_decides_texts_is_in_the_identity(changes: dict[str, object]) -> None:
    engine = LocalEngine(matmul="highest")
    assert sampled_by(LocalEngine(**{"matmul": "highest", **changes})) != sampled_by(engine)
    assert sampled_by(LocalEngine(matmul="highest", threads=7, rows=3)) == sampled_by(engine)
