"""Programs that break whoever runs them, for the unit tests of a function `f`. What they start is bounded."""

from collections.abc import Iterator
from dataclasses import dataclass
from textwrap import dedent, indent

from forage.core.records import Problem
from forage.tasks.verifiers.unit_tests import Examination, UnitTests
from forage.verification.stress.answers import HostileAnswer, problem

EXAMINATION = Examination(inputs=([1], [2], [5]), outputs=(3, 5, 11), entry="f")
WHOLE = Examination(inputs=("1\n", "2\n"), outputs=("3\n", "5\n"))

SEGMENT = 0x666F7261
"""The key of a System V segment that an answer tries to leave behind."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What programs try to reach: a folder outside, a process outside, and how long their children sleep (a mark).

    `looks` is what the folder and the file in it were before.
    """

    folder: str
    process: int
    sleep: str
    looks: tuple[tuple[object, ...], ...] = ()


_FORGERY = """
import os
for n in range(64):
    try: os.write(n, b'[[[3], [5], [11]], 0]\\n')
    except OSError: pass
"""


def programs(around: Surroundings) -> Iterator[HostileAnswer]:
    verifier = UnitTests()
    function, whole = problem(EXAMINATION.to_json()), problem(WHOLE.to_json())
    for name, code in (*_spinning(), *_swelling(), *_ending(), *_lying(), *_littering()):
        yield from _both_places(name, code, verifier, function)
    for name, code in _reaching_out(around):
        yield from _both_places(name, code, verifier, function)
    for name, code in _sleeping():
        yield HostileAnswer(f"{name}, as a whole program", verifier, whole, dedent(code))


def _both_places(name: str, code: str, verifier: UnitTests, where: Problem) -> Iterator[HostileAnswer]:
    """Once while the program is loaded, once when its function is called."""
    code = dedent(code).strip()
    yield HostileAnswer(f"{name}, at once", verifier, where, f"{code}\ndef f(x):\n    return 0\n")
    yield HostileAnswer(
        f"{name}, in the function", verifier, where, f"def f(x):\n{indent(code, '    ')}\n    return 0\n"
    )


def _spinning() -> list[tuple[str, str]]:
    return [
        ("an endless loop", "while True: pass"),
        ("a loop that catches everything", "while True:\n  try:\n    while True: pass\n  except BaseException: pass"),
        ("a tower of powers", "9**9**9**9"),
        ("a large factorial", "import math; math.factorial(10**8)"),
        ("digits of a large number", "import sys; sys.set_int_max_str_digits(0); str(7**(10**7))"),
        ("an endless match", "import re; re.match('(a+)+$', 'a' * 60 + '!')"),
        ("an endless sum", "import itertools; sum(itertools.repeat(1))"),
        (
            "threads that spin",
            "import threading\nfor _ in range(8): threading.Thread(target=sum, args=(iter(int, 1),)).start()",
        ),
        ("an exit that spins", "import atexit\n@atexit.register\ndef g():\n  while True: pass"),
        ("ignored signals", "import signal\nfor n in (24, 15, 2): signal.signal(n, signal.SIG_IGN)\nwhile True: pass"),
    ]


def _swelling() -> list[tuple[str, str]]:
    return [
        ("a large list", "[0] * 10**11"),
        ("a growing list", "a = []\nwhile True: a.append(bytearray(1 << 24))"),
        ("a growing text", "a = 'x'\nwhile True: a += a"),
        ("a large range in a set", "set(range(10**10))"),
        ("deep recursion", "g = lambda n: g(n + 1)\ng(0)"),
        ("unlimited recursion", "import sys; sys.setrecursionlimit(10**9)\ng = lambda n: g(n + 1)\ng(0)"),
        ("a memory map", "import mmap; mmap.mmap(-1, 1 << 40)"),
        ("much output", "while True: print('x' * 10**6)"),
        ("a large file", "with open('a', 'wb') as a:\n  while True: a.write(bytes(1 << 20))"),
        ("many files", "a = [open(str(i), 'w') for i in range(10**5)]"),
        (
            "a bomb that unpacks",
            "import zlib; a = zlib.compress(bytes(1 << 24))\nb = [zlib.decompress(a) for _ in range(999)]",
        ),
        ("nested source", "compile('(' * 10**5 + ')' * 10**5, 'a', 'eval')"),
    ]


def _ending() -> list[tuple[str, str]]:
    return [
        ("an exit", "import os; os._exit(0)"),
        ("an exit with a status", "import sys; sys.exit(1)"),
        ("a crash", "import ctypes; ctypes.string_at(0)"),
        ("an abort", "import os; os.abort()"),
        ("a signal to itself", "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"),
        ("KeyboardInterrupt", "raise KeyboardInterrupt"),
        ("an exception without end", "class E(BaseException):\n  def __str__(self): return str(self)\nraise E"),
        ("closed descriptors", "import os; os.closerange(0, 100)"),
        ("a faulty module", "import sys; sys.modules.clear()"),
    ]


def _lying() -> list[tuple[str, str]]:
    return [
        ("a forged reply", _FORGERY),
        ("a patched json", "import json; json.dumps = lambda *a: '[3]'"),
        ("a number that equals everything", "class N(int):\n  def __eq__(self, other): return True"),
        ("a look at the callers", "import sys\na = sys._getframe()\nwhile a: print(a.f_locals); a = a.f_back"),
        ("a look at all objects", "import gc; found = [o for o in gc.get_objects() if o == 11]"),
        ("patched built-ins", "import builtins; builtins.len = lambda a: 0; builtins.all = lambda a: True"),
        ("a tracing function", "import sys; sys.settrace(lambda *a: 1 / 0)"),
        ("an audit hook", "import sys; sys.addaudithook(lambda *a: 1 / 0)"),
    ]


def _reaching_out(around: Surroundings) -> list[tuple[str, str]]:
    folder, outside = around.folder, around.process
    children = f"import subprocess\nfor _ in range(3): subprocess.Popen(['sleep', '{around.sleep}'])"
    return [
        *_changing_metadata(f"{folder}/canary"),
        ("children", children),
        ("children in a new session", children.replace("])", "], start_new_session=True)")),
        ("forks (eight at most)", f"import os, time\nfor _ in range(3): os.fork()\ntime.sleep({around.sleep})"),
        ("a daemon", f"import os, time\nif os.fork() == 0:\n  os.setsid()\n  os.fork()\n  time.sleep({around.sleep})"),
        ("another program", "import os; os.execv('/bin/sleep', ['sleep', '30'])"),
        ("a shell", f"import os; os.system('echo x > {folder}/shell')"),
        ("a file outside", f"open('{folder}/written', 'w').write('x')"),
        ("a file outside, deleted", f"import os; os.remove('{folder}/canary')"),
        ("a file outside, changed", f"open('{folder}/canary', 'a').write('x')"),
        ("a file outside, cut off", f"import os; os.truncate('{folder}/canary', 0)"),
        ("a folder outside", f"import os; os.mkdir('{folder}/made')"),
        ("a link outside", f"import os; os.symlink('{folder}/canary', 'here'); open('here', 'a').write('x')"),
        ("a file moved out", f"import os; open('a', 'w').write('x'); os.rename('a', '{folder}/moved')"),
        ("a file read", f"text = open('{folder}/canary').read(); assert 'secret' not in text"),
        ("all files outside", f"import shutil; shutil.rmtree('{folder}', ignore_errors=True)"),
        ("a connection", "import socket; socket.create_connection(('1.1.1.1', 53), timeout=20)"),
        ("a server", "import socket; s = socket.socket(); s.bind(('', 0)); s.listen(); s.accept()"),
        ("a signal to its parent", "import os, signal; os.kill(os.getppid(), signal.SIGKILL)"),
        ("a signal to a process outside", f"import os, signal; os.kill({outside}, signal.SIGKILL)"),
        ("a signal to its group", "import os, signal; os.killpg(0, signal.SIGKILL)"),
        ("limits of its parent", "import resource, os; resource.prlimit(os.getppid(), resource.RLIMIT_CPU, (1, 1))"),
        ("a look into its parent", "import os; open(f'/proc/{os.getppid()}/mem', 'rb').read(1)"),
        ("tracing its parent", "import ctypes, os; ctypes.CDLL(None).ptrace(16, os.getppid(), 0, 0)"),
        ("shared memory", "from multiprocessing.shared_memory import SharedMemory as S; S('forage-stress', True, 64)"),
        ("a System V segment", f"import ctypes; ctypes.CDLL(None).shmget({SEGMENT}, 1 << 26, 0o1666)"),
        (
            "many anonymous files",
            "import os\nfor _ in range(99): os.write(os.memfd_create('a'), bytes(1 << 20))",
        ),
        ("a pool of processes", "import multiprocessing; multiprocessing.Pool(2).map(abs, [1])"),
    ]


def _changing_metadata(path: str) -> list[tuple[str, str]]:
    """Nothing of this writes into a file, and all of it can make one useless to its owner."""
    call = "import ctypes, os, platform\nx86 = platform.machine() == 'x86_64'\nlibc = ctypes.CDLL(None)\n"
    opened = f"import os; a = os.open('{path}', os.O_RDONLY); "
    return [
        ("a mode outside", f"import os; os.chmod('{path}', 0)"),
        ("the mode of a folder outside", f"import os; os.chmod(os.path.dirname('{path}'), 0)"),
        ("the mode of an open file", f"{opened}os.fchmod(a, 0)"),
        ("a mode by its number", f"{call}libc.syscall(268 if x86 else 53, -100, b'{path}', 0)"),
        ("a mode by its newest number", f"{call}libc.syscall(452, -100, b'{path}', 0, 0)"),
        ("an owner outside", f"import os; os.chown('{path}', 65534, 65534)"),
        ("the owner of an open file", f"{opened}os.fchown(a, 65534, 65534)"),
        ("the owner of a link", f"import os; os.lchown('{path}', 65534, 65534)"),
        ("times outside", f"import os; os.utime('{path}', (5, 5))"),
        ("times of an open file", f"{opened}os.utime(a, (5, 5))"),
        ("an attribute outside", f"import os; os.setxattr('{path}', 'user.stress', b'x')"),
        ("an attribute of an open file", f"{opened}os.setxattr(a, 'user.stress', b'x')"),
        ("an attribute of a link", f"import os; os.setxattr('{path}', 'user.stress', b'x', follow_symlinks=False)"),
        ("an attribute removed", f"import os; os.removexattr('{path}', 'user.kept')"),
        ("flags of an open file", f"{opened}import fcntl; fcntl.ioctl(a, 0x40086602, (0x40).to_bytes(8, 'little'))"),
        ("flags by their number", f"{call}libc.syscall(469, -100, b'{path}', bytes(24), 24, 0)"),
    ]


def _littering() -> list[tuple[str, str]]:
    return [
        ("3,000 nested folders", "import os\nfor _ in range(3000): os.mkdir('a'); os.chdir('a')"),
        ("nested folders without rights", "import os\nfor _ in range(50): os.mkdir('a', 0o300); os.chdir('a')"),
        (
            "names that are no text",
            "for n in range(1, 255): n == 47 or open(bytes([n, 255]), 'w').close()",
        ),
        ("100,000 folders", "import os\nfor n in range(100000): os.mkdir(str(n))"),
        ("200 files of a megabyte", "for n in range(200): open(str(n), 'wb').write(bytes(1 << 20))"),
        ("links in circles", "import os\nfor n in range(99): os.symlink('..' if n % 2 else '/', str(n))"),
    ]


def _sleeping() -> list[tuple[str, str]]:
    return [
        ("sleep", "import time; time.sleep(1000)"),
        ("waiting for input", "while True:\n    try: input()\n    except EOFError: pass"),
        ("a lock that is taken", "import threading; a = threading.Lock(); a.acquire(); a.acquire()"),
        ("a pipe that nobody writes", "import os; os.read(os.pipe()[0], 1)"),
        ("a program that is empty", ""),
        ("a program that is no program", "3 +"),
        ("NUL characters", "print(3)\0"),
        ("surrogates", "print('\ud800')"),
        ("a megabyte of comments", "#" * 1_000_000),
        ("a deep expression", "print(" + "(" * 5_000 + "3" + ")" * 5_000 + ")"),
        ("a wide expression", "print(" + "+".join(["1"] * 100_000) + ")"),
        ("the right answer to one test", "print(3)"),
    ]
