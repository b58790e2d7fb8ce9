"""What a confined process can still do, tried in one."""

import json
import os
import re
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from forage.verification.sandbox import (
    KEPT_GROUP,
    KEPT_METADATA,
    KEPT_SIGNALS,
    KEPT_WRITES,
    NO_NETWORK,
    OWN_FOLDER,
    OWN_TREE,
    PROTECTIONS,
    seccomp,
)

PROGRAM = """
import ctypes, fcntl, json, os, platform, shutil, signal, socket, subprocess, sys, threading
from pathlib import Path
from forage.verification.sandbox import enter_sandbox, enter_own_tree, mount_folder
inside, outside, victim, tree = sys.argv[1:]
own_tree = tree != "no tree" and enter_own_tree()
own_folder = own_tree and tree == "folder" and mount_folder(inside, size=1 << 20, entries=50)
active = enter_sandbox(inside, own_tree=own_tree, own_folder=own_folder)
kept = Path(outside, "kept")
reading = os.open(kept, os.O_RDONLY)
libc = ctypes.CDLL(None, use_errno=True)

def attempt(action):
    try:
        action()
    except OSError as error:
        return type(error).__name__
    return "done"

def thread():
    worker = threading.Thread(target=lambda: None)
    worker.start()
    worker.join()

def call(x86, arm, *arguments):
    number = x86 if platform.machine() == "x86_64" else arm
    if number is None:
        raise PermissionError("this architecture does not have it")
    if libc.syscall(number, *arguments) < 0:
        raise OSError(ctypes.get_errno(), "refused")

def fill():
    for number in range(10):
        Path(inside, f"large{number}").write_bytes(bytes(200_000))

def crowd():
    for number in range(200):
        Path(inside, f"small{number}").touch()

name, times, here = os.fsencode(kept), (5, 5), -100
flags = bytes(4)
metadata = {
    "chmod": lambda: os.chmod(kept, 0),
    "fchmod": lambda: os.fchmod(reading, 0),
    "chmod by call": lambda: call(90, None, name, 0),
    "fchmodat": lambda: call(268, 53, here, name, 0),
    "fchmodat2": lambda: call(452, 452, here, name, 0, 0),
    "chown": lambda: os.chown(kept, os.getuid(), os.getgid()),
    "lchown": lambda: os.lchown(kept, os.getuid(), os.getgid()),
    "fchown": lambda: os.fchown(reading, os.getuid(), os.getgid()),
    "fchownat": lambda: call(260, 54, here, name, os.getuid(), os.getgid(), 0),
    "utime": lambda: os.utime(kept, times),
    "futimens": lambda: os.utime(reading, times),
    "utime by call": lambda: call(132, None, name, None),
    "utimes": lambda: call(235, None, name, None),
    "futimesat": lambda: call(261, None, here, name, None),
    "setxattr": lambda: os.setxattr(kept, "user.a", b"x"),
    "lsetxattr": lambda: os.setxattr(kept, "user.a", b"x", follow_symlinks=False),
    "fsetxattr": lambda: os.setxattr(reading, "user.a", b"x"),
    "setxattrat": lambda: call(463, 463, here, name, 0, b"user.a", bytes(16), 16),
    "removexattr": lambda: os.removexattr(kept, "user.kept"),
    "lremovexattr": lambda: os.removexattr(kept, "user.kept", follow_symlinks=False),
    "fremovexattr": lambda: os.removexattr(reading, "user.kept"),
    "removexattrat": lambda: call(466, 466, here, name, 0, b"user.kept"),
    "file_setattr": lambda: call(469, 469, here, name, bytes(24), 24, 0),
    "flags": lambda: fcntl.ioctl(reading, 0x40086602, (0x40).to_bytes(4, "little") + flags),
    "project": lambda: fcntl.ioctl(reading, 0x401C5820, bytes(28)),
    "shared memory": lambda: call(29, 194, 7777, 4096, 0o1600),
    "semaphores": lambda: call(64, 190, 7777, 1, 0o1600),
    "messages": lambda: call(68, 186, 7777, 0o1600),
    "message queue": lambda: call(240, 180, b"forage-stress", os.O_CREAT | os.O_RDWR, 0o600, None),
    "anonymous file": lambda: os.memfd_create("a"),
}
metadata = {name: attempt(action) for name, action in metadata.items()}
found = {
    "metadata": metadata,
    "copy inside": attempt(lambda: shutil.copy(Path(inside, "a").touch() or Path(inside, "a"), Path(inside, "b"))),
    "fill": attempt(fill),
    "clean": attempt(lambda: [path.unlink() for path in Path(inside).iterdir()]),
    "crowd": attempt(crowd),
    "clean again": attempt(lambda: [path.unlink() for path in Path(inside).iterdir()]),
    "socket pair": attempt(socket.socketpair),
    "terminal": attempt(lambda: os.isatty(reading)),
    "write inside": attempt(lambda: Path(inside, "a").write_text("x")),
    "write outside": attempt(lambda: Path(outside, "a").write_text("x")),
    "read outside": attempt(lambda: Path(outside, "kept").read_text()),
    "delete outside": attempt(lambda: Path(outside, "kept").unlink()),
    "connect": attempt(lambda: socket.create_connection(("127.0.0.1", 9), timeout=5)),
    "signal": attempt(lambda: os.kill(int(victim), signal.SIGKILL)),
    "session": attempt(os.setsid),
    "child": attempt(lambda: subprocess.run(["true"], check=True)),
    "thread": attempt(thread),
}
print(json.dumps([list(active), found]))
"""


def looks(path: Path) -> tuple[object, ...]:
    """Everything about a file but when it was read."""
    found = path.stat()
    names = os.listxattr(path) if hasattr(os, "listxattr") else []
    return (found.st_mode, found.st_uid, found.st_gid, found.st_mtime_ns, found.st_ctime_ns, tuple(names))


def test_numbers_of_system_calls_are_those_of_the_kernel() -> None:
    """Against the headers, where they are installed: a wrong number refuses something else, and nobody notices."""
    own = Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h"), Path("/usr/include/asm-generic/unistd.h")
    compared = 0
    for column, header in enumerate(own):
        if not header.exists():
            continue
        defined = re.findall(r"#define __NR(?:3264)?_(\w+)\s+(\d+)$", header.read_text(), re.MULTILINE)
        known = {name: int(number) for name, number in defined}
        for name, numbers in seccomp._NUMBERS.items():  # pyright: ignore[reportPrivateUsage]
            if name in known:
                assert numbers[column] == known[name], name
                compared += 1
    if not compared:
        pytest.skip("no headers of the kernel")
    listed = (*seccomp.NEVER, *seccomp.OWNERS, *seccomp.MODES, *seccomp.MEMORY, *seccomp.SIGNALS, *seccomp.PROGRAMS)
    assert set(listed) <= set(seccomp._NUMBERS)  # pyright: ignore[reportPrivateUsage]


@pytest.mark.parametrize("tree", ["folder", "tree", "no tree"])
def test_what_is_given_up_is_gone(tmp_path: Path, tree: str) -> None:
    """Also without namespaces, which some administrators switch off: Landlock and seccomp hold by themselves."""
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    inside.mkdir()
    outside.mkdir()
    kept = outside / "kept"
    kept.write_text("x")
    kept.chmod(0o640)
    os.utime(kept, (1, 1))
    with suppress(OSError):  # a file system without attributes
        os.setxattr(kept, "user.kept", b"x")
    before = looks(kept)
    with subprocess.Popen(["sleep", "100"]) as victim:
        command = [sys.executable, "-c", PROGRAM, str(inside), str(outside), str(victim.pid), tree]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
        alive = victim.poll() is None
        victim.kill()
    active, found = json.loads(done.stdout)
    assert set(active) <= set(PROTECTIONS)
    assert {name: found[name] for name in ("write inside", "read outside", "child", "thread")} == {
        "write inside": "done",
        "read outside": "done",
        "child": "done",
        "thread": "done",
    }
    if KEPT_METADATA in active:
        assert {name for name, outcome in found["metadata"].items() if outcome == "done"} == set()
        assert looks(kept) == before
    assert (OWN_FOLDER in active) <= (tree == "folder")
    if OWN_FOLDER in active:
        assert found["copy inside"] == "done"
        assert found["fill"] == found["crowd"] == "OSError"
    assert found["clean"] == found["clean again"] == found["socket pair"] == found["terminal"] == "done"
    if KEPT_WRITES in active:
        assert found["write outside"] in ("PermissionError", "OSError")  # the latter from a read-only file system
        assert found["delete outside"] in ("PermissionError", "OSError")
        assert (outside / "kept").exists()
    if NO_NETWORK in active:
        assert found["connect"] in ("PermissionError", "OSError")
    if KEPT_SIGNALS in active:
        assert found["signal"] in ("PermissionError", "ProcessLookupError")
        assert alive
    if KEPT_GROUP in active:
        assert found["session"] == "PermissionError"
    assert (OWN_TREE in active) <= (tree != "no tree")
