"""What a process can give up before it meets text or code that nobody has read: Linux, as an ordinary user.

Each protection is used where the kernel has it; `confine` says which ones are active. None of them needs rights.
"""

from forage.verification.sandbox.landlock import keep_writes_in
from forage.verification.sandbox.namespaces import end_with_parent, enter_own_tree
from forage.verification.sandbox.seccomp import refuse_system_calls

__all__ = ["OWN_TREE", "PROTECTIONS", "confine", "end_with_parent", "enter_own_tree", "refuse_system_calls"]

OWN_TREE, NO_NETWORK, KEPT_WRITES = "own process tree", "no network", "writes stay inside"
KEPT_SIGNALS, KEPT_GROUP = "signals stay inside", "no escape from the process group"

PROTECTIONS = {
    OWN_TREE: "what a verifier starts ends with it, and it sees no other process (user namespaces)",
    KEPT_GROUP: "no new sessions, tracing, mounts or other calls that reach outside (seccomp)",
    NO_NETWORK: "no connection to anywhere (network namespace, seccomp)",
    KEPT_WRITES: "files can be written only in its temporary directory (Landlock)",
    KEPT_SIGNALS: "it can signal, so kill, nothing but what it started (user namespaces, Landlock, seccomp)",
}
"""Protections and what each does."""


def confine(directory: str, *, own_tree: bool) -> tuple[str, ...]:
    """Gives up all that can be given up while ordinary Python programs still run; the names of what is active.

    Writing is left only in `directory`. `own_tree`: whether `enter_own_tree` succeeded before.
    """
    landlock = keep_writes_in(directory)
    signals_kept = own_tree or landlock >= 6
    filtered = refuse_system_calls(signals=signals_kept, processes=True)
    active = {
        OWN_TREE: own_tree,
        KEPT_GROUP: filtered,
        NO_NETWORK: own_tree or filtered,
        KEPT_WRITES: landlock > 0,
        KEPT_SIGNALS: signals_kept or filtered,
    }
    return tuple(name for name in PROTECTIONS if active[name])
