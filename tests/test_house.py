"""The design rules of the house, held by tests: floors, cycles, sizes, and what core must not know.

A room is the first name below `forage`, or the first two. Floors are numbered from the vocabulary up; an import goes
to the same room or to a lower floor. `docs/design.md` says why.
"""

import ast
import functools
import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from support.tested_together import METHODS, NO_BEHAVIOUR, TESTED_THROUGH, TESTED_TOGETHER

TESTS = Path(__file__).parent
SOURCE = TESTS.parent / "src" / "forage"
FILES = sorted(SOURCE.rglob("*.py"))

FLOORS: dict[str, int] = {
    **dict.fromkeys(("core", "verification.sandbox"), 0),
    **dict.fromkeys(("ops", "grams", "functional", "parts.values"), 1),
    **dict.fromkeys(("tasks", "evaluation"), 2),
    **dict.fromkeys((f"parts.{seam}" for seam in ("explore", "rewards", "signals", "credit", "losses", "memory")), 2),
    **dict.fromkeys(("engines", "verification", "store"), 3),
    **dict.fromkeys(("training", "analysis", "reward_models"), 4),
    **dict.fromkeys(("methods", "base_models", "recipes", "bench", "report", "adapters", "cli", "__main__"), 5),
}
"""The floor of every room. A room inside another one has a floor of its own where it serves rooms below its house: the
sandbox is used by verifiers (tasks), and values of states are asked for by memory, signals and explore."""

SAME_FLOOR_IS_OPEN = {0, 1, 3, 4, 5}
"""On these floors rooms are compositions of one another; cycles are forbidden on all. Seams (floor 2) never meet."""

TOP_LEVEL_NAMES = 22

ONLY_IN: dict[str, tuple[str, ...]] = {
    "transformers": ("engines", "base_models"),
    "tokenizers": ("engines", "base_models", "tasks"),
    "plotly": ("report",),
    "jinja2": ("report",),
    "tyro": ("cli",),
    "sentence_transformers": ("grams",),
    "sklearn": ("grams",),
    "pyarrow": ("store", "evaluation", "tasks"),
    "peft": ("engines",),
    "sentencepiece": ("engines",),
    "gguf": ("engines",),
    "math_verify": ("tasks",),
    "reasoning_gym": ("tasks",),
    "modebench": ("tasks",),
    "torch.utils.tensorboard": ("training",),
    "wandb": ("training",),
    "torch.distributed": ("engines",),
    "vllm": ("engines",),
    "trl": ("adapters",),
    "verl": ("adapters",),
    "transfer_queue": ("adapters",),
    "tensordict": ("adapters",),
}

FILE_LINES = 400
FUNCTION_LINES = 60


def room_in(words: Sequence[str]) -> str:
    """The room that a dotted path below `forage` leads to: the longest that has a floor."""
    pair = ".".join(words[:2])
    return pair if pair in FLOORS else words[0]


def room_of(path: Path) -> str:
    return room_in(path.relative_to(SOURCE).with_suffix("").parts)


@functools.cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


@functools.cache
def imports_of(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}: write absolute imports"
            names.add(node.module)
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return names


def house_imports(path: Path) -> set[str]:
    found = {room_in(name.split(".")[1:]) for name in imports_of(path) if name.startswith("forage.")}
    return found & set(FLOORS)


def test_imports_go_down() -> None:
    for path in FILES:
        room = room_of(path)
        if path.name == "__init__.py" and room not in FLOORS:
            continue
        assert room in FLOORS, f"{room} stands on no floor: add it to FLOORS and docs/design.md"
        for other in house_imports(path) - {room}:
            if FLOORS[room] in SAME_FLOOR_IS_OPEN:
                assert FLOORS[other] <= FLOORS[room], f"{path.name} ({room}) imports {other} from a higher floor"
            else:
                assert FLOORS[other] < FLOORS[room], f"{path.name} ({room}) imports its sibling or superior {other}"


def test_rooms_have_no_cycles() -> None:
    edges: dict[str, set[str]] = {}
    for path in FILES:
        edges.setdefault(room_of(path), set()).update(house_imports(path) - {room_of(path)})
    done: set[str] = set()

    def visit(room: str, trail: tuple[str, ...]) -> None:
        assert room not in trail, f"import cycle: {' -> '.join((*trail, room))}"
        if room not in done:
            for other in edges.get(room, ()):
                visit(other, (*trail, room))
            done.add(room)

    for room in edges:
        visit(room, ())


def test_the_top_level_is_small() -> None:
    names = {path.relative_to(SOURCE).parts[0] for path in FILES}
    assert len(names) <= TOP_LEVEL_NAMES, sorted(names)


def test_no_two_public_classes_share_a_name() -> None:
    homes: dict[str, list[str]] = {}
    for path in FILES:
        for node in parsed(path).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                homes.setdefault(node.name, []).append(str(path.relative_to(SOURCE)))
    assert not {name: files for name, files in homes.items() if len(files) > 1}


def test_heavy_packages_have_one_home() -> None:
    for path in FILES:
        for package, rooms in ONLY_IN.items():
            if any(name == package or name.startswith(package + ".") for name in imports_of(path)):
                assert room_of(path) in rooms, f"{path} imports {package}; only {rooms} may"


def test_sizes() -> None:
    for path in FILES:
        lines = path.read_text().count("\n")
        assert lines <= FILE_LINES, f"{path} has {lines} lines, more than {FILE_LINES}"
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                documented = ast.get_docstring(node, clean=False) is not None
                # The signature does not count: that of a recipe is the list of its flags.
                logic = node.body[1:] if documented else node.body
                size = (node.end_lineno or 0) - logic[0].lineno + 1 if logic else 0
                assert size <= FUNCTION_LINES, f"{path}: {node.name} has {size} lines, more than {FUNCTION_LINES}"


def module_name(path: Path) -> str:
    return str(path.relative_to(SOURCE).with_suffix(""))


def has_behaviour(path: Path) -> bool:
    """Whether a module has a function or a method; records and tables of names have none."""
    return any(isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) for node in ast.walk(parsed(path)))


def mirrored(module: str) -> Path:
    """Where the test of a module lies: at its path; that of a package beside the package's folder."""
    path = Path(module).parent if Path(module).name == "__init__" else Path(module)
    return TESTS / path.parent / f"test_{path.name}.py"


def home_of_test(module: str) -> str | None:
    """The test that holds a module without one of its own; None where no list names one."""
    if re.fullmatch(r"methods/\w+/\w+", module):
        return METHODS
    if module in TESTED_THROUGH:
        return TESTED_THROUGH[module][0]
    return next((test for test, modules in TESTED_TOGETHER.items() if module in modules), None)


def test_every_module_with_behaviour_has_a_test_at_its_path_or_a_place_in_the_list() -> None:
    for module in map(module_name, filter(has_behaviour, FILES)):
        own, elsewhere = mirrored(module).exists(), home_of_test(module)
        listed = module in NO_BEHAVIOUR or (elsewhere is not None and elsewhere != METHODS)
        where = mirrored(module).relative_to(TESTS.parent)
        assert own or module in NO_BEHAVIOUR or elsewhere, f"{module} has no test: write {where}"
        assert not (own and listed), f"{module} has {where}: take it out of tests/support/tested_together.py"


@pytest.mark.parametrize("test", TESTED_TOGETHER)
def test_a_test_of_several_modules_names_something_of_each(test: str) -> None:
    text = (TESTS / f"{test}.py").read_text() + ((TESTS / "laws.py").read_text() if test == "test_laws" else "")
    words = set(re.findall(r"\w+", text))
    for module in TESTED_TOGETHER[test]:
        path = SOURCE / f"{module}.py"
        assert path.exists(), f"{module} is gone"
        public = {
            node.name
            for node in parsed(path).body
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_")
        }
        named = {Path(module).parent.name if path.stem == "__init__" else path.stem, *path.stem.split("_")}
        assert words & (public | named), f"tests/{test}.py names nothing of {module}"


@pytest.mark.parametrize("name", TESTED_THROUGH)
def test_a_module_tested_through_another_is_reached(name: str) -> None:
    test, word = TESTED_THROUGH[name]
    assert (SOURCE / f"{name}.py").exists(), f"{name} is gone"
    assert re.search(rf"\b{word}\b", (TESTS / f"{test}.py").read_text()), f"tests/{test}.py does not name {word}"


def test_no_dumping_grounds() -> None:
    names = {path.stem for path in FILES} | {path.parent.name for path in FILES}
    assert not names & {"utils", "util", "misc", "helpers", "common"}
    classes = [node.name for path in FILES for node in ast.walk(parsed(path)) if isinstance(node, ast.ClassDef)]
    assert not [name for name in classes if name.endswith("Manager")]


def test_no_pickle_and_no_eval() -> None:
    forbidden = re.compile(r"\bpickle\b|\btorch\.(load|save)\(|\bmarshal\b|\bshelve\b|(?<![.\w])(eval|exec)\(")
    for path in FILES:
        for number, line in enumerate(path.read_text().splitlines(), 1):
            code = line.split("#")[0]
            found = forbidden.search(code)
            assert not found or '"""' in code, f"{path}:{number}: {found and found.group()}"


VAGUE = {"found", "said", "told", "one", "some"}
"""Variables that hold a thing have the name of the thing."""

RETIRED = {
    *("Gather", "Ranks", "Ask", "Answer", "Manner", "BesideEngine", "Rereading", "ForeignRow", "Readable", "Tell"),
    *("Laid", "Written", "CarelessWriters", "seen_by", "noted", "study", "know", "fared", "speaks", "hand_over"),
    *("understand", "strange", "began_as", "saying_why", "saying_what_to_lower", "telling_interrupted", "quietly"),
    *("lay", "laid", "workshop", "part_json", "call_text", "confine", "values_along", "siblings"),
}
"""Names that gave way to the field's terms; `core/renamed.py` and `core/part_names.py` know the stored ones as text."""


def names_in(path: Path) -> set[str]:
    """Everything that a file names itself: modules, classes, functions, parameters, attributes and variables."""
    names = {path.stem}
    for node in ast.walk(parsed(path)):
        match node:
            case ast.Name(id=name) | ast.Attribute(attr=name) | ast.arg(arg=name) | ast.keyword(arg=str(name)):
                names.add(name)
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name) | ast.AsyncFunctionDef(name=name):
                names.add(name)
            case ast.alias(name=name, asname=other):
                names |= {name.rpartition(".")[2], other or name}
            case ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)) | ast.ExceptHandler(name=str(name)):
                names.add(name)
    return names


def test_names_are_those_of_things_and_of_the_field() -> None:
    for path in FILES:
        names = names_in(path)
        vague, retired = names & VAGUE, names & RETIRED
        assert not vague, f"{path} calls something {', '.join(vague)}: name what it is"
        assert not retired, f"{path} still names {', '.join(retired)}: use the field's term"


def method_names() -> set[str]:
    drawers = (SOURCE / "methods").glob("*/*.py")
    return {path.stem for path in drawers} - {"__init__"}


@pytest.mark.parametrize(
    "core",
    [
        "training/step",
        "training/loop",
        "training/recipe",
        "core/collate",
        "core/batch",
        "core/records",
        "core/protocols",
    ],
)
def test_core_names_no_method(core: str) -> None:
    text = (SOURCE / f"{core}.py").read_text().lower()
    named = {name for name in method_names() if re.search(rf"\b{name}\b", text)}
    assert not named, f"{core}.py names {named}"


def messages(path: Path) -> list[str]:
    """The texts of a file that are no docstrings; what is filled into one is left out."""
    tree = parsed(path)
    nodes = list(ast.walk(tree))
    inside = {id(part) for node in nodes if isinstance(node, ast.JoinedStr) for part in node.values}
    # A docstring is an expression that stands alone, as the explanations below constants are.
    inside |= {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
    found = [node.value for node in nodes if isinstance(node, ast.Constant) and id(node) not in inside]
    for node in nodes:
        if isinstance(node, ast.JoinedStr):
            found.append("".join(str(part.value) if isinstance(part, ast.Constant) else "..." for part in node.values))
    return [text for text in found if isinstance(text, str)]


def test_messages_name_settings_and_not_flags() -> None:
    """Who calls a function has no flags; whole commands, as `forage eval --out`, are for the reader of any message.

    A text that is a flag and nothing more is a word of a command that is run, not of a message.
    """
    for path in FILES:
        for text in messages(path) if room_of(path) not in ("cli", "adapters", "__main__") else []:
            bare = re.sub(r"`(?:forage|torchrun) [^`]*`?|\bforage \w+ .*", "", text, flags=re.DOTALL)
            flag = re.search(r"(?:^|[\s(`])--[a-z]{2}", bare)
            assert not flag or re.fullmatch(r"--[a-z-]+", text), f"{path}: {text}"


def test_step_fits_on_a_page() -> None:
    assert (SOURCE / "training/step.py").read_text().count("\n") <= 120
