"""Generated tasks: each pair does what its task says, and its links say where each word comes from."""

import pytest

from nmt.data.tasks import TASKS, Expansion, Retrieval, SymbolTask
from nmt.errors import ConfigError

SMALL = {"symbols": 5, "shortest": 1, "longest": 6, "train": 200, "validation": 20, "test": 20}


def solve(name: str, source: list[str]) -> tuple[list[str], list[int]]:
    """The target of a task and the source word of each of its words, by its definition."""
    if name == "copying":
        return source, list(range(len(source)))
    if name == "reversal":
        following = dict(zip("abcde", "BCDEA", strict=True))
        return [following[word] for word in source[::-1]], list(range(len(source)))[::-1]
    if name == "retrieval":
        (place,) = (place for place, word in enumerate(source) if word.isupper())
        return [source[place]], [place]
    words = [(word[0], place) for place, word in enumerate(source) for _ in range(int(word[1:]))]
    return [word for word, _ in words], [place for _, place in words]


@pytest.fixture(params=TASKS)
def task(request: pytest.FixtureRequest) -> SymbolTask:
    return TASKS[request.param](**SMALL)


def test_targets_and_links_are_those_of_the_task(task: SymbolTask) -> None:
    for split, size in task.sizes.items():
        text = task.load(split)
        assert len(text.source) == len(text.target) == size
        assert text.alignments is not None
        for source, target, links in zip(*text[:3], strict=True):
            words, origins = solve(task.name, source.split())
            assert target.split() == words
            assert {tuple(map(int, link.split("-"))) for link in links.split()} == {
                (s, t) for t, s in enumerate(origins)
            }


def test_all_lengths_and_symbols_are_drawn(task: SymbolTask) -> None:
    sources = [line.split() for line in task.load("train").source]
    assert {len(words) for words in sources} == set(range(1, 7))
    assert {word[0].lower() for words in sources for word in words} == set("abcde")


def test_the_test_set_may_have_strings_of_another_length(task: SymbolTask) -> None:
    longer = type(task)(**SMALL, test_length=9)
    assert {len(line.split()) for line in longer.load("test").source} == {9}
    assert {len(line.split()) for line in longer.load("train").source} == set(range(1, 7))
    assert longer.get_identity() != task.get_identity()


def test_what_is_asked_for_stands_at_the_beginning_of_a_long_string() -> None:
    places = [pair.origins[0] for pair in Retrieval(**SMALL | {"shortest": 30, "longest": 30})._pairs]
    assert set(places) == set(range(10))


def test_the_text_is_that_of_the_settings(task: SymbolTask) -> None:
    again = type(task)(**SMALL)
    assert again.load("train") == task.load("train")
    assert again.get_identity() == task.get_identity()
    other = type(task)(**SMALL, seed=2)
    assert other.load("train") != task.load("train")
    assert other.get_identity() != task.get_identity()
    more = type(task)(**{**SMALL, "train": 300})  # test and validation stay
    assert (more.load("test"), more.load("validation")) == (task.load("test"), task.load("validation"))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"symbols": 0}, r"data\.symbols must be from 1 to 26.*got 0"),
        ({"shortest": 7}, r"got 7 and 6"),
        ({"longest": 2000}, r"from 1 to 1500"),
        ({"test_length": 0}, r"data\.test_length must be from 1 to 1500, or null .* got 0"),
        ({"train": 0}, r"data\.train is a number of pairs"),
    ],
)
def test_numbers_are_checked(settings: dict[str, int], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Expansion(**(SMALL | settings))
