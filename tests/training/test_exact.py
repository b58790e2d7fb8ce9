"""Exact evaluations against sampled ones: one tiny base of the coloring world, both lengths of answers."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

from forage.base_models.colouring import ColoringBase
from forage.base_models.tiny_model import build
from forage.cli import main
from forage.core.errors import ForageError
from forage.engines.local.engine import LocalEngine
from forage.evaluation.evaluation import Evaluation
from forage.evaluation.exact import ExactEvaluation, ExactProblem, exact_table
from forage.tasks.colouring import Answers
from forage.training.checkpoints import evaluate_checkpoint
from forage.training.exact import exact_evaluation

PROBLEMS, SAMPLES = 8, 512
ENGINE = LocalEngine(threads=1, matmul="highest")


@pytest.fixture(scope="module", params=["short", "long"])
def base(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    answers: Answers = request.param
    settings = ColoringBase(
        answers=answers, traces=1600, steps=70, batch=32, layers=1, hidden=32, heads=2, head_dim=16, inner=48
    )
    return build(settings, tmp_path_factory.mktemp("colouring") / answers, progress=False)


def test_sampled_shares_are_within_chance_of_the_exact_ones(base: Path, tmp_path: Path) -> None:
    """Right answers and each mode, on every problem: within four standard errors of the binomial."""
    exact = exact_evaluation(base, problems=PROBLEMS, ks=(1, 4), engine=ENGINE, max_tokens=8)
    (file,) = evaluate_checkpoint(base, problems=PROBLEMS, n=SAMPLES, max_tokens=8, engine=ENGINE, out=tmp_path, seed=5)
    sampled = Evaluation.load(file)
    assert [each.problem for each in exact.problems] == [each.problem for each in sampled.problems]
    for true, drawn in zip(exact.problems, sampled.problems, strict=True):
        assert true.modes is not None
        assert sum(true.modes.values()) == pytest.approx(true.correct)
        pairs = [(true.correct, drawn.correct)]
        pairs += [(chance, drawn.right_answers.get(mode, 0)) for mode, chance in true.modes.items()]
        assert set(drawn.right_answers) <= set(true.modes)
        for chance, count in pairs:
            error = math.sqrt(chance * (1 - chance) / SAMPLES)
            assert abs(count / SAMPLES - chance) < 4 * error + 1 / SAMPLES
    total = sum(each.correct for each in sampled.problems) / SAMPLES / PROBLEMS
    spread = math.sqrt(sum(e.correct * (1 - e.correct) for e in exact.problems) / SAMPLES) / PROBLEMS
    assert abs(total - exact.summary()["pass@1"]) < 4 * spread


def test_the_limit_of_tokens_counts_as_in_sampling(base: Path) -> None:
    """Cut before the end token, a response needs none: more is right. Cut before the answer, nothing is."""
    whole, width = exact_evaluation(base, problems=4, engine=ENGINE), 3 if base.name == "short" else 6
    cut = exact_evaluation(base, problems=4, engine=ENGINE, max_tokens=width)
    assert all(a.correct > b.correct for a, b in zip(cut.problems, whole.problems, strict=True))
    nothing = exact_evaluation(base, problems=4, engine=ENGINE, max_tokens=width - 1)
    assert [each.listed for each in nothing.problems] == [0, 0, 0, 0]
    assert nothing.summary()["pass@64"] == 0
    assert "pcmd" not in nothing.summary()
    assert exact_table([nothing]).rows[0][-1].text == "n/a"


def test_metrics_by_hand() -> None:
    """Chances .3 and .2 of two right modes, and a problem with a single one of .5."""
    two = ExactProblem(problem="two", correct=0.5, listed=1.0, modes={"a": 0.3, "b": 0.2})
    one = ExactProblem(problem="one", correct=0.5, listed=0.9, modes={"a": 0.5})
    found = ExactEvaluation(label="x", split="test", ks=(1, 2), problems=(two, one))
    np.testing.assert_allclose(found.pass_by_problem(), [[0.5, 0.75], [0.5, 0.75]])
    np.testing.assert_allclose(found.distinct_by_problem(), [[0.5, 0.87], [0.5, 0.75]])
    np.testing.assert_allclose(found.pcmd_by_problem(), [0.48, 0])
    assert found.summary()["pcmd"] == pytest.approx(0.24)
    table = exact_table([found])
    assert table.columns == ("policy", "pass@1", "pass@2", "distinct@2", "PCMD")
    assert table.rows[0][3].value == pytest.approx(0.81)


def test_without_modes_there_is_only_pass_at_k() -> None:
    plain = ExactProblem(problem="p", correct=0.25, listed=1.0, modes=None)
    found = ExactEvaluation(label="x", split="test", ks=(2,), problems=(plain,))
    assert set(found.summary()) == {"pass@2", "listed"}
    assert exact_table([found]).columns == ("policy", "pass@2")
    with pytest.raises(ForageError, match="at least 1"):
        ExactEvaluation(label="x", split="test", ks=(0,), problems=(plain,))


@pytest.mark.parametrize("base", ["short"], indirect=True)
def test_the_command_prints_the_table_and_refuses_what_cannot_be_listed(
    base: Path, tiny_base: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shared = ["--exact", "--problems", "4", "--threads", "1", "--k", "1,300", "--json"]
    assert main(["eval", str(base), *shared, "--temperature", "1,0.5"]) == 0
    printed = json.loads(capsys.readouterr().out)["exact"]
    expected = exact_evaluation(base, problems=4, threads=1, ks=(1, 300)).summary()
    assert json.dumps(printed).count("T=0.5") == 1
    assert f"{expected['pass@1']:.4f}"[:5] in json.dumps(printed)
    assert main(["eval", str(tiny_base), *shared]) != 0
    assert "'countdown' cannot list every response" in capsys.readouterr().err
    assert main(["eval", str(base), *shared, "--top-p", "0.9"]) != 0
    assert "leave --top-p and --top-k out" in " ".join(capsys.readouterr().err.split())
