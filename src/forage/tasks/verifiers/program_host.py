"""Runs programs that nobody has read: `python -m forage.tasks.verifiers.program_host`, the child of a verifier process.

For every line of JSON `[source, entry, inputs, seconds, memory_mb]` it forks a process of its own, which gives up
nearly everything, runs the program and says what came out; one line of JSON answers. What the right results are never
comes here: a program that looks around finds the inputs, and nothing to copy from. `unit_tests.py` is the other end.
"""

import gc
import io
import json
import os
import pkgutil  # noqa: F401  (runpy wants it: loaded here once, not in every process)
import resource
import runpy
import sys
import sysconfig
import tempfile
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from forage.verification.sandbox import refuse_system_calls
from forage.verification.sandbox.cleaning import remove_tree
from forage.verification.sandbox.landlock import keep_writes_in

OUTPUT_LIMIT = 1 << 20
"""Bytes that a program may say."""

FILE_LIMIT = 1 << 20
OPEN_FILES = 32

RESULTS = 3
"""The one descriptor that a program's process holds."""


def main() -> None:
    _library()
    gc.freeze()
    requests, replies = sys.stdin.buffer, os.dup(1)
    os.dup2(2, 1)
    host = tempfile.mkdtemp(prefix="programs-")
    while line := requests.readline():
        source, entry, inputs, seconds, memory_mb = json.loads(line)
        if entry is None:
            outcomes = [run(host, source, None, [text], seconds, memory_mb) for text in inputs]
            reply: Any = [[result for outcome, _ in outcomes for result in (outcome or [None])]]
            reply.append(max((how for _, how in outcomes), default=0))
        else:
            reply = run(host, source, entry, inputs, seconds, memory_mb)
        write(replies, json.dumps(reply).encode() + b"\n")


def run(
    host: str, source: str, entry: str | None, inputs: list[Any], seconds: int, memory_mb: int
) -> tuple[list[Any], int]:
    """What the program made of each input, as far as it came, and how its process ended: the signal's number or 0."""
    directory = tempfile.mkdtemp(dir=host)
    receive, send = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            limit(directory, seconds, memory_mb, send)
            behave(directory, source, entry, inputs)
        finally:
            os._exit(0)
    os.close(send)
    output = read(receive)
    os.close(receive)
    _, status = os.waitpid(child, 0)
    remove_tree(directory)
    return [_loaded(line) for line in output.splitlines()[: len(inputs)]], os.WTERMSIG(status)


def limit(directory: str, seconds: int, memory_mb: int, send: int) -> None:
    """Takes from this process whatever a function of numbers and strings does not need; `send` becomes `RESULTS`."""
    os.chdir(directory)
    nothing = os.open(os.devnull, os.O_RDWR)
    results = os.dup(send)
    for descriptor in (0, 1, 2):
        os.dup2(nothing, descriptor)
    os.dup2(results, RESULTS)
    os.closerange(RESULTS + 1, 1 << 16)  # nothing of what the host reads and writes may be found here
    os.environ.clear()
    for kind, amount in (
        (resource.RLIMIT_CPU, seconds),
        (resource.RLIMIT_AS, _address_space() + (memory_mb << 20)),
        (resource.RLIMIT_FSIZE, FILE_LIMIT),
        (resource.RLIMIT_NOFILE, OPEN_FILES),
        (resource.RLIMIT_CORE, 0),
    ):
        hard = resource.getrlimit(kind)[1]
        amount = amount if hard == resource.RLIM_INFINITY else min(amount, hard)
        resource.setrlimit(kind, (amount, amount))
    keep_writes_in(directory, readable=_library())
    refuse_system_calls(signals=False, processes=False)


def behave(directory: str, source: str, entry: str | None, inputs: list[Any]) -> None:
    """Runs the program; every result leaves at once, so that a later input that kills it costs only itself."""
    path = Path(directory) / "answer.py"
    path.write_text(source, errors="surrogatepass")
    if entry is None:
        output, sys.stdin = io.TextIOWrapper(io.BytesIO(), write_through=True), io.TextIOWrapper(_bytes(inputs[0]))
        sys.stdout = output
        with suppress(SystemExit):
            runpy.run_path(str(path), run_name="__main__")
        write(RESULTS, json.dumps(output.buffer.getvalue().decode(errors="replace")).encode() + b"\n")  # pyright: ignore[reportAttributeAccessIssue]
        return
    names = runpy.run_path(str(path), run_name="answer")
    function = names.get(entry) or getattr(names["Solution"](), entry)
    for arguments in inputs:
        try:
            result = [function(*arguments)]
            line = json.dumps(result)
        except Exception:
            line = "null"
        write(RESULTS, line.encode() + b"\n")


def read(descriptor: int) -> bytes:
    content = bytearray()
    while chunk := os.read(descriptor, 1 << 16):
        content += chunk[: max(0, OUTPUT_LIMIT - len(content))]
    return bytes(content)


def write(descriptor: int, content: bytes) -> None:
    while content:
        content = content[os.write(descriptor, content) :]


def _bytes(text: str) -> io.BytesIO:
    return io.BytesIO(text.encode(errors="surrogatepass"))


def _loaded(line: bytes) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


def _address_space() -> int:
    statm = Path("/proc/self/statm")
    return int(statm.read_text().split()[0]) * resource.getpagesize() if statm.exists() else 0


@cache
def _library() -> tuple[str, ...]:
    """What a Python program reads: the interpreter, its standard library and the shared libraries of the system."""
    here = {sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    system = ("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/share/zoneinfo", "/etc/ld.so.cache", "/dev/urandom")
    return (*sorted(here), sys.base_prefix, *system)


if __name__ == "__main__":
    main()
