"""Imports point down one list of packages, and one file alone writes minus infinity.

Everything may know the leaves, and `config`. `cli` is imported by nothing, `search` knows a step function and no model,
`data` knows no model, and kernels know tensors only.
"""

import ast
import functools
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1] / "nmt"
FILES = {path.relative_to(PACKAGE.parent).as_posix(): path for path in sorted(PACKAGE.rglob("*.py"))}

PACKAGES = (
    *("cli", "api", "tuning", "comparison", "composition", "inference", "runs", "model_folder", "attention_layer"),
    "build",
    *("training", "explanation", "report"),
    *("evaluation", "translation", "search", "model", "attention", "kernels", "data", "storage", "arguments", "config"),
)
"""Each may import those that stand after it, but for EXCEPT."""

LEAVES = {
    *("errors", "exhaustion", "launch", "masks", "printable", "progress", "ranks", "renames", "special_tokens"),
    *("config_text", "synonyms", "thread_wait", "trees", "variants", "workers"),
}
"""Each of these may be imported by all, and imports no package."""

EXCEPT: dict[str, set[str]] = {
    "report": set(PACKAGES) - {"report", "evaluation", "data"},  # it draws what evaluation measures, and pictures
    "search": {"model", "attention", "data", "storage", "config"},
    "model": {"data", "storage", "config"},
    "attention": {"data", "storage", "config"},
    "kernels": {"data", "storage", "config"},
    "data": set(),
    "storage": {"config"},
}
BELOW: dict[str, set[str]] = {
    **{leaf: {"errors"} - {leaf} for leaf in LEAVES},
    **{
        package: set(PACKAGES[place + 1 :]) - EXCEPT.get(package, set()) | {"config"} - {package}
        for place, package in enumerate(PACKAGES)
    },
}


def imported(tree: ast.AST, module: str, package: bool) -> Iterator[str]:
    """The full names of all that a module imports, absolute or relative, at its top or inside functions."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parts = module.split(".")
            parts = parts[: len(parts) - node.level + package] if node.level else []
            base = ".".join([*parts, *([node.module] if node.module else [])])
            yield from (f"{base}.{alias.name}" for alias in node.names)


@functools.cache
def parse(file: str) -> ast.Module:
    return ast.parse(FILES[file].read_text(encoding="utf-8"))


@functools.cache
def imports(file: str) -> list[str]:
    module = file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    return list(imported(parse(file), module, FILES[file].name == "__init__.py"))


def room(name: str) -> str | None:
    """The room under nmt/ that a full name lies in; None for what lies elsewhere and for `nmt` itself."""
    parts = name.split(".")
    return parts[1] if parts[0] == "nmt" and len(parts) > 1 and parts[1] in BELOW else None


def minus_infinities(tree: ast.AST) -> list[str]:
    def is_one(node: ast.AST) -> bool:
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            text = ast.unparse(node.operand).lower()
            return text.endswith(".inf") or text in {"inf", "float('inf')", "float('infinity')"}
        return isinstance(node, ast.Constant) and str(node.value).lower() in {"-inf", "-infinity"}

    return [f"line {node.lineno}" for node in ast.walk(tree) if is_one(node) and hasattr(node, "lineno")]


def find_wrong_imports(file: str) -> list[str]:
    """What a file imports that its room must not know."""
    here = room(file.removesuffix(".py").replace("/", "."))
    if file == "nmt/__init__.py":
        allowed = {None, "api", "errors"}  # tests/test_api.py says when
    else:
        assert here is not None, f"{file} is in no room of the picture"
        allowed = {None, here, *LEAVES, *BELOW[here]}
    return sorted({f"{file} must not know {name}" for name in imports(file) if room(name) not in allowed})


def test_imports_point_down() -> None:
    assert [wrong for file in FILES for wrong in find_wrong_imports(file)] == []


def test_minus_infinity_is_written_in_one_file_only() -> None:
    assert {file: found for file in FILES if (found := minus_infinities(parse(file)))}.keys() == {"nmt/masks.py"}


def test_the_readers_above_see_what_they_should() -> None:
    code = "def f():\n from . import b, c\n from ..d import e\nimport nmt.data.lines as x\n"
    found = ["nmt.data.lines", "nmt.a.b", "nmt.a.c", "nmt.d.e"]
    assert sorted(imported(ast.parse(code), "nmt.a.module", False)) == sorted(found)
    assert list(imported(ast.parse("from .b import c"), "nmt.a", True)) == ["nmt.a.b.c"]
    spelled = ("-torch.inf", "-math.inf", "-np.inf", "float('-inf')", "-float('inf')", "x = -inf")
    assert all(minus_infinities(ast.parse(code)) for code in spelled)
    assert minus_infinities(ast.parse("torch.inf - 1, float('inf'), x - y")) == []
    assert room("nmt.data.lines") == "data"
    assert room("torch.data") is None
