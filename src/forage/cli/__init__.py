"""The command line: one small file per command, loaded only when it is asked for."""

import errno
import importlib
import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from typing import Any

from forage.core.errors import DiskFull, ForageError
from forage.core.interrupts import INTERRUPTED, InterruptGate
from forage.core.renamed import renamed

COMMANDS = {
    "demo": "the whole experiment in minutes: base model, two methods, pass@k, report",
    "base": "build the tiny base model of a toy task",
    "train": "train a recipe: forage train countdown --method grpo --method entropy_advantage",
    "resume": "continue an interrupted run, bit for bit",
    "sft": "supervised training on examples: a warm-up before a run, a transfer behind it",
    "eval": "pass@k of a checkpoint, from one cached sampling run",
    "search": "votes over branching chains, or a tree search that documents judge, beside plain responses",
    "difficulty": "how many responses each training problem takes until one is right",
    "passk": "pass@k with intervals from samples that other trainers and evaluators wrote",
    "export": "a model folder for other programs; merges an adapter into its model",
    "import": "a model in a GGUF file as an ordinary model folder",
    "bench": "methods x seeds x controls: trains, evaluates and compares what is named",
    "compare": "compare evaluated runs, paired by problem, with intervals",
    "report": "write one offline HTML page about runs",
    "analyze": "where a run is uncertain, which strategies it uses, and alarms with what was measured",
    "grams": "strategic phrases from correct solutions: mine a list for hicra, or show one",
    "prm": "process reward models: label the steps of solutions, train, score, choose the best of n",
    "rm": "reward models from preferences: collect comparisons, train, average, score",
    "methods": "the catalogue: every method, its paper, its settings",
    "verify": "try a verifier on answers, or give all of them the hostile ones: forage verify --stress",
    "doctor": "what this machine has and which choices follow",
}
"""Commands and the line that help shows for each."""

TRAINING = ("train", "resume")
"""Commands after which `forage resume` goes on where a full disk ended them."""

RECIPE_COMMANDS = ("train", "bench")
"""Commands whose flags are those of a recipe and their own."""

MODULES = {"import": "import_model"}
"""Where a command lies whose name Python keeps for itself."""

DIVIDED = ("train", "resume", "eval")
"""Commands that several processes (`torchrun`) do together."""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a command; returns the exit code: 0 done, 2 the input was wrong (one sentence says how), 130 interrupted."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if arguments[:1] in (["--version"], ["-V"]):
        from importlib.metadata import version

        print(f"forage {version('forage-rl')}")
        return 0
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(usage())
        return 0
    # Threads of a matrix product spin while they wait for each other. Left to itself a spin lasts milliseconds, so that
    # on cores that others use too, two threads become many times slower than one. Read when torch is loaded.
    os.environ.setdefault("GOMP_SPINCOUNT", "20000")
    gate = InterruptGate()
    with gate.listening():
        return _answered(arguments, gate)


def run_command(arguments: Sequence[str]) -> int:
    """Runs a command and returns its exit code; what `main` turns into sentences is raised."""
    if sentence := renamed(arguments):
        raise ForageError(sentence)
    name, rest = arguments[0], list(arguments[1:])
    if name not in COMMANDS:
        raise ForageError(f"There is no command {name!r}. The commands are: {', '.join(COMMANDS)}.")
    with _silence_other_ranks(name), plain_warnings():
        if name == "bench" and importlib.import_module("forage.cli.recipe_flags").named_recipe(name, rest) is None:
            return 0  # help was asked for, and the module of this command takes seconds to load
        return _run_module(name, rest)


def _run_module(name: str, rest: Sequence[str]) -> int:
    """A module has a function as its COMMAND, or several as its SUBCOMMANDS, or it reads a recipe's flags itself."""
    module = importlib.import_module(f"forage.cli.{MODULES.get(name, name)}")
    if name in RECIPE_COMMANDS:
        return module.run(rest)
    flags = importlib.import_module("forage.cli.flags")
    if hasattr(module, "SUBCOMMANDS"):
        return flags.run_subcommand(name, module.SUBCOMMANDS, rest)
    return flags.run_function(module.COMMAND, prog=f"forage {name}", argv=rest)


def _answered(arguments: Sequence[str], gate: InterruptGate) -> int:
    name = arguments[0]
    try:
        return run_command(arguments)
    except DiskFull as error:
        print(f"forage {name}: {error}{_going_on(name)}", file=sys.stderr)
        return 2
    except ForageError as error:
        message = (
            f"interrupted ({error})" if gate.asked else str(error)
        )  # a library's error may come from the interrupt
        print(f"forage {name}: {message}", file=sys.stderr)
        return INTERRUPTED if gate.asked else 2
    except BrokenPipeError:  # the reader (`head`, a pager) has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else 2
    except KeyboardInterrupt as error:
        if os.environ.get("RANK", "0") == "0":
            print(f"forage {name}: {str(error) or 'interrupted.'}", file=sys.stderr)
        return INTERRUPTED
    except Exception as error:
        if gate.asked:  # some libraries turn an interrupt into an error of their own
            print(f"forage {name}: interrupted ({type(error).__name__}: {error}).", file=sys.stderr)
            return INTERRUPTED
        if not (isinstance(error, OSError) and error.errno == errno.ENOSPC):
            raise
        print(
            f"forage {name}: The disk is full ({error.filename or 'no file named'}). What was saved before is intact. "
            f"Make room, then repeat the command.{_going_on(name)}",
            file=sys.stderr,
        )
        return 2


def _going_on(name: str) -> str:
    return " A run that has begun goes on with `forage resume`." if name in TRAINING else ""


@contextmanager
def _silence_other_ranks(name: str) -> Iterator[None]:
    """Only the first process of `torchrun` writes messages, and whichever ends with an error writes that."""
    if int(os.environ.get("WORLD_SIZE", "1")) > 1 and name not in DIVIDED:
        raise ForageError(f"it works in one process: leave `torchrun` out. Divided are {', '.join(DIVIDED)}.")
    if os.environ.get("RANK", "0") == "0":
        yield
        return
    with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere), redirect_stderr(nowhere):
        yield


@contextmanager
def plain_warnings() -> Iterator[None]:
    """Warnings as sentences, without the line of code that they come from."""
    with warnings.catch_warnings():
        shown = warnings.showwarning

        def show(message: Warning | str, category: type[Warning], *where: Any) -> None:
            if category is UserWarning:
                print(f"Note: {message}", file=sys.stderr)
            else:
                shown(message, category, *where)

        warnings.showwarning = show
        yield


def usage() -> str:
    width = max(map(len, COMMANDS))
    lines = "\n".join(f"  {name.ljust(width)}  {summary}" for name, summary in COMMANDS.items())
    return (
        "forage: exploration in reinforcement learning of language-model reasoning\n\n"
        f"usage: forage COMMAND [options]      forage COMMAND --help      forage --version\n\n{lines}\n\n"
        "Start with `forage demo`. Python: import forage; forage.train(forage.recipes.countdown())"
    )
