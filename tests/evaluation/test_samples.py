"""The sample cache: shards round-trip, larger ones serve smaller wishes, damage is found and named."""

import dataclasses
import warnings
from pathlib import Path

import pytest

from forage.core.errors import ForageError
from forage.core.records import Problem
from forage.evaluation.fingerprint import fingerprint
from forage.evaluation.samples import Sample, SampleCache, Shard, shards, storable

PROBLEMS = tuple(Problem(id=f"p{i}", prompt=f"{i} + {i}", answer=str(2 * i), task="sums") for i in range(5))


def fill(shard: Shard) -> tuple[Sample, ...]:
    return tuple(
        Sample(
            problem=problem.id,
            sample=shard.first + index,
            text=f"so {index} \u00e9\n",
            length=index,
            entropy=0.1 * index,
            truncated=index == 0,
            judged=index != 1,
            correct=index == 2,
            committed=index > 1,
            answer=None if index < 2 else str(index),
        )
        for problem in shard.problems
        for index in range(shard.group_size)
    )


@pytest.fixture
def cache(tmp_path: Path) -> SampleCache:
    return SampleCache.open(tmp_path, {"fingerprint": "aa", "seed": 0})


def test_shards_cut_the_work_the_same_way_for_every_n() -> None:
    few = list(shards(PROBLEMS, 5, problems_per_shard=2, group_size=4))
    assert [(shard.first, shard.group_size) for shard in few] == [(0, 4), (4, 1)] * 3
    assert [len(shard.problems) for shard in few] == [2, 2, 2, 2, 1, 1]
    assert sum(map(len, few)) == 25
    more = list(shards(PROBLEMS, 8, problems_per_shard=2, group_size=4))
    assert [shard.name for shard in more] == [shard.name for shard in few]
    with pytest.raises(ForageError, match="at least one problem and one sample, not 0 and 4"):
        list(shards((), 4, problems_per_shard=2, group_size=4))


def test_a_changed_problem_changes_the_name() -> None:
    shard = Shard(PROBLEMS[:2], 0, 4)
    other = (PROBLEMS[0], dataclasses.replace(PROBLEMS[1], answer="3"))
    assert Shard(other, 0, 4).name != shard.name
    assert Shard(PROBLEMS[:2], 4, 4).name != shard.name


def test_round_trip(cache: SampleCache) -> None:
    shard = Shard(PROBLEMS[:2], 4, 4)
    assert cache.read(shard) is None
    cache.write(shard, fill(shard), 2.5)
    assert cache.read(shard) == (fill(shard), 2.5)


def test_a_larger_shard_serves_a_smaller_wish_and_not_the_reverse(cache: SampleCache) -> None:
    large, small = Shard(PROBLEMS[:2], 0, 4), Shard(PROBLEMS[:2], 0, 3)
    cache.write(small, fill(small), 3.0)
    assert cache.read(large) is None
    cache.write(large, fill(large), 4.0)
    assert cache.read(small) == (fill(small), 3.0)


@pytest.mark.parametrize("damage", ["cut", "empty", "bit", "rows", "columns", "text"])
def test_damage_is_found(cache: SampleCache, damage: str) -> None:
    shard = Shard(PROBLEMS[:2], 0, 64)
    cache.write(shard, fill(shard), 1.0)
    path = cache.directory / shard.name
    content = bytearray(path.read_bytes())
    if damage == "cut":
        path.write_bytes(content[: len(content) // 2])
    elif damage == "empty":
        path.write_bytes(b"")
    elif damage == "bit":
        content[len(content) // 4] ^= 1
        path.write_bytes(content)
    elif damage == "rows":
        cache.write(shard, fill(shard)[::-1], 1.0)
    elif damage == "columns":
        import pyarrow as pa
        import pyarrow.parquet as pq

        pq.write_table(pa.table({"problem": ["p0"]}), path)
    else:
        path.write_text("not a table")
    with pytest.warns(
        UserWarning, match=r"cached samples in .*-000000-.*\.parquet are damaged \(.+\); sampling them again"
    ):
        assert cache.read(shard) is None


def test_every_flipped_byte_is_found_or_harmless(cache: SampleCache) -> None:
    shard = Shard(PROBLEMS[:1], 0, 4)
    cache.write(shard, fill(shard), 1.0)
    path = cache.directory / shard.name
    content = path.read_bytes()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for at in range(0, len(content), 7):
            flipped = bytearray(content)
            flipped[at] ^= 0x10
            path.write_bytes(flipped)
            found = cache.read(shard)
            assert found is None or found[0] == fill(shard), at


def test_identities_do_not_share_a_folder(tmp_path: Path) -> None:
    first = SampleCache.open(tmp_path, {"fingerprint": "aa", "seed": 0})
    assert SampleCache.open(tmp_path, {"seed": 0, "fingerprint": "aa"}) == first
    assert SampleCache.open(tmp_path, {"fingerprint": "aa", "seed": 1}) != first
    assert '"fingerprint": "aa"' in (first.directory.parent / "about.json").read_text()


def test_text_that_utf8_cannot_hold_is_mended() -> None:
    assert storable("so \ud83d!") == "so ?!"
    assert storable("so \u00e9") == "so \u00e9"


def test_a_fingerprint_is_of_contents(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    for folder in (one, two):
        folder.mkdir()
        (folder / "model.safetensors").write_bytes(b"weights")
        (folder / "config.json").write_text("{}")
    (two / "report.html").write_text("x")
    (two / "evals").mkdir()
    (two / "evals" / "a.json").write_text("x")
    assert fingerprint(one) == fingerprint(two)
    assert len(fingerprint(one)) == 32
    (two / "model.safetensors").write_bytes(b"weightz")
    assert fingerprint(one) != fingerprint(two)
    (one / "model.safetensors").unlink()
    with pytest.raises(ForageError, match="holds no model weights"):
        fingerprint(one)
