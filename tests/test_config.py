"""Configs against the constructors they are meant for: all problems at once, each with its path and the right word."""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmt.attention.normalizer import NORMALIZERS
from nmt.attention.scope import SCOPES
from nmt.attention.score import SCORES
from nmt.config import Variants, build, build_variant, check, inspect_parameters, list_paths, suggest
from nmt.errors import ConfigError
from nmt.model.decoders.table import DECODERS


@dataclasses.dataclass(frozen=True, kw_only=True)
class Limits:
    longest: int = 100
    ratio: float | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    steps: int
    rate: float = 0.1
    seed: int | None = None
    verbose: bool = False
    name: str = "plain"
    kind: Literal["fast", "exact"] = "fast"
    files: list[str] = dataclasses.field(default_factory=list)
    limits: Limits = dataclasses.field(default_factory=Limits)
    spare: Limits | None = None
    stop: Literal["never"] | float = "never"
    split: Limits | int = 3


class Tool:
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()


class Hammer(Tool):
    """Has no constructor of its own: nothing can be set."""


class Saw(Tool):
    def __init__(self, *, size: int, teeth: int = 20, limits: Limits | None = None) -> None:
        super().__init__()
        self.size, self.teeth, self.limits = size, teeth, limits


TOOL = Variants({"hammer": Hammer, "saw": Saw}, injected=frozenset({"size"}))
SCHEMA: dict[str, Any] = {"settings": Settings, "tool": TOOL, "inner": {"threads": int | None, "where": str}}
RIGHT: dict[str, Any] = {
    "settings": {"steps": 3},
    "tool": {"name": "saw"},
    "inner": {"threads": None, "where": "here"},
}


def changed(path: str, value: Any, config: Mapping[str, Any] = RIGHT) -> dict[str, Any]:
    """The config with one value set."""
    key, _, rest = path.partition(".")
    return {**config, key: changed(rest, value, config.get(key) or {}) if rest else value}


def problems(config: Any, schema: Any = SCHEMA) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        check(config, schema)
    return str(caught.value).split("\n")


def test_a_right_config_passes_as_it_is() -> None:
    assert check(RIGHT, SCHEMA) == RIGHT


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("settings.split", "x", "settings.split='x' must be a group of settings (longest, ratio) or a whole number."),
        ("settings.split.longest", "x", "settings.split.longest='x' must be a whole number."),
        ("settings.split.longest", "???", "settings.split.longest must be given: write settings.split.longest=..."),
        ("settings.stpes", 3, "settings.stpes is not a setting. Did you mean steps?"),
        ("tool.tooth", 3, "tool.tooth is not a setting of saw. Did you mean teeth?"),
        ("tool.size", 3, "tool.size is not a setting of saw."),
        ("inner.threds", 3, "inner.threds is not a setting. Did you mean threads?"),
        ("iner", {}, "iner is not a setting. Did you mean inner?"),
        ("settings.limits.longst", 3, "settings.limits.longst is not a setting. Did you mean longest?"),
        ("settings.spare.longst", 3, "settings.spare.longst is not a setting. Did you mean longest?"),
        ("tool.limits.longst", 3, "tool.limits.longst is not a setting. Did you mean longest?"),
        ("tool.name", "swa", "tool.name='swa' is not one of its variants. Did you mean saw?"),
        ("tool.name", "drill", "tool.name='drill' is not one of its variants. Choose from: hammer, saw."),
        ("tool.name", ["saw"], "tool.name=['saw'] is not one of its variants."),
        ("tool.name", None, "tool.name=null is not one of its variants. Choose from: hammer, saw."),
        ("tool", {}, "tool.name='???' is not one of its variants. Choose from: hammer, saw."),
        ("tool", {"name": "hammer", "teeth": 3}, "tool.teeth is not a setting of hammer. Nothing can be set here."),
        ("tool", "saw", "tool must be a group of name and settings; got 'saw'."),
        ("tool", ["saw"], "tool must be a group of name and settings; got ['saw']."),
        ("inner", None, "inner must be a group of settings; got null."),
        ("settings", {}, "settings.steps is missing."),
        ("settings.steps", "???", "settings.steps must be given: write settings.steps=..."),
        ("inner.threads", "???", "inner.threads must be given: write inner.threads=..."),
        ("settings.steps", 1.5, "settings.steps=1.5 must be a whole number."),
        ("settings.steps", True, "settings.steps=true must be a whole number."),
        ("settings.steps", "3", "settings.steps='3' must be a whole number."),
        ("settings.steps", None, "settings.steps=null must be a whole number; it has to be given."),
        ("settings.steps", math.inf, "settings.steps=inf must be a whole number below 2^63."),
        ("settings.steps", math.nan, "settings.steps=nan must be a whole number."),
        ("settings.rate", "abc", "settings.rate='abc' must be a number."),
        ("settings.rate", False, "settings.rate=false must be a number."),
        ("settings.seed", "x", "settings.seed='x' must be a whole number."),
        ("settings.verbose", 1, "settings.verbose=1 must be true or false."),
        ("settings.verbose", "yes", "settings.verbose='yes' must be true or false."),
        ("settings.name", ["a", None, {"b": True}], "settings.name=['a', null, {b: true}] must be text."),
        ("settings.name", [[[["a"], []]]], "settings.name=[[[..., []]]] must be text."),
        ("settings.name", 3, "settings.name=3 must be text."),
        ("settings.kind", "fats", "settings.kind='fats' is not one of its values. Did you mean fast?"),
        ("settings.kind", 3, "settings.kind=3 is not one of its values. Choose from: exact, fast."),
        ("settings.kind", True, "settings.kind=true is not one of its values."),
        ("settings.files", "a.txt", "settings.files='a.txt' must be a list."),
        ("settings.files", ["a", 3], "settings.files[1]=3 must be text."),
        ("settings.limits", 3, "settings.limits=3 must be a group of settings (longest, ratio)."),
        (
            "settings.limits",
            None,
            "settings.limits=null must be a group of settings (longest, ratio); it has to be given.",
        ),
        ("settings.limits.ratio", "big", "settings.limits.ratio='big' must be a number."),
        ("settings.stop", "nver", "settings.stop='nver' must be never or a number."),
        ("inner.where", None, "inner.where=null must be text; it has to be given."),
    ],
)
def test_each_problem_names_its_path_and_the_way_out(path: str, value: Any, message: str) -> None:
    (found,) = problems(changed(path, value))
    assert found.startswith(message)


@pytest.mark.parametrize("config", [None, 3, "text", []])
def test_a_config_that_is_no_group_is_refused(config: Any) -> None:
    assert problems(config)[0].startswith("The config must be a group of settings; got ")


def test_all_problems_are_reported_at_once_and_in_order() -> None:
    config = changed("settings.rate", "x", changed("tool.tooth", 1, changed("inner.thread", 2)))
    assert [problem.split()[0] for problem in problems({**config, "extra": 1})] == [
        "extra",
        "settings.rate='x'",
        "tool.tooth",
        "inner.thread",
    ]
    missing = problems({})
    assert missing == [f"{key} is missing." for key in SCHEMA]


@pytest.mark.parametrize(
    ("path", "value", "wanted"),
    [
        ("settings.steps", 1e4, 10000),
        ("settings.steps", 2**60 + 1, 2**60 + 1),
        ("settings.rate", 1, 1.0),
        ("settings.rate", math.inf, math.inf),
        ("settings.seed", None, None),
        ("settings.seed", 0, 0),
        ("settings.verbose", True, True),
        ("settings.kind", "exact", "exact"),
        ("settings.files", ("a", "b"), ["a", "b"]),
        ("settings.limits", {"longest": 50.0, "ratio": 2}, {"longest": 50, "ratio": 2.0}),
        ("settings.spare", None, None),
        ("settings.spare", {}, {}),
        ("settings.stop", 3, 3.0),
        ("settings.stop", "never", "never"),
        ("inner.threads", 4.0, 4),
        ("tool.teeth", 3, 3),
        ("tool.limits", {"longest": 1}, {"longest": 1}),
    ],
)
def test_values_become_their_declared_type(path: str, value: Any, wanted: Any) -> None:
    checked: Any = check(changed(path, value), SCHEMA)
    for key in path.split("."):
        checked = checked[key]
    assert checked == wanted
    assert type(checked) is type(wanted)


@given(
    value=st.one_of(
        st.integers(-(2**53), 2**53), st.floats(-1e9, 1e9), st.booleans(), st.text(max_size=2), st.none(), st.just([3])
    )
)
def test_a_checked_value_has_its_declared_type_or_is_refused(value: Any) -> None:
    for key, kind in {"steps": int, "rate": float, "verbose": bool, "name": str}.items():
        config = changed(f"settings.{key}", value)
        if (type(value) is kind and (kind is not str or value.strip())) or (
            kind in (int, float) and type(value) in (int, float) and value == kind(value)
        ):
            checked = check(config, SCHEMA)["settings"][key]
            assert type(checked) is kind
            assert checked == value
        else:
            assert problems(config)[0].startswith(f"settings.{key}=")


@pytest.mark.parametrize("annotation", [str, str | None, list[str], str | list[str] | None, dict[str, str | None]])
@pytest.mark.parametrize("text", ["", " "])
def test_an_empty_text_names_nothing(annotation: Any, text: str) -> None:
    value = {"list": [text], "dict": {"folder": text}}.get(getattr(annotation, "__name__", ""), text)
    (told,) = problems({"output": value}, {"output": annotation})
    assert "= is empty; it must be text" in told
    assert told.startswith("output")


@pytest.mark.parametrize(
    ("annotation", "right", "wrong"),
    [
        (int, 3, "x"),
        (float, 0.5, "x"),
        (str, "x", 3),
        (bool, False, 0),
        (int | None, None, "x"),
        (Literal["a", "b"], "b", "c"),
        (list[str], ["x"], [3]),
        (dict[str, int], {"x": 3}, {"x": "y"}),
        (Limits | None, {"longest": 3}, {"longest": "x"}),
    ],
)
def test_a_node_of_a_schema_may_be_a_bare_annotation(annotation: Any, right: Any, wrong: Any) -> None:
    assert check({"node": right}, {"node": annotation}) == {"node": right}
    assert problems({"node": wrong}, {"node": annotation})[0].startswith("node")


@pytest.mark.parametrize("annotation", [float, float | None, Any, dict[str, Any]])
@pytest.mark.parametrize("number", [1e-320, -5e-324])
def test_a_number_that_would_be_computed_with_as_zero_is_told_as_it_was_written(annotation: Any, number: float) -> None:
    is_group = annotation == dict[str, Any]
    value, path = ({"inner": number}, "node.inner") if is_group else (number, "node")
    assert problems({"node": value}, {"node": annotation}) == [
        f"{path}={number} must be a number of 2.2e-308 or more, or 0."
    ]
    kept = {"inner": 0.0} if is_group else 0.0
    assert check({"node": kept}, {"node": annotation}) == {"node": kept}


def test_build_makes_nested_dataclasses() -> None:
    config = check({"steps": 3, "limits": {"longest": 7}, "spare": {"ratio": 2}}, Settings)
    made = build(Settings, config)
    assert made == Settings(steps=3, limits=Limits(longest=7), spare=Limits(ratio=2.0))


def test_make_picks_the_variant_and_adds_what_is_given() -> None:
    made = build_variant(TOOL, check({"name": "saw", "teeth": 3, "limits": {"longest": 7}}, TOOL), size=5)
    assert isinstance(made, Saw)
    assert (made.size, made.teeth, made.limits) == (5, 3, Limits(longest=7))
    assert isinstance(build_variant(TOOL, {"name": "hammer"}), Hammer)


def test_paths_are_all_that_a_config_may_hold() -> None:
    names = [field.name for field in dataclasses.fields(Settings)]
    limits = {f"{where}.{name}" for where in ("limits", "spare", "split") for name in ("longest", "ratio")}
    assert set(list_paths(SCHEMA)) == {
        *SCHEMA,
        *(f"settings.{name}" for name in [*names, *limits]),
        *(f"tool.{name}" for name in ["name", "teeth", "limits", "limits.longest", "limits.ratio"]),
        *(f"inner.{name}" for name in ["threads", "where"]),
    }
    assert len(list_paths(SCHEMA)) == len(set(list_paths(SCHEMA)))


def test_parameters_without_names_are_no_settings() -> None:
    assert inspect_parameters(Hammer) == {}
    assert list(inspect_parameters(Saw)) == ["size", "teeth", "limits"]


@pytest.mark.parametrize(
    "table", [SCORES, SCOPES, NORMALIZERS, DECODERS], ids=["score", "scope", "normalizer", "decoder"]
)
def test_every_variant_can_be_named_without_settings(table: dict[str, type]) -> None:
    given = frozenset(
        {"query_size", "memory_size", "heads", "embedding_size", "make_attention", "readout_dropout", "bridge"}
    )
    for name in table:
        assert check({"name": name}, Variants(table, given)) == {"name": name}


def test_the_nearest_word_is_offered_and_otherwise_all() -> None:
    assert suggest("addtive", ["additive", "dot"]) == "Did you mean additive?"
    assert suggest("zzz", ["dot", "additive"]) == "Choose from: additive, dot."
    assert suggest("zzz", []) == "Nothing can be set here."
