"""Folders that nobody sane would make, removed."""

import os
from pathlib import Path

import pytest

from forage.verification.sandbox.cleaning import remove_tree


def nested(folder: Path, depth: int) -> None:
    """Folders in folders; deeper than any path can say."""
    here = os.open(folder, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir("a" * 20, dir_fd=here)
        below = os.open("a" * 20, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(os.open("file", os.O_CREAT | os.O_WRONLY, dir_fd=here))
    os.close(here)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "made"
    made.mkdir()
    return made


@pytest.mark.parametrize("depth", [1, 3000])
def test_any_depth(folder: Path, depth: int) -> None:
    nested(folder, depth)
    assert remove_tree(folder)
    assert not folder.exists()


def test_many_deep_branches(folder: Path) -> None:
    """Names that the move upwards would choose itself are taken already, by files, folders and full folders."""
    for name in ("1", "2", "3"):
        (folder / name / "x" / "y").mkdir(parents=True)
        nested(folder / name, 200)
    (folder / "4").write_text("x")
    (folder / "5").mkdir()
    assert remove_tree(folder)


def test_any_names(folder: Path) -> None:
    for name in (b"\xff\xfe", b"new\nline", b"-rf", b"*", b"\x01\x7f", "\u202eright".encode(), b"n" * 255):
        Path(os.fsdecode(os.fsencode(folder) + b"/" + name)).mkdir()
        Path(os.fsdecode(os.fsencode(folder) + b"/" + name + b"/" + name)).write_text("x")
    assert remove_tree(folder)


def test_any_modes(folder: Path) -> None:
    """Also as an ordinary user, for whom a folder without rights is closed."""
    for mode in (0o000, 0o300, 0o500, 0o1777):
        inner = folder / f"{mode:o}" / "inner"
        inner.mkdir(parents=True)
        (inner / "file").write_text("x")
        (inner / "file").chmod(0)
        inner.chmod(mode)
        inner.parent.chmod(mode)
    folder.chmod(0)
    worker = os.fork()
    if worker == 0:
        status = 1
        try:
            os.chdir(folder.parent)  # the folders above are root's, closed to others
            if os.getuid() == 0:
                give_away(folder)
                os.chown(".", 65534, 65534)
                os.setuid(65534)
            status = 0 if remove_tree("made") else 1
        finally:
            os._exit(status)
    assert os.waitpid(worker, 0)[1] == 0
    assert not folder.exists()


def give_away(folder: Path) -> None:
    for place, folders, files in os.walk(folder):
        for path in (place, *(f"{place}/{name}" for name in (*folders, *files))):
            os.chown(path, 65534, 65534)


def test_many_entries(folder: Path) -> None:
    for number in range(20_000):
        os.close(os.open(f"{folder}/{number}", os.O_CREAT | os.O_WRONLY))
    assert remove_tree(folder)


def test_links_and_odd_files_lead_nowhere(folder: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    (outside / "inner").mkdir(parents=True)
    (outside / "inner" / "kept").write_text("x")
    outside.chmod(0o500)
    (folder / "deep" / "er").mkdir(parents=True)
    for place in (folder, folder / "deep", folder / "deep" / "er"):
        (place / "to a folder").symlink_to(outside)
        (place / "to nothing").symlink_to("nowhere")
        (place / "to itself").symlink_to("to itself")
        (place / "up").symlink_to("..")
        os.mkfifo(place / "pipe")
        os.link(outside / "inner" / "kept", place / "hard")
    assert remove_tree(folder)
    assert (outside / "inner" / "kept").read_text() == "x"
    assert outside.stat().st_mode & 0o777 == 0o500


def test_a_link_in_the_place_of_the_folder_is_left(tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "file").write_text("x")
    (tmp_path / "link").symlink_to("kept")
    assert not remove_tree(tmp_path / "link")
    assert (tmp_path / "kept" / "file").exists()


def test_what_is_not_there_is_gone(tmp_path: Path) -> None:
    assert remove_tree(tmp_path / "nothing")
