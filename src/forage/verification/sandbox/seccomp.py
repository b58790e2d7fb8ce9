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

_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _AND, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x54, 0x06
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT, _SECOND_ARGUMENT = 0, 4, 16, 24  # offsets in what the kernel shows the filter
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
    "chmod": (90, None), "fchmod": (91, 52), "fchmodat": (268, 53), "fchmodat2": (452, 452),
    "utime": (132, None), "utimes": (235, None), "futimesat": (261, None), "utimensat": (280, 88),
    "chown": (92, None), "fchown": (93, 55), "lchown": (94, None), "fchownat": (260, 54),
    "setxattr": (188, 5), "lsetxattr": (189, 6), "fsetxattr": (190, 7), "setxattrat": (463, 463),
    "removexattr": (197, 14), "lremovexattr": (198, 15), "fremovexattr": (199, 16), "removexattrat": (466, 466),
    "file_setattr": (469, 469), "ioctl": (16, 29),
    "shmget": (29, 194), "shmat": (30, 196), "shmctl": (31, 195), "semget": (64, 190), "semop": (65, 193),
    "semctl": (66, 191), "semtimedop": (220, 192), "msgget": (68, 186), "msgsnd": (69, 189), "msgrcv": (70, 188),
    "msgctl": (71, 187), "mq_open": (240, 180), "mq_unlink": (241, 181), "socketpair": (53, 199),
    "memfd_create": (319, 279), "memfd_secret": (447, 447), "sched_setparam": (142, 118), "sched_setattr": (314, 274),
    "chroot": (161, 51), "acct": (163, 89), "settimeofday": (164, 170), "clock_settime": (227, 112),
    "adjtimex": (159, 171), "clock_adjtime": (305, 266), "sethostname": (170, 161), "setdomainname": (171, 162),
    "swapoff": (168, 225), "quotactl": (179, 60), "quotactl_fd": (443, 443), "fanotify_init": (300, 262),
    "fsconfig": (431, 431), "fsmount": (432, 432), "fspick": (433, 433), "mount_setattr": (442, 442),
    "open_tree_attr": (467, 467),
}  # fmt: skip

NEVER = (
    "ptrace", "setpgid", "setsid", "setpriority", "sched_setscheduler", "sched_setaffinity", "ioprio_set", "pivot_root",
    "mount", "umount2", "swapon", "reboot", "init_module", "finit_module", "kexec_load", "add_key", "request_key",
    "keyctl", "unshare", "setns", "move_pages", "perf_event_open", "open_by_handle_at", "process_vm_readv",
    "process_vm_writev", "process_madvise", "bpf", "userfaultfd", "io_uring_setup", "open_tree", "move_mount", "fsopen",
    "pidfd_getfd", "sched_setparam", "sched_setattr", "chroot", "acct", "settimeofday", "clock_settime", "adjtimex",
    "clock_adjtime", "sethostname", "setdomainname", "swapoff", "quotactl", "quotactl_fd", "fanotify_init", "fsconfig",
    "fsmount", "fspick", "mount_setattr", "open_tree_attr",
)  # fmt: skip
"""Calls that reach into other processes, leave the process group, or change the machine."""

OWNERS = (
    "chown", "fchown", "lchown", "fchownat", "setxattr", "lsetxattr", "fsetxattr", "setxattrat", "removexattr",
    "lremovexattr", "fremovexattr", "removexattrat", "file_setattr",
)  # fmt: skip
"""Calls that change owners and attributes of files, which Landlock does not look at."""

MODES = ("chmod", "fchmod", "fchmodat", "fchmodat2", "utime", "utimes", "futimesat", "utimensat")
"""Calls that change modes and times of files; copying a file and compiling a program use them."""

MEMORY = (
    "shmget", "shmat", "shmctl", "semget", "semop", "semctl", "semtimedop", "msgget", "msgsnd", "msgrcv", "msgctl",
    "mq_open", "mq_unlink", "memfd_create", "memfd_secret",
)  # fmt: skip
"""Calls that get memory which no limit of a process counts, or which stays when the process has ended."""

FILE_FLAGS = (0x5800, 0x6600, 0x9400)
"""Groups of ioctl that change flags of a file which is open for reading ("X", "f", and Btrfs)."""

SIGNALS = ("kill", "tkill", "tgkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo", "pidfd_send_signal", "pidfd_open")
PROGRAMS = ("fork", "vfork", "execve", "execveat")

Instruction = tuple[int, int, int, int]


def available() -> bool:
    return sys.platform == "linux" and platform.machine() in _AUDIT


def refuse_system_calls(*, signals: bool, processes: bool, modes: bool = False) -> bool:
    """Refuses `NEVER`, `OWNERS`, `MEMORY`, sockets but Unix ones, and limits of other processes; whether the kernel
    took the filter.

    `signals=False` refuses to send any, `processes=False` to start or become another program and all sockets,
    `modes=False` to change modes and times of files. Threads can be started.
    """
    if not available():
        return False
    program = b"".join(struct.pack("=HBBI", *line) for line in _program(signals, processes, modes))
    buffer = ctypes.create_string_buffer(program, len(program))
    header = struct.pack("@HP", len(program) // 8, ctypes.addressof(buffer))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
        return False
    return libc.prctl(_PR_SET_SECCOMP, _MODE_FILTER, ctypes.c_char_p(header), 0, 0) == 0


def _program(signals: bool, processes: bool, modes: bool) -> Iterable[Instruction]:
    refuse = (_RETURN, 0, 0, _REFUSE | errno.EPERM)
    yield (_LOAD, 0, 0, _ARCHITECTURE)
    yield (_EQUAL, 1, 0, _AUDIT[platform.machine()])
    yield refuse  # calls in the manner of another architecture have other numbers
    yield (_LOAD, 0, 0, _NUMBER)
    if platform.machine() == "x86_64":
        yield (_AT_LEAST, 0, 1, _X32)
        yield refuse
    names = (*NEVER, *OWNERS, *MEMORY, *(() if signals else SIGNALS), *(() if processes else PROGRAMS))
    names = (*names, *(() if modes else MODES))
    for number in filter(None, map(_number, names)):
        yield (_EQUAL, 0, 1, number)
        yield refuse
    # clone3 keeps its flags in memory, where a filter cannot look: without it, the C library uses clone.
    yield from _when("clone3", [(_RETURN, 0, 0, _REFUSE | errno.ENOSYS)])
    clone = [(_ANY_BIT, 0, 1, _NEW_NAMESPACES), refuse]
    yield from _when("clone", clone if processes else [*clone, (_ANY_BIT, 1, 0, _THREAD), refuse])
    for name in ("socket", "socketpair"):
        yield from _when(name, [(_EQUAL, 1, 0, _AF_UNIX), refuse] if processes else [refuse])
    no_such_request = (_RETURN, 0, 0, _REFUSE | errno.ENOTTY)
    groups = [
        (_AND, 0, 0, 0xFF00),
        *(line for group in FILE_FLAGS for line in ((_EQUAL, 0, 1, group), no_such_request)),
    ]
    yield from _when("ioctl", groups, argument=_SECOND_ARGUMENT)
    yield from _when("prlimit64", [(_EQUAL, 1, 0, 0), refuse])  # of the caller itself
    yield (_RETURN, 0, 0, _ALLOW)


def _when(name: str, rule: list[Instruction], *, argument: int = _FIRST_ARGUMENT) -> list[Instruction]:
    """`rule` looks at the first argument (or another) of one call; whatever it does not refuse is allowed."""
    body = [(_LOAD, 0, 0, argument), *rule, (_RETURN, 0, 0, _ALLOW)]
    return [(_EQUAL, 0, len(body), _number(name) or 0), *body]


def _number(name: str) -> int | None:
    return _NUMBERS[name][0 if platform.machine() == "x86_64" else 1]
