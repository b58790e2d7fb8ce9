"""What a confined process can still do, tried in one."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from forage.verification.sandbox import KEPT_GROUP, KEPT_SIGNALS, KEPT_WRITES, NO_NETWORK, OWN_TREE, PROTECTIONS

PROGRAM = """
import json, os, signal, socket, subprocess, sys, threading
from pathlib import Path
from forage.verification.sandbox import confine, enter_own_tree
inside, outside, victim, tree = sys.argv[1:]
own_tree = tree == "tree" and enter_own_tree()
active = confine(inside, own_tree=own_tree)

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

found = {
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


@pytest.mark.parametrize("tree", ["tree", "no tree"])
def test_what_is_given_up_is_gone(tmp_path: Path, tree: str) -> None:
    """Also without namespaces, which some administrators switch off: Landlock and seccomp hold by themselves."""
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    inside.mkdir()
    outside.mkdir()
    (outside / "kept").write_text("x")
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
    if KEPT_WRITES in active:
        assert found["write outside"] == found["delete outside"] == "PermissionError"
        assert (outside / "kept").exists()
    if NO_NETWORK in active:
        assert found["connect"] in ("PermissionError", "OSError")
    if KEPT_SIGNALS in active:
        assert found["signal"] in ("PermissionError", "ProcessLookupError")
        assert alive
    if KEPT_GROUP in active:
        assert found["session"] == "PermissionError"
    assert (OWN_TREE in active) <= (tree == "tree")
