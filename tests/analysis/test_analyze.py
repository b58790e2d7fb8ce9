"""A made-up run through the whole analysis and its command."""

import json
import math
from pathlib import Path

import pytest

from forage.analysis import FILE, Analysis, Grams, analyze
from forage.analysis.measures.reflective import sentences_of
from forage.analysis.measures.responses import read_responses
from forage.analysis.measures.token_classes import word_list
from forage.analysis.tables import sentences_about, tables_of
from forage.analysis.track import repetition, track_point
from forage.cli import main
from forage.core.errors import ForageError
from forage.core.records import Problem
from forage.evaluation.samples import Sample, SampleCache, Shard
from forage.evaluation.texts import sampled_texts
from forage.grams.gram_list import GramCluster, GramList
from forage.store.run_directory import RunDirectory
from report import synthetic
from support.made_responses import words

LAB = GramList(clusters=tuple(GramCluster(grams=(word,)) for word in ("try", "let", "check", "wait", "back", "so")))
STEPS = (10, 20, 30, 40, 50, 60)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    path = synthetic.write_run(tmp_path_factory.mktemp("runs") / "grpo", ["grpo"], 1, steps=60)
    directory = RunDirectory.open(path)
    with directory.lock():
        for step in STEPS[:-1]:
            directory.write_rollouts(step, synthetic.rollout_rows(step, bonus=0.0, seed=step))
    return directory


@pytest.fixture(scope="module")
def found(run: RunDirectory) -> Analysis:
    return analyze(run, grams=Grams(grams=LAB, source="lab"), draws=200)


def test_everything_is_there_and_survives_the_disk(found: Analysis, tmp_path: Path) -> None:
    assert found.step == 60
    assert [point.step for point in found.track] == [point.step for point in found.strategy] == list(STEPS)
    assert found.words.startswith("countdown-1-")
    assert found.base == "this run's step 10"
    assert found.rare is not None
    assert found.phases is not None
    assert found.alarms == ()
    found.save(tmp_path / FILE)
    assert Analysis.load(tmp_path / FILE) == found
    json.loads((tmp_path / FILE).read_text(), parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))


def test_planted_entropies_come_out(found: Analysis) -> None:
    rows = {(row.name, row.tokens): row.contrast for row in found.pivotal}
    operators = rows["operators", "first token"]
    assert operators.mean is not None
    assert operators.mean.estimate == pytest.approx(0.94, abs=0.05)  # the lab's + and - have 0.95, * has 0.9
    assert operators.difference is not None
    assert operators.difference.low > 0.4
    assert found.reflective.difference is not None
    assert found.reflective.difference.high < 0  # checks have 0.2 nats, and few operators


def test_points_are_comparable(found: Analysis) -> None:
    counts = [point.grams for point in found.strategy]
    assert {point.at_total for point in found.strategy} == {min(counts)}
    assert len({point.at_pairs for point in found.strategy}) == 1
    first = found.strategy[0]
    assert first.perplexity_planning is not None
    assert (first.perplexity_planning.estimate, first.perplexity_planning.low) == (1.0, 1.0)
    for point in found.strategy:
        assert point.diversity_at is not None
        assert 0 < point.diversity_at.low < point.diversity_at.estimate < point.diversity_at.high
        assert point.diversity_at.estimate <= math.log(6)
        assert point.following is not None
        assert point.following_any is not None
        assert point.following.estimate <= point.following_any.estimate + 1e-9
        assert point.following.low < point.following.estimate < point.following.high
        assert sum(count for _, count in point.common) == point.grams


def test_tracked_numbers_by_hand() -> None:
    responses = [
        words("So we check. Therefore it holds.", [0.1, 0.1, 0.4, 0.6, 0.2, 0.2], problem="a", correct=1.0),
        words("No idea", [0.3, 0.3], problem="b", correct=0.0),
    ]
    point = track_point(responses, sentences_of(responses), word_list(), step=3, draws=50)
    means = {
        name: getattr(point, name).estimate
        for name in ("entropy", "pivotal", "pivotal_entropy", "reflective", "reflective_entropy", "length", "pass_at_1")
    }
    assert means == pytest.approx(
        {"entropy": 2.2 / 8, "pivotal": 0.5, "pivotal_entropy": 0.6, "reflective": 0.5, "reflective_entropy": 0.2,
         "length": 4, "pass_at_1": 0.5}
    )  # fmt: skip
    assert (point.responses, point.problems, point.k) == (2, 2, 1)


def test_replayed_responses_are_no_attempts_at_the_problem() -> None:
    fresh = [words("no", problem=name, correct=float(name == "a")) for name in "aabb"]
    replayed = [words("yes", problem="b", correct=1.0, replayed=True) for _ in range(6)]
    alone, mixed = (
        track_point(responses, sentences_of(responses), word_list(), step=1, draws=50)
        for responses in (fresh, fresh + replayed)
    )
    assert mixed.pass_at_1 is not None
    assert mixed.pass_at_1.estimate == 0.5
    assert (mixed.k, mixed.pass_at_1, mixed.pass_at_k) == (alone.k, alone.pass_at_1, alone.pass_at_k)
    only = track_point(replayed, sentences_of(replayed), word_list(), step=1, draws=50)
    assert (only.pass_at_1, only.pass_at_k) == (None, None)
    row = {"problem": "b", "pieces": ["x"], "correct": 1.0, "stop": "eos"}
    row |= {name: [0.0] for name in ("entropies", "logprobs", "advantages")}
    assert [r.replayed for r in read_responses([{**row, "prefix": [1]}, {**row, "prefix": []}])] == [True, False]


def test_a_late_beginning_of_relative_perplexity_is_said(found: Analysis) -> None:
    (note,) = (note for note in found.notes if "Relative perplexity" in note)
    assert "against step 10" in note
    assert "`reference`" in note


def test_repetition_by_hand() -> None:
    # 4-grams of a b c d a b c d: abcd bcda cdab dabc abcd, so 4 of 5 are distinct.
    assert repetition("a b c d a b c d") == pytest.approx(0.2)
    assert repetition("a b c") == 0


def test_tables_and_sentences(found: Analysis) -> None:
    entropies, strategies, classes = tables_of(found).values()
    for table in (entropies, strategies, classes):
        assert all(len(row) == len(table.columns) for row in table.rows)
        bare = {"step", "grams", "bins", "class", "n", "share"}
        for row in (row for row in table.rows if row[-1].text):
            shown = [cell.text for name, cell in zip(table.columns, row, strict=True) if name not in bare]
            assert all("[" in text for text in shown), shown
    names = [row[0].text for row in entropies.rows]
    assert "any listed word, shuffled (placebo)" in names
    assert "planning tokens" in names
    cut = next(row for row in entropies.rows if row[0].text == "tokens of responses cut off")
    assert cut[1].text == "0"
    assert cut[3].text == ""
    assert any("6 grams allow at most 1.79 nats" in note for note in strategies.notes)
    assert any("10% would be no change" in sentence for sentence in sentences_about(found))


def test_without_grams_and_without_a_base(run: RunDirectory) -> None:
    found = analyze(run, step=10, draws=50)
    assert found.strategy == ()
    assert found.phases is None
    assert found.rare is None
    assert len(found.notes) == 2
    assert len(tables_of(found)) == 1


def test_a_base_that_is_a_run_or_a_folder(run: RunDirectory, tmp_path: Path) -> None:
    against = analyze(run, base=run.path, draws=50)
    assert against.base == str(run.path)
    assert against.rare is not None
    rows = synthetic.rollout_rows(1, bonus=0.0, seed=99)
    cache = SampleCache.open(tmp_path / "evals" / "samples", {"params": {"temperature": 1.0}})
    for row in rows:
        problem = Problem(id=f"{row['group']}", prompt="use", answer="", task="countdown")
        sample = Sample(
            problem=problem.id, sample=row["sibling"], text=row["text"], length=9, entropy=1.0, truncated=False,
            judged=True, correct=True, committed=True, answer="1",
        )  # fmt: skip
        cache.write(Shard((problem,), row["sibling"], 1), [sample], 1.0)
    assert len(list(sampled_texts(tmp_path / "evals" / "samples"))) == len(rows)
    assert list(sampled_texts(tmp_path / "evals" / "samples", temperature=0.5)) == []
    folder = analyze(run, base=tmp_path, draws=50)
    assert folder.rare is not None
    assert folder.rare.base_sentences > 20
    next(tmp_path.rglob("*.parquet")).write_bytes(b"broken")
    with pytest.raises(ForageError, match="cannot be read"):
        analyze(run, base=tmp_path, draws=50)


def test_bases_that_are_nothing(run: RunDirectory, tmp_path: Path) -> None:
    with pytest.raises(ForageError, match="not a directory"):
        analyze(run, base=tmp_path / "nowhere", draws=10)
    with pytest.raises(ForageError, match="forage eval"):
        analyze(run, base=tmp_path, draws=10)


def test_the_command(run: RunDirectory, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "grams.json"
    path.write_text(LAB.to_json())
    assert main(["analyze", str(run.path), "--grams", str(path), "--draws", "50", "--word-classes", "english"]) == 0
    out, err = capsys.readouterr()
    assert "any listed word" in out
    assert "Saved:" in err
    saved = Analysis.load(run.path / FILE)
    assert saved.words.startswith("english-")
    assert saved.grams is not None
    assert saved.grams.id == LAB.id
    assert main(["analyze", str(run.path), "--grams", str(path), "--draws", "50", "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert {"entropy", "strategy", "classes"} <= printed.keys()
    assert len(printed["strategy"]["rows"]) == len(STEPS)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(["--step", "7"], "no rollouts of step 7"), (["--grams", "none.json"], "There is no gram list"),
     (["--word-classes", "x"], "no word list")],
)  # fmt: skip
def test_wrong_arguments_are_one_sentence(
    run: RunDirectory, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["analyze", str(run.path), *arguments]) == 2
    assert message in capsys.readouterr().err


def test_a_run_without_rollouts(tmp_path: Path) -> None:
    with pytest.raises(ForageError, match="kept no rollouts"):
        analyze(RunDirectory.create(tmp_path / "run", synthetic.recipe(["grpo"], 1)))


def test_a_broken_record(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text('{"part": "forage.analysis.record.Analysis"}')
    with pytest.raises(ForageError, match="forage analyze"):
        Analysis.load(tmp_path / FILE)
