import errno
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from forage.core.atomic import new_directory, recover, remove_directory, write_file
from forage.core.errors import ForageError


def names(directory: Path) -> set[str]:
    return {path.name for path in directory.iterdir()}


def refuse(number: int):
    def fsync(descriptor: int) -> None:
        raise OSError(number, os.strerror(number))

    return fsync


def run_and_kill(program: str, directory: Path) -> None:
    """Runs a program that reports when it has come to the dangerous place, and kills it there."""
    command = [sys.executable, "-c", textwrap.dedent(program), str(directory)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"here\n"
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL


def test_a_file_is_created_and_replaced(tmp_path: Path) -> None:
    write_file(tmp_path / "a", b"one")
    write_file(tmp_path / "a", b"two")
    assert (tmp_path / "a").read_bytes() == b"two"
    assert names(tmp_path) == {"a"}


@pytest.mark.parametrize(
    ("number", "words"), [(errno.ENOSPC, "disk is full"), (errno.EDQUOT, "disk is full"), (errno.EIO, "error")]
)
def test_a_disk_that_refuses_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, words: str
) -> None:
    write_file(tmp_path / "a", b"old")
    monkeypatch.setattr(os, "fsync", refuse(number))
    with pytest.raises(ForageError, match=words):
        write_file(tmp_path / "a", b"new")
    assert (tmp_path / "a").read_bytes() == b"old"
    assert names(tmp_path) == {"a"}


def test_a_real_full_disk(tmp_path: Path) -> None:
    (tmp_path / "device").symlink_to("/dev/full")
    with pytest.raises(ForageError, match="disk is full"), new_directory(tmp_path / "d"):
        (tmp_path / "device").write_bytes(b"x")
    (tmp_path / "device").unlink()
    assert names(tmp_path) == set()


def test_libraries_that_report_a_full_disk_as_text(tmp_path: Path) -> None:
    with pytest.raises(ForageError, match="disk is full"), new_directory(tmp_path / "d"):
        raise Exception("No space left on device (os error 28)")
    with pytest.raises(KeyError), new_directory(tmp_path / "d"):
        raise KeyError("a bug stays a bug")
    assert names(tmp_path) == set()


def test_folders_are_made_and_an_impossible_one_is_a_sentence(tmp_path: Path) -> None:
    write_file(tmp_path / "new" / "folder" / "a", b"text")
    assert (tmp_path / "new" / "folder" / "a").read_bytes() == b"text"
    with pytest.raises(ForageError, match="could not be written"):
        write_file(tmp_path / "new" / "folder" / "a" / "b", b"")


def test_a_directory_appears_whole(tmp_path: Path) -> None:
    with new_directory(tmp_path / "deep" / "d") as directory:
        (directory / "sub").mkdir()
        (directory / "sub" / "a").write_text("one")
        assert not (tmp_path / "deep" / "d").exists()
    assert (tmp_path / "deep" / "d" / "sub" / "a").read_text() == "one"
    assert names(tmp_path / "deep") == {"d"}


def test_a_directory_is_replaced_only_on_request(tmp_path: Path) -> None:
    for text, replace in (("one", False), ("two", True)):
        with new_directory(tmp_path / "d", replace=replace) as directory:
            (directory / "a").write_text(text)
    with pytest.raises(ForageError), new_directory(tmp_path / "d") as directory:
        (directory / "a").write_text("three")
    assert (tmp_path / "d" / "a").read_text() == "two"
    assert names(tmp_path) == {"d"}


def test_a_killed_file_writer_leaves_the_old_file(tmp_path: Path) -> None:
    write_file(tmp_path / "a", b"old")
    write_file(tmp_path / ".keep.partial", b"not ours: the name has no random part")
    run_and_kill(
        """
        import os, sys, time, pathlib
        from forage.core import atomic
        def stop(descriptor):
            print("here", flush=True)
            time.sleep(60)
        os.fsync = stop
        atomic.write_file(pathlib.Path(sys.argv[1]) / "a", b"new")
        """,
        tmp_path,
    )
    assert (tmp_path / "a").read_bytes() == b"old"
    assert len(names(tmp_path)) == 3
    recover(tmp_path, "b")  # what belongs to another file is left alone
    assert len(names(tmp_path)) == 3
    recover(tmp_path)
    assert names(tmp_path) == {"a", ".keep.partial"}


def test_killed_between_the_renames_the_old_directory_comes_back(tmp_path: Path) -> None:
    with new_directory(tmp_path / "d") as directory:
        (directory / "a").write_text("old")
    run_and_kill(
        """
        import os, sys, time, pathlib
        from forage.core import atomic
        rename, count = pathlib.Path.rename, [0]
        def once(self, target):
            count[0] += 1
            if count[0] == 2:
                print("here", flush=True)
                time.sleep(60)
            return rename(self, target)
        pathlib.Path.rename = once
        with atomic.new_directory(pathlib.Path(sys.argv[1]) / "d", replace=True) as directory:
            (directory / "a").write_text("new")
        """,
        tmp_path,
    )
    assert not (tmp_path / "d").exists()
    recover(tmp_path)
    assert (tmp_path / "d" / "a").read_text() == "old"
    assert names(tmp_path) == {"d"}


def test_recovering_where_nothing_is(tmp_path: Path) -> None:
    recover(tmp_path / "nowhere")
    assert names(tmp_path) == set()


def test_removing(tmp_path: Path) -> None:
    with new_directory(tmp_path / "d"):
        pass
    remove_directory(tmp_path / "d")
    assert names(tmp_path) == set()
    with pytest.raises(ForageError, match="could not be removed"):
        remove_directory(tmp_path / "d")
