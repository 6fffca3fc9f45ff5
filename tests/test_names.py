"""Names that a reader can guess: functions are verbs, and no class shares its name with another."""

import ast
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1] / "nmt"
FILES = {path.relative_to(PACKAGE.parent).as_posix(): path for path in sorted(PACKAGE.rglob("*.py"))}

VERBS_LIKE_PARTICIPLES = frozenset(
    {"bind", "bring", "embed", "feed", "find", "need", "ping", "proceed", "seed", "speed", "string"}
)
"""Verbs that end as participles and gerunds do."""

PARTICIPLES = frozenset(
    {
        *("begun", "built", "caught", "cut_off", "done", "drawn", "fed", "forgotten", "found", "given", "gone"),
        *("held", "hidden", "kept", "known", "led", "left", "lost", "made", "met", "put_on", "said", "seen"),
        *("shown", "spent", "split_off", "stood", "taken", "taught", "thrown", "told", "understood", "withdrawn"),
        *("worn", "written"),
    }
)
"""Irregular ones, which no ending tells."""

PREPOSITIONS = frozenset(
    {
        *("about", "above", "across", "after", "against", "alone", "along", "among", "around", "aside", "at"),
        *("away", "before", "behind", "below", "beneath", "beside", "between", "beyond", "by", "during"),
        *("elsewhere", "for", "forth", "from", "here", "in", "inside", "into", "near", "of", "off", "on", "onto"),
        *("otherwise", "out", "outside", "over", "past", "since", "there", "through", "throughout", "till", "to"),
        *("toward", "under", "until", "upon", "via", "with", "within", "without"),
    }
)
CONVERSIONS = frozenset({"from", "to"})
"""Prepositions that begin the names of conversions: from_sentences, to_device."""

CONSTRUCTORS = frozenset({"of"})
"""Class methods that make an instance of its parts, as `nmt.Attention.of` does."""


def list_functions(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """The public functions and methods that are no properties, with their lines."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not node.name.startswith("_"):
            decorators = {ast.unparse(each).split(".")[-1].split("(")[0] for each in node.decorator_list}
            if not decorators & {"property", "cached_property", "setter"}:
                yield node.name, node.lineno


def find_problem(name: str) -> str | None:
    """What kind of word a name begins with that is no verb."""
    first, *others = name.split("_")
    if name in CONSTRUCTORS:
        return None
    if first in PREPOSITIONS and not (others and first in CONVERSIONS):
        return "a preposition or an adverb"
    if first in PARTICIPLES:
        return "a participle"
    if first not in VERBS_LIKE_PARTICIPLES and len(first) > 4:
        return "a participle" if first.endswith("ed") else "a gerund" if first.endswith("ing") else None
    return None


def test_functions_begin_with_verbs() -> None:
    """As far as a word's form can tell: no participle, gerund or preposition begins the name of a public function."""
    found = [
        f"{file}, line {line}: {name} begins with {problem}"
        for file, path in FILES.items()
        for name, line in list_functions(ast.parse(path.read_text(encoding="utf-8")))
        if (problem := find_problem(name))
    ]
    assert found == []


def test_no_two_public_classes_share_a_name() -> None:
    places: dict[str, list[str]] = {}
    for file, path in FILES.items():
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places.setdefault(node.name, []).append(file)
    assert {name: files for name, files in places.items() if len(files) > 1} == {}


def test_what_it_would_find() -> None:
    wrong = {"told", "asking", "within", "over", "listed_jobs", "formatted", "between_words", "held", "timing"}
    right = {
        "bind",
        "embed",
        "feed",
        "find_file",
        "to_device",
        "from_sentences",
        "string_of",
        "read",
        "load",
        "put_file",
    }
    assert {name for name in wrong | right if find_problem(name)} == wrong
