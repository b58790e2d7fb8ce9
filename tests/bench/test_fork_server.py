"""Processes that are forked from one that is ready: each like a process of its own, and none outlives the server."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from forage.bench.fork_server import PROGRAM, CommandProcess, ForkServer
from forage.core.errors import ForageError

SCRIPT = """
import os, sys, time
from forage.bench import fork_server
fork_server.LOADED = ()
(words,) = fork_server.serve()
match words:
    case ["say", what]:
        print(what, os.getcwd(), os.environ.get("SEEN"), os.getppid() == int(os.environ["SERVER"]), flush=True)
    case ["leave", code]:
        sys.exit(int(code))
    case ["sleep"]:
        print("asleep", flush=True)
        time.sleep(600)
    case ["break"]:
        raise KeyError("broken")
"""


@pytest.fixture(scope="module")
def server() -> Iterator[ForkServer]:
    server = ForkServer(SCRIPT)
    yield server
    server.close()


def test_a_new_python_serves_the_commands_of_forage(tmp_path: Path) -> None:
    """The program of the server itself; tests import what it has loaded beforehand wherever they fork."""
    server = ForkServer(f"from forage.bench import fork_server\nfork_server.LOADED = ()\n{PROGRAM}")
    assert server.start([["methods", "grpo"], ["methods", "ppo"]], tmp_path / "log").wait(60) == 0
    server.close()
    said = (tmp_path / "log").read_text()
    assert said.index("grpo  algorithm") < said.index("ppo  algorithm")


def asleep(server: ForkServer, log: Path) -> CommandProcess:
    process, until = server.start([["sleep"]], log), time.monotonic() + 60
    while not (log.exists() and "asleep" in log.read_text()):
        assert process.poll() is None
        assert time.monotonic() < until
        time.sleep(0.01)
    return process


def test_messages_folder_and_variables_are_those_that_were_asked_for(
    server: ForkServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    log = tmp_path / "log"
    log.write_text("before\n")
    settings = {"SEEN": "yes", "SERVER": str(server.pid)}
    assert server.start([["say", "first"]], Path("log"), settings).wait(60) == 0
    assert log.read_text() == f"before\nfirst {tmp_path} yes True\n"
    monkeypatch.setenv("SEEN", "later")
    assert server.start([["say", "second"]], log, {"SERVER": str(server.pid)}).wait(60) == 0
    assert log.read_text().endswith(f"second {tmp_path} later True\n")


def test_how_a_process_ended_is_told(server: ForkServer, tmp_path: Path) -> None:
    several = [server.start([["leave", str(code)]], tmp_path / "log") for code in (0, 3, 130)]
    assert [process.wait(60) for process in several] == [0, 3, 130]
    assert [process.poll() for process in several] == [0, 3, 130]
    assert server.start([["break"]], tmp_path / "log").wait(60) == 1
    assert "KeyError: 'broken'" in (tmp_path / "log").read_text()
    for number in (signal.SIGKILL, signal.SIGINT):
        process = asleep(server, tmp_path / f"log{number}")
        with pytest.raises(TimeoutError, match=f"process {process.pid} is still running"):
            process.wait(0.01)
        process.send_signal(number)
        assert process.wait(60) == -number
        process.send_signal(number)  # nobody is there to hear it
    assert "KeyboardInterrupt" in (tmp_path / f"log{signal.SIGINT}").read_text()


def gone(pid: int) -> bool:
    until = time.monotonic() + 20
    while time.monotonic() < until:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        if Path(f"/proc/{pid}/stat").read_text().split()[2] == "Z":
            return True
        time.sleep(0.01)
    return False


def test_ctrl_c_at_a_terminal_does_not_end_the_server(server: ForkServer, tmp_path: Path) -> None:
    os.kill(server.pid, signal.SIGINT)
    assert server.start([["leave", "0"]], tmp_path / "log").wait(60) == 0


@pytest.mark.parametrize("how", ["closed", "killed"])
def test_what_still_runs_ends_with_the_server(tmp_path: Path, how: str) -> None:
    server = ForkServer(SCRIPT)
    process = asleep(server, tmp_path / "log")
    if how == "closed":
        server.close()
    else:
        os.kill(server.pid, signal.SIGKILL)
    assert process.wait(60) == -signal.SIGKILL
    assert gone(process.pid)
    with pytest.raises(ForageError, match="The process that starts others has ended with code"):
        server.start([["leave", "0"]], tmp_path / "log")


def test_a_server_that_cannot_start_says_so(tmp_path: Path) -> None:
    with pytest.raises(ForageError, match="ended with code 1"):
        ForkServer("raise SystemExit(1)").start([["leave", "0"]], tmp_path / "log")
