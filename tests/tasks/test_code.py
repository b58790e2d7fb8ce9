import json
import random
from pathlib import Path

import pytest

from forage.base_models.code import WrittenPrograms
from forage.core.errors import ForageError
from forage.core.protocols import Task
from forage.core.serialize import decode_part, encode_part
from forage.engines.local.codec import LocalCodec
from forage.tasks.code import TinyCode
from forage.tasks.code.file import CodeFile
from forage.tasks.code.functions import LARGEST, LINES, TESTED, CodeLine, behaviour, draw_program, draw_programs
from forage.tasks.code.language import END, RETURN, SLIPS, TOKEN_OF, program_words, prompt_words
from forage.tasks.names import parse_task
from forage.verification.judge import WorkerJudge


def test_functions_by_hand() -> None:
    """x * 2 + 1 over 0..11 is 1, 3, ..., 23; a constant, the identity and what leaves 0..60 are no functions."""
    function = behaviour((CodeLine("*", 2), CodeLine("+", 1)))
    assert function is not None
    assert function.results == tuple(range(1, 25, 2))
    assert behaviour((CodeLine("min", 3), CodeLine("max", 20))) is None
    assert behaviour((CodeLine("+", 1), CodeLine("-", 1))) is None
    assert behaviour((CodeLine("-", 3), CodeLine("+", 1))) is None
    assert behaviour((CodeLine("*", 8), CodeLine("*", 2))) is None
    assert LARGEST == 60


def test_splits_do_not_meet_and_do_not_move() -> None:
    task = TinyCode()
    train, test = task.problems("train"), task.problems("test")
    assert (len(train), len(test)) == (96, 48)
    behaviours = [{json.dumps(json.loads(p.answer)["outputs"]) for p in split} for split in (train, test)]
    assert not behaviours[0] & behaviours[1]
    assert TinyCode(seed=1).problems("test") == test
    assert TinyCode(seed=1).problems("train") != train
    with pytest.raises(ForageError, match=r"has \d+ functions of 1 lines, fewer than the 96"):
        TinyCode(lines=1).problems("train")


def test_what_is_written_is_in_the_language_and_mostly_right() -> None:
    """Decoding is exact; about 1 - SLIPS of the programs (and lucky slips) do what their prompt shows."""
    task = TinyCode()
    tokenizer = WrittenPrograms(task).tokenizer()
    right = 0
    for prompt, program in task.programs(200):
        text = "".join(prompt)
        assert tokenizer(text)["input_ids"] == [TOKEN_OF[word] for word in prompt]
        assert program[-2:] == [RETURN, END]
        names: dict[str, object] = {}
        exec(text + "".join(program[:-1]), names)  # words of our own language
        shown = [line for line in text.splitlines() if line.startswith("# f(")]
        function = names["f"]
        assert callable(function)
        right += all(str(function(int(line[4 : line.index(")")]))) == line.split(" = ")[1] for line in shown)
    assert 0.5 < right / 200 < 0.8 + (1 - SLIPS) / 5


def test_steps_are_lines_and_pieces_are_exact() -> None:
    task = TinyCode()
    codec = LocalCodec(WrittenPrograms(task).tokenizer())
    program, _ = draw_program(random.Random(1), 2, "train")
    words = [*program_words(program), END]
    tokens = [TOKEN_OF[word] for word in words]
    pieces = codec.pieces(tokens)
    assert "".join(pieces) == codec.decode(tokens) == "".join(words[:-1])
    ends = task.step_ends(pieces)
    # an operation, a constant and the end of the line, twice; `return x` and the end token
    assert ends == (3, 6, 8)
    assert ["".join(pieces[a:b]).count("\n") for a, b in zip((0, *ends), ends, strict=False)] == [1, 1, 1]


def test_programs_of_the_world_are_judged() -> None:
    """Every program of two lines for a problem is right if and only if it agrees with it on all tested arguments."""
    task = TinyCode()
    problem = task.problems("train")[0]
    program, function = draw_programs(task.lines, "train", task.train_problems, task.seed)[0]
    assert problem.prompt == "".join(prompt_words(program, function))
    assert str(problem.prompt).endswith("".join(f"# use {line.operation}\n" for line in program) + "def f(x):\n")
    other = (program[0], LINES[(LINES.index(program[1]) + 1) % len(LINES)])
    texts = ["".join(program_words(candidate)) for candidate in (program, other)]
    with WorkerJudge(task, workers=1, deadline=60.0) as judge:
        first, second = judge.submit(problem, texts).result()
    assert first.value == 1
    assert (second.value == 1) == (behaviour(other) == function)
    assert second.parts["passed"] < 1
    assert len(TESTED) == 12


def test_the_task_has_a_name() -> None:
    assert parse_task("code:lines=3,seed=2") == TinyCode(lines=3, seed=2)
    assert decode_part(encode_part(TinyCode(seed=3)), Task) == TinyCode(seed=3)


APPS = {
    "question": "Add one.",
    "input_output": json.dumps({"fn_name": "g", "inputs": [[1]], "outputs": [2]}),
    "starter_code": "def g(x):\n",
}
OURS = {"id": "sum", "prompt": "Print the sum.", "tests": {"inputs": ["1 2"], "outputs": ["3"]}}


def test_problems_from_a_file(tmp_path: Path) -> None:
    train, test = tmp_path / "train.jsonl", tmp_path / "test.json"
    train.write_text("\n".join(map(json.dumps, [APPS, OURS])) + "\n")
    test.write_text(json.dumps([OURS]))
    task = CodeFile(train=train, test=test)
    first, second = task.problems("train")
    assert first.prompt == "Add one.\ndef g(x):\n"
    assert second.id == task.problems("test")[0].id == "code:sum"
    with WorkerJudge(task, workers=1, deadline=60.0) as judge:
        assert judge.submit(first, ["    return x + 1"]).result()[0].value == 1
        assert judge.submit(second, ["print(sum(map(int, input().split())))"]).result()[0].value == 1
    encoded = encode_part(task)
    assert decode_part(encoded, Task) == task
    test.write_text(json.dumps([APPS]))
    with pytest.raises(ForageError, match="has changed since"):
        decode_part(encoded, Task)


def test_bad_rows_are_named_by_file_and_line(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    file.write_text(json.dumps(OURS) + '\n\n{"prompt": "x"}\n')
    with pytest.raises(ForageError, match=r"a\.jsonl:3: a code problem has"):
        CodeFile(train=file, test=file).problems("train")
    with pytest.raises(ForageError, match="cannot be read"):
        CodeFile(train=tmp_path / "none", test=file)
