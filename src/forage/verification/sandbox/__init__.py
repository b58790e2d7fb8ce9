"""What a process can give up before it meets text or code that nobody has read: Linux, as an ordinary user.

Each protection is used where the kernel has it; `enter_sandbox` says which ones are active. None of them needs rights.
"""

from forage.verification.sandbox.landlock import keep_writes_in
from forage.verification.sandbox.mounts import make_read_only, mount_folder
from forage.verification.sandbox.namespaces import end_with_parent, enter_own_tree
from forage.verification.sandbox.seccomp import refuse_system_calls

__all__ = [
    "OWN_FOLDER",
    "OWN_TREE",
    "PROTECTIONS",
    "end_with_parent",
    "enter_own_tree",
    "enter_sandbox",
    "mount_folder",
    "refuse_system_calls",
]

OWN_TREE, NO_NETWORK, KEPT_WRITES = "own process tree", "no network", "writes stay inside"
KEPT_SIGNALS, KEPT_GROUP = "signals stay inside", "no escape from the process group"
OWN_FOLDER, KEPT_METADATA = "a folder with a limit", "metadata stays as it is"

PROTECTIONS = {
    OWN_TREE: "what a verifier starts ends with it, and it sees no other process (user namespaces)",
    KEPT_GROUP: "no new sessions, tracing, mounts or other calls that reach outside (seccomp)",
    NO_NETWORK: "no connection to anywhere (network namespace, seccomp)",
    KEPT_WRITES: "files can be written only in its temporary directory (Landlock)",
    KEPT_METADATA: "modes, owners, times and attributes of files outside cannot be changed (seccomp)",
    OWN_FOLDER: "all its files together have a size and a number; otherwise they are watched (mount namespaces, tmpfs)",
    KEPT_SIGNALS: "it can signal, so kill, nothing but what it started (user namespaces, Landlock, seccomp)",
}
"""Protections and what each does."""


def enter_sandbox(directory: str, *, own_tree: bool, own_folder: bool = False) -> tuple[str, ...]:
    """Gives up all that can be given up while ordinary Python programs still run; the names of what is active.

    Writing is left only in `directory`. `own_tree`: whether `enter_own_tree` succeeded before; `own_folder`: whether
    `mount_folder` then did. Where everything but that folder can be made read-only, modes and times can still be
    changed in it, and elsewhere the file system refuses; without, they can be changed nowhere.
    """
    read_only = own_folder and make_read_only(but=directory)
    landlock = keep_writes_in(directory)
    signals_kept = own_tree or landlock >= 6
    filtered = refuse_system_calls(signals=signals_kept, processes=True, modes=read_only)
    active = {
        OWN_TREE: own_tree,
        KEPT_GROUP: filtered,
        NO_NETWORK: own_tree or filtered,
        KEPT_WRITES: landlock > 0,
        KEPT_METADATA: filtered,
        OWN_FOLDER: own_folder,
        KEPT_SIGNALS: signals_kept or filtered,
    }
    return tuple(name for name in PROTECTIONS if active[name])
