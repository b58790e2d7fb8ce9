"""seccomp: a process gives up, for itself and all that it starts, system calls that no verifier needs.

The filter is a small program in classic BPF that the kernel runs before every call: (instruction, true, false, value).
Refused calls fail with EPERM, so that a program sees an ordinary error. Linux on x86-64 and 64-bit ARM.
"""

import ctypes
import errno
import platform
import struct
import sys
from collections.abc import Iterable

_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT = 0, 4, 16  # offsets in what the kernel shows the filter
_ALLOW, _REFUSE = 0x7FFF0000, 0x00050000
_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _MODE_FILTER = 38, 22, 2
_AF_UNIX = 1
_X32 = 0x40000000
_NEW_NAMESPACES = 0x7E020080  # every CLONE_NEW* flag
_THREAD = 0x00010000

_AUDIT = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}

_NUMBERS: dict[str, tuple[int, int | None]] = {  # name: (x86-64, aarch64); None: that one does not have it
    "socket": (41, 198), "clone": (56, 220), "fork": (57, None), "vfork": (58, None), "execve": (59, 221),
    "kill": (62, 129), "ptrace": (101, 117), "setpgid": (109, 154), "setsid": (112, 157), "rt_sigqueueinfo": (129, 138),
    "setpriority": (141, 140), "sched_setscheduler": (144, 119), "pivot_root": (155, 41), "mount": (165, 40),
    "umount2": (166, 39), "swapon": (167, 224), "reboot": (169, 142), "init_module": (175, 105), "tkill": (200, 130),
    "sched_setaffinity": (203, 122), "tgkill": (234, 131), "kexec_load": (246, 104), "add_key": (248, 217),
    "request_key": (249, 218), "keyctl": (250, 219), "ioprio_set": (251, 30), "unshare": (272, 97),
    "move_pages": (279, 239), "rt_tgsigqueueinfo": (297, 240), "perf_event_open": (298, 241), "prlimit64": (302, 261),
    "open_by_handle_at": (304, 265), "setns": (308, 268), "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271), "finit_module": (313, 273), "bpf": (321, 280), "execveat": (322, 281),
    "userfaultfd": (323, 282), "pidfd_send_signal": (424, 424), "io_uring_setup": (425, 425), "open_tree": (428, 428),
    "move_mount": (429, 429), "fsopen": (430, 430), "pidfd_open": (434, 434), "clone3": (435, 435),
    "pidfd_getfd": (438, 438), "process_madvise": (440, 440),
}  # fmt: skip

NEVER = (
    "ptrace", "setpgid", "setsid", "setpriority", "sched_setscheduler", "sched_setaffinity", "ioprio_set", "pivot_root",
    "mount", "umount2", "swapon", "reboot", "init_module", "finit_module", "kexec_load", "add_key", "request_key",
    "keyctl", "unshare", "setns", "move_pages", "perf_event_open", "open_by_handle_at", "process_vm_readv",
    "process_vm_writev", "process_madvise", "bpf", "userfaultfd", "io_uring_setup", "open_tree", "move_mount", "fsopen",
    "pidfd_getfd",
)  # fmt: skip
"""Calls that reach into other processes, leave the process group, or change the machine."""

SIGNALS = ("kill", "tkill", "tgkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo", "pidfd_send_signal", "pidfd_open")
PROGRAMS = ("fork", "vfork", "execve", "execveat")

Instruction = tuple[int, int, int, int]


def available() -> bool:
    return sys.platform == "linux" and platform.machine() in _AUDIT


def refuse_system_calls(*, signals: bool, processes: bool) -> bool:
    """Refuses `NEVER`, sockets but Unix ones, and limits of other processes; whether the kernel took the filter.

    `signals=False` refuses to send any, `processes=False` to start or become another program. Threads can be started.
    """
    if not available():
        return False
    program = b"".join(struct.pack("=HBBI", *line) for line in _program(signals=signals, processes=processes))
    buffer = ctypes.create_string_buffer(program, len(program))
    header = struct.pack("@HP", len(program) // 8, ctypes.addressof(buffer))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
        return False
    return libc.prctl(_PR_SET_SECCOMP, _MODE_FILTER, ctypes.c_char_p(header), 0, 0) == 0


def _program(*, signals: bool, processes: bool) -> Iterable[Instruction]:
    refuse = (_RETURN, 0, 0, _REFUSE | errno.EPERM)
    yield (_LOAD, 0, 0, _ARCHITECTURE)
    yield (_EQUAL, 1, 0, _AUDIT[platform.machine()])
    yield refuse  # calls in the manner of another architecture have other numbers
    yield (_LOAD, 0, 0, _NUMBER)
    if platform.machine() == "x86_64":
        yield (_AT_LEAST, 0, 1, _X32)
        yield refuse
    names = (*NEVER, *(() if signals else SIGNALS), *(() if processes else PROGRAMS))
    for number in filter(None, map(_number, names)):
        yield (_EQUAL, 0, 1, number)
        yield refuse
    # clone3 keeps its flags in memory, where a filter cannot look: without it, the C library uses clone.
    yield from _when("clone3", [(_RETURN, 0, 0, _REFUSE | errno.ENOSYS)])
    clone = [(_ANY_BIT, 0, 1, _NEW_NAMESPACES), refuse]
    yield from _when("clone", clone if processes else [*clone, (_ANY_BIT, 1, 0, _THREAD), refuse])
    yield from _when("socket", [(_EQUAL, 1, 0, _AF_UNIX), refuse] if processes else [refuse])
    yield from _when("prlimit64", [(_EQUAL, 1, 0, 0), refuse])  # of the caller itself
    yield (_RETURN, 0, 0, _ALLOW)


def _when(name: str, rule: list[Instruction]) -> list[Instruction]:
    """`rule` looks at the first argument of one call; whatever it does not refuse is allowed."""
    body = [(_LOAD, 0, 0, _FIRST_ARGUMENT), *rule, (_RETURN, 0, 0, _ALLOW)]
    return [(_EQUAL, 0, len(body), _number(name) or 0), *body]


def _number(name: str) -> int | None:
    return _NUMBERS[name][0 if platform.machine() == "x86_64" else 1]
