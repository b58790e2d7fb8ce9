"""Work on a bare model folder goes on with the matrix product that it was begun with, whatever is faster by then."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from forage.engines.identity import as_begun, sampled_by, work_below
from forage.engines.local import engine as engine_module
from forage.engines.local.engine import LocalEngine
from forage.engines.local.numerics import MatmulChoice, choose_matmul
from forage.evaluation.evaluation import Evaluation
from forage.reward_models.prm.label import Labeling
from forage.reward_models.prm.labeling import label_checkpoint
from forage.training.checkpoints import evaluate_checkpoint

Faster = Callable[[str], None]


@pytest.fixture
def faster(monkeypatch: pytest.MonkeyPatch) -> Iterator[Faster]:
    """Says which product is measured to be faster from now on."""

    def choose(name: str) -> None:
        def chosen(**_: object) -> MatmulChoice:
            return choose_matmul(force=name)  # pyright: ignore[reportArgumentType]

        monkeypatch.setattr(engine_module, "choose_matmul", chosen)

    yield choose
    choose_matmul(force="highest")


def interrupted(done: int, total: int, what: str = "") -> None:
    if done > 0:
        raise KeyboardInterrupt


def test_an_interrupted_evaluation_of_a_model_folder_goes_on_as_it_began(
    tiny_base: Path, tmp_path: Path, faster: Faster
) -> None:
    def evaluate(out: str, n: int = 4, **more: object) -> Evaluation:
        asked = {"problems": 20, "n": n, "max_tokens": 8, "threads": 1, "out": tmp_path / out, **more}
        return Evaluation.load(evaluate_checkpoint(tiny_base, **asked)[0])  # pyright: ignore[reportArgumentType]

    faster("medium")
    with pytest.raises(KeyboardInterrupt):
        evaluate("home", on_progress=interrupted)
    faster("highest")
    assert evaluate("home").sampled_by["matmul"] == "medium"
    assert evaluate("home", 8).sampled_by["matmul"] == "medium", "more samples belong to the first ones"
    assert len(list((tmp_path / "home/evals/samples").iterdir())) == 1
    assert evaluate("other").sampled_by["matmul"] == "highest"


def test_an_interrupted_labeling_by_a_model_folder_goes_on_as_it_began(
    tiny_base: Path, tmp_path: Path, faster: Faster
) -> None:
    def label(**more: object) -> None:
        plan = Labeling(solutions=1, continuations=1)
        asked = {"plan": plan, "problems": 9, "max_tokens": 12, "threads": 1, "out": tmp_path / "labels", **more}
        label_checkpoint(tiny_base, **asked)  # pyright: ignore[reportArgumentType]

    faster("medium")
    with pytest.raises(KeyboardInterrupt):
        label(on_progress=interrupted)
    faster("highest")
    label()
    (about,) = work_below(tmp_path / "labels/shards")
    assert (about["solved_by"]["matmul"], about["completed_by"]["matmul"]) == ("medium", "medium")


def test_only_work_of_an_equal_engine_is_gone_on_with(tmp_path: Path) -> None:
    begun = sampled_by(LocalEngine(matmul="medium"))
    assert as_begun(LocalEngine(), [None, begun]).matmul == "medium"
    assert as_begun(LocalEngine(matmul="highest"), [begun]).matmul == "highest"
    assert as_begun(LocalEngine(stops=("\n",)), [begun]).matmul == "auto"
    assert as_begun(LocalEngine(), [{**begun, "matmul": "of another version"}]).matmul == "auto"
    (tmp_path / "torn").mkdir()
    (tmp_path / "torn/about.json").write_text('{"sampled_by"')
    (tmp_path / "whole").mkdir()
    (tmp_path / "whole/about.json").write_text(json.dumps({"sampled_by": begun}))
    assert work_below(tmp_path) == [{"sampled_by": begun}]
