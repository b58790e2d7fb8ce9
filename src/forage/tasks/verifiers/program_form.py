"""Programs in a canonical form: two that differ in names, comments or the order of commuting operands are one.

The form is a heuristic: it merges what is surely written alike, and does not ask whether programs compute alike. `+`
and `*` commute unless an operand is visibly a text or a list; `and` and `or` do not, as what stands first guards the
rest.
"""

import ast
import hashlib
from collections.abc import Iterator
from itertools import count

COMMUTING = (ast.Add, ast.Mult, ast.BitAnd, ast.BitOr, ast.BitXor)
SEQUENCES = (ast.List, ast.Tuple, ast.ListComp, ast.JoinedStr)
MIRRORED = {ast.Gt: ast.Lt, ast.GtE: ast.LtE}
SYMMETRIC = (ast.Eq, ast.NotEq)
ORDERLESS_CALLS = ("max", "min")

Scope = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.Module


def program_form(source: str) -> str | None:
    """A digest of the canonical form; None for what is no Python, or is nested too deeply to be read."""
    try:
        tree = ast.parse(source)
        tree = _Order().visit(_Names().visit(_Plain().visit(tree)))
        return hashlib.blake2b(ast.dump(tree).encode("utf-8", "backslashreplace"), digest_size=8).hexdigest()
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


class _Plain(ast.NodeTransformer):
    """Takes out what computes nothing (docstrings, annotations), and writes `x += 1` as `x = x + 1`."""

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        return ast.Pass() if isinstance(node.value, ast.Constant) else self.generic_visit(node)

    def visit_arg(self, node: ast.arg) -> ast.AST:
        return ast.arg(arg=node.arg)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.returns = None
        return self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        if node.value is None:
            return ast.Pass()
        return self.generic_visit(ast.Assign(targets=[node.target], value=node.value))

    def visit_AugAssign(self, node: ast.AugAssign) -> ast.AST:
        if not isinstance(node.target, ast.Name):  # what is before a bracket or a dot would be computed twice
            return self.generic_visit(node)
        read = ast.Name(id=node.target.id, ctx=ast.Load())
        value = ast.BinOp(left=read, op=node.op, right=node.value)
        return self.generic_visit(ast.Assign(targets=[node.target], value=value))

    def generic_visit(self, node: ast.AST) -> ast.AST:
        super().generic_visit(node)
        for name in ("body", "orelse", "finalbody"):
            body = getattr(node, name, None)
            if isinstance(body, list) and len(body) > 1:
                setattr(
                    node, name, [statement for statement in body if not isinstance(statement, ast.Pass)] or [ast.Pass()]
                )
        return node


class _Names(ast.NodeTransformer):
    """Numbers the names that a program binds, scope by scope in the order of their binding; others stay."""

    def __init__(self) -> None:
        self._scopes: list[dict[str, str]] = []

    def visit_Module(self, node: ast.Module) -> ast.AST:
        return self._inside(node)

    def visit_Lambda(self, node: ast.Lambda) -> ast.AST:
        return self._inside(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.name = self._name(node.name)
        return self._inside(node)

    def visit_arg(self, node: ast.arg) -> ast.AST:
        node.arg = self._name(node.arg)
        return node

    def visit_Name(self, node: ast.Name) -> ast.AST:
        node.id = self._name(node.id)
        return node

    def _inside(self, node: Scope) -> ast.AST:
        numbers = (f"_{len(self._scopes)}_{number}" for number in count())
        elsewhere = {
            name for inner in _own(node) if isinstance(inner, ast.Global | ast.Nonlocal) for name in inner.names
        }
        names = [name for name in dict.fromkeys(_bound(node)) if name not in elsewhere]
        self._scopes.append(dict(zip(names, numbers, strict=False)))
        try:
            return self.generic_visit(node)
        finally:
            self._scopes.pop()

    def _name(self, name: str) -> str:
        return next((scope[name] for scope in reversed(self._scopes) if name in scope), name)


class _Order(ast.NodeTransformer):
    """Sorts, from the inside out, operands whose order means nothing."""

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        self.generic_visit(node)
        operands = list(_operands(node, type(node.op)))
        if not isinstance(node.op, COMMUTING) or any(map(_is_sequence, operands)):
            return node
        first, *rest = sorted(operands, key=ast.dump)
        for operand in rest:
            first = ast.BinOp(left=first, op=node.op, right=operand)
        return first

    def visit_Compare(self, node: ast.Compare) -> ast.AST:
        self.generic_visit(node)
        if len(node.ops) > 1:
            return node
        (sign,), (right,) = node.ops, node.comparators
        swap = isinstance(sign, SYMMETRIC) and ast.dump(right) < ast.dump(node.left)
        if type(sign) in MIRRORED or swap:
            return ast.Compare(left=right, ops=[MIRRORED.get(type(sign), type(sign))()], comparators=[node.left])
        return node

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        plain = not node.keywords and not any(isinstance(argument, ast.Starred) for argument in node.args)
        if plain and isinstance(node.func, ast.Name) and node.func.id in ORDERLESS_CALLS:
            node.args.sort(key=ast.dump)
        return node


def _own(scope: ast.AST) -> Iterator[ast.AST]:
    """What stands in a scope, in the order of the text, without what stands in scopes inside it."""
    for node in ast.iter_child_nodes(scope):
        yield node
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.ClassDef):
            yield from _own(node)


def _bound(scope: Scope) -> Iterator[str]:
    """The names that a scope binds itself. Those of imports are not: they say what is imported."""
    for node in _own(scope):
        if isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.FunctionDef):
            yield node.name


def _operands(node: ast.expr, sign: type[ast.operator]) -> Iterator[ast.expr]:
    """The operands of a chain of one operator, as `a`, `b` and `c` of `a + b + c`."""
    if isinstance(node, ast.BinOp) and type(node.op) is sign:
        yield from _operands(node.left, sign)
        yield from _operands(node.right, sign)
    else:
        yield node


def _is_sequence(node: ast.expr) -> bool:
    return isinstance(node, SEQUENCES) or (isinstance(node, ast.Constant) and isinstance(node.value, str | bytes))
