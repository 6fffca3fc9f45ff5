"""Nothing in the source runs, unpickles or fetches what a file or a person names: read from the syntax trees."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted(
    path.relative_to(ROOT).as_posix()
    for folder in ("nmt", "scripts", "configs")
    for path in (ROOT / folder).rglob("*.py")
)

MODULES = {
    *("pickle", "_pickle", "cPickle", "cloudpickle", "dill", "joblib", "marshal", "shelve", "copyreg", "pty", "code"),
    *("codeop", "runpy", "telnetlib", "jsonpickle", "torch.hub", "torch.package", "torch.jit", "numpy.lib.format"),
    *("xml", "lxml", "ctypes", "cffi"),
}
"""What runs or unpickles what it reads, or reaches below Python."""

CALLS = {
    *("eval", "exec", "compile", "__import__", "breakpoint"),
    *("torch.load", "torch.save", "torch.hub.load", "torch.jit.load", "torch.compile", "torch.ops.load_library"),
    *("torch.serialization.load", "torch.utils.cpp_extension.load", "torch.classes.load_library"),
    *("hydra.utils.instantiate", "hydra.utils.call", "hydra.utils.get_class", "hydra.utils.get_method"),
    *("hydra.utils.get_object", "omegaconf.OmegaConf.register_new_resolver"),
    *("yaml.load", "yaml.load_all", "yaml.unsafe_load", "yaml.unsafe_load_all", "yaml.full_load", "yaml.full_load_all"),
    *("os.system", "os.popen", "os.startfile", "subprocess.getoutput", "subprocess.getstatusoutput"),
    *("importlib.import_module", "importlib.reload", "pydoc.locate", "pkgutil.resolve_name", "tempfile.mktemp"),
    *("numpy.fromfile", "numpy.loadtxt", "numpy.genfromtxt", "pandas.read_pickle", "pandas.eval"),
}
"""By their full names, however they were imported."""

METHODS = {"read_pickle", "load_pickle", "extractall", "unpack_archive"}
"""By their last names, whatever they are called on."""

FAMILIES = ("os.exec", "os.spawn", "os.posix_spawn")
"""How full names begin."""

WORDS = {"trust_remote_code", "allow_pickle", "_target_", "weights_only"}
"""Keywords of calls, and texts."""

ALLOWED = {
    ("nmt/kernels/process_setup.py", "ctypes"),
    ("nmt/training/compiled.py", "torch.compile"),
    ("nmt/data/sources/npy.py", "numpy.lib.format"),
    ("nmt/data/pair_files/markup.py", "xml.parsers"),
    ("nmt/data/pair_files/markup.py", "xml.parsers.expat"),
}
"""The C library of this process, for a setting of its allocator; the decoder of this package, compiled; the header of
an array without pickled objects; XML in which no entity may be defined."""


def aliases(tree: ast.AST) -> dict[str, str]:
    """The full name behind each name that an import gives."""
    found = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                found[alias.asname or alias.name.split(".")[0]] = (
                    alias.name if alias.asname else alias.name.split(".")[0]
                )
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    return {name: {"np": "numpy", "pd": "pandas"}.get(full, full) for name, full in found.items()}


def full_name(node: ast.AST, known: dict[str, str]) -> str:
    """`os.system` for `system` after `from os import system`; empty for what is no name."""
    if isinstance(node, ast.Name):
        return known.get(node.id, node.id)
    if isinstance(node, ast.Attribute) and (before := full_name(node.value, known)):
        return f"{before}.{node.attr}"
    return ""


def imported(tree: ast.AST) -> Iterator[str]:
    """The full names of all modules and members that a file imports."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def within(name: str, modules: set[str]) -> bool:
    """Whether a full name is a module of these, or lies in one."""
    return any(name == module or name.startswith(f"{module}.") for module in modules)


def dangers(code: str) -> set[str]:
    """What a file does that this project does not do."""
    tree = ast.parse(code)
    known = aliases(tree)
    found = {name for name in imported(tree) if name in CALLS or within(name, MODULES)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            continue  # a name of our own, such as that of a setting
        if isinstance(node, ast.Name | ast.Attribute):
            name = full_name(node, known)
            found |= {name} if name.removeprefix("builtins.") in CALLS or name.startswith(FAMILIES) else set()
            found |= {node.attr} if isinstance(node, ast.Attribute) and node.attr in METHODS else set()
        elif isinstance(node, ast.Call):
            found |= set(called(node))
        elif isinstance(node, ast.Constant) and node.value in WORDS:
            found.add(str(node.value))
    return found


def called(node: ast.Call) -> Iterator[str]:
    """What is wrong with how something is called."""
    for keyword in node.keywords:
        if keyword.arg in WORDS:
            yield str(keyword.arg)
        if keyword.arg == "shell" and not (isinstance(keyword.value, ast.Constant) and keyword.value.value is False):
            yield "shell"


def test_the_source_does_nothing_dangerous() -> None:
    found = {(file, name) for file in FILES for name in dangers((ROOT / file).read_text(encoding="utf-8"))}
    assert found - ALLOWED == set()


def test_shell_scripts_evaluate_nothing() -> None:
    for path in (ROOT / "scripts").glob("*.sh"):
        words = path.read_text(encoding="utf-8").split()
        assert not {"eval", "curl", "wget", "source"} & set(words)


CONTROLS = {
    "import pickle": "pickle",
    "from pickle import loads as safe": "pickle.loads",
    "import dill as yaml": "dill",
    "import torch\ntorch.load('x')": "torch.load",
    "from torch import load as read\nread('x')": "torch.load",
    "import torch as t\nx = t.load": "torch.load",
    "eval('1')": "eval",
    "exec('1')": "exec",
    "import builtins\nbuiltins.eval('1')": "builtins.eval",
    "from hydra.utils import instantiate": "hydra.utils.instantiate",
    "from hydra.utils import instantiate as make\nmake(c)": "hydra.utils.instantiate",
    "import hydra\nhydra.utils.instantiate(c)": "hydra.utils.instantiate",
    "import yaml\nyaml.load(f, yaml.Loader)": "yaml.load",
    "import yaml as y\ny.full_load(f)": "yaml.full_load",
    "from yaml import unsafe_load\nunsafe_load(f)": "yaml.unsafe_load",
    "import os\nos.system('ls')": "os.system",
    "from os import system as s\ns('ls')": "os.system",
    "import os\nos.execvp('ls', [])": "os.execvp",
    "import subprocess\nsubprocess.run('ls', shell=True)": "shell",
    "import subprocess\nsubprocess.run('ls', shell=always)": "shell",
    "import subprocess as s\ns.getoutput('ls')": "subprocess.getoutput",
    "load_dataset('x', trust_remote_code=True)": "trust_remote_code",
    "load_dataset('x', **{'trust_remote_code': True})": "trust_remote_code",
    "import numpy as np\nnp.load('x', allow_pickle=True)": "allow_pickle",
    "import importlib\nimportlib.import_module(name)": "importlib.import_module",
    "__import__(name)": "__import__",
    "config['_target_']": "_target_",
    "frame.read_pickle(path)": "read_pickle",
    "import tarfile\ntarfile.open(x).extractall()": "extractall",
}


@pytest.mark.parametrize("code", CONTROLS)
def test_each_danger_is_seen(code: str) -> None:
    assert CONTROLS[code] in dangers(code)


def test_what_is_harmless_is_not_taken_for_a_danger() -> None:
    lines = ("model.eval()", "import yaml, re, subprocess", "yaml.safe_load(f)", "re.compile('a')", "json.load(f)")
    assert dangers("\n".join([*lines, "subprocess.run(['ls'], shell=False)"])) == set()


def test_all_files_are_looked_at() -> None:
    assert {"nmt/build/schema.py", "nmt/cli/application.py", "scripts/train.py", "configs/__init__.py"} <= set(FILES)
