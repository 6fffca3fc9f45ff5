"""Several models on the command line: how they are written, and what must not differ between them."""

from pathlib import Path

import pytest

from nmt import build, config
from nmt.cli import evaluate
from nmt.cli.translate import Settings, task
from nmt.composition.overrides import APPLIED, respelled
from nmt.errors import ConfigError, ModelError
from nmt.inference import inference
from tests import tiny_runs
from tests.commands import composed, finished, lines, write
from tests.trained import TINY, Trained

pytestmark = pytest.mark.usefixtures("unchecked_shapes")


def model(folder: Path, *overrides: str) -> Path:
    """A folder with a model that was trained for a step or two on the text of `trained`."""
    words = [*TINY, "training.stop.epochs=null", "training.stop.steps=2", *overrides]
    given = composed("train", *words, f"output={folder}", f"cache={folder.parent / 'cache'}")
    run = tiny_runs.made(config.check(given, build.TRAIN), folder)
    run.saver()(None)
    return folder


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of another kind over the vocabulary of `trained`. To be read only."""
    kind = ("model/decoder=bahdanau", "attention=bahdanau", "model.decoder.cell=gru", "model.embedding_size=16")
    return model(tmp_path_factory.mktemp("other") / "attention=bahdanau,cell=gru", *kind)


def translated(trained: Trained, folder: Path, written: str, *given: str) -> list[str]:
    source = write(folder / "in.txt", *trained.text.source, "")
    task(composed("translate", f"model={written}", f"input={source}", f"output={folder / 'out.txt'}", *given))
    return lines(folder / "out.txt")


@pytest.mark.parametrize(
    ("word", "hydras"),
    [
        ("model=a,b", "model.folder='a,b'"),
        ("model=[a,b]", "model.folder='a,b'"),
        ("model=[runs/attention=dot]", "model.folder='runs/attention=dot'"),
        ("model=['a','b']", "model.folder=['a','b']"),
        ("model='a,b'", "model.folder='a,b'"),
        ("model=[]", "model.folder=[]"),
    ],
)
def test_folders_need_no_quotes(word: str, hydras: str) -> None:
    assert respelled(word, APPLIED) == hydras


def test_a_comma_may_belong_to_the_name_of_a_folder(tmp_path: Path) -> None:
    one, two, three = (tmp_path / name for name in ("x=a,y=b", "x=a", "y=b"))
    for folder in (one, two, three):
        folder.mkdir()
    assert inference.models(f"{one}") == [str(one)]
    assert inference.models(f"{two},{three}, {one}") == [str(two), str(three), str(one)]
    assert inference.models(f"{one},{one}") == [str(one)] * 2
    assert inference.models([f"{two},{three}"]) == [f"{two},{three}"]
    assert inference.models(f"{two},{tmp_path}/none") == [str(two), f"{tmp_path}/none"]
    with pytest.raises(ConfigError, match="names no folder"):
        inference.models([])


def test_a_model_with_itself_translates_as_it_does_alone(trained: Trained, tmp_path: Path) -> None:
    alone = translated(trained, tmp_path, str(trained.folder))
    for written in (
        f"[{trained.folder}]",
        f"[{trained.folder},{trained.folder}]",
        f"{trained.folder},{trained.folder}",
    ):
        assert translated(trained, tmp_path, written) == alone


def test_models_of_different_kinds_translate_together(trained: Trained, other: Path, tmp_path: Path) -> None:
    both = f"[{trained.folder},{other}]"
    found = [
        translated(trained, tmp_path, both, "search.nbest=2", "format=nbest", *more) for more in ((), ("tokens=1",))
    ]
    first, again = ([line.split(" ||| ") for line in each] for each in found)
    assert [row[:2] for row in first] == [row[:2] for row in again]
    assert [float(row[2]) for row in first] == pytest.approx([float(row[2]) for row in again], abs=1e-4)
    for folder in (trained.folder, other):
        alone = translated(trained, tmp_path, str(folder), "search.nbest=2", "format=nbest")
        assert [line.split(" ||| ")[2] for line in alone] != [row[2] for row in first]


@pytest.mark.slow
def test_processes_translate_together_as_one_does(trained: Trained, other: Path, tmp_path: Path) -> None:
    both = f"{trained.folder},{other}"
    alone = translated(trained, tmp_path, both)
    assert translated(trained, tmp_path, both, "processes=2", "chunk=2") == alone


def test_an_ensemble_is_scored_by_its_translations(
    trained: Trained, other: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    both = f"model=[{trained.folder},{other}]"
    source, references = write(tmp_path / "s", *trained.text.source), write(tmp_path / "t", *trained.text.target)
    evaluate.task(composed("evaluate", both, f"source={source}", f"references={references}", "format=json"))
    scored = capsys.readouterr().out
    task(composed("translate", both, f"input={source}", f"output={tmp_path / 'out'}"))
    made = (f"hypotheses={tmp_path / 'out'}", "language=de", "format=json")
    evaluate.task(composed("evaluate", *made, f"references={references}"))
    assert capsys.readouterr().out == scored


def test_a_shortlist_is_that_of_the_folder_which_has_one(trained: Trained, other: Path, tmp_path: Path) -> None:
    both = f"{trained.folder},{other}"
    with pytest.raises(ModelError, match="has no lexicon"):
        translated(trained, tmp_path, both, "shortlist=lexical")
    text = [write(tmp_path / side, *getattr(trained.text, side)) for side in ("source", "target")]
    done = finished("shortlist", f"model={other}", f"source={text[0]}", f"target={text[1]}")
    assert done.returncode == 0
    assert translated(trained, tmp_path, both, "shortlist=lexical") == translated(trained, tmp_path, both)


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("tokenizer.vocab_size=110", "the vocabulary, of 120 and 110 pieces"),
        ("tokenizer=bpe", "the vocabulary, whose piece 4 is"),
        (
            "tokenizer.vocab_size=80 tokenizer.joint=false model.tied=target",
            "the source vocabulary, of 120 and 80 pieces; and in the target vocabulary, of 120 and 80 pieces",
        ),
        ("tokenizer.normalization=identity", "the same pieces, but other scores or rules"),
    ],
)
def test_models_with_other_vocabularies_are_refused_by_name(
    trained: Trained, tmp_path: Path, override: str, said: str
) -> None:
    folder = model(tmp_path / "other", *override.split())
    settings = config.build(Settings, config.check(composed("translate", f"model={trained.folder}"), Settings))
    loaded = [inference.load(str(each), settings) for each in (trained.folder, folder)]
    differences = "; and in ".join(inference.differing(*loaded))
    assert said in differences
    with pytest.raises(ConfigError) as refused:
        translated(trained, tmp_path, f"{trained.folder},{trained.folder},{folder}")
    assert f"but {trained.folder} and {folder} differ in {differences}. " in str(refused.value)


def test_models_of_opposite_directions_are_refused(trained: Trained) -> None:
    settings = config.build(Settings, config.check(composed("translate", f"model={trained.folder}"), Settings))
    loaded = inference.load(str(trained.folder), settings)
    turned = loaded._replace(settings=loaded.settings | {"source_language": "de", "target_language": "en"})
    assert list(inference.differing(loaded, turned)) == [
        "the source language, en and de",
        "the target language, de and en",
    ]
