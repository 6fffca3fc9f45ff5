"""Several models on the command line: how they are written, and what must not differ between them."""

from pathlib import Path

import pytest

from nmt import build, config
from nmt.cli import evaluate
from nmt.cli.translate import TranslateSettings, run_task
from nmt.composition.overrides import MODEL_ALIASES, expand_alias
from nmt.errors import ConfigError, ModelError
from nmt.inference import inference
from tests import tiny_runs
from tests.commands import compose_command, read_lines, run_process, write_lines
from tests.trained import TINY_OVERRIDES, TrainedRun

pytestmark = pytest.mark.usefixtures("unchecked_shapes")


def train_model(folder: Path, *overrides: str) -> Path:
    """A folder with a model that was trained for a step or two on the text of `trained`."""
    words = [*TINY_OVERRIDES, "training.stop.epochs=null", "training.stop.steps=2", *overrides]
    given = compose_command("train", *words, f"output={folder}", f"cache={folder.parent / 'cache'}")
    run = tiny_runs.build_run(config.check(given, build.TRAIN), folder)
    run.make_checkpoint_writer()(None)
    return folder


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of another kind over the vocabulary of `trained`. To be read only."""
    kind = ("model/decoder=bahdanau", "attention=bahdanau", "model.decoder.cell=gru", "model.embedding_size=16")
    return train_model(tmp_path_factory.mktemp("other") / "attention=bahdanau,cell=gru", *kind)


def translate_sources(trained: TrainedRun, folder: Path, written: str, *given: str) -> list[str]:
    source = write_lines(folder / "in.txt", *trained.text.source, "")
    run_task(
        compose_command("translate", f"model={written}", f"input={source}", f"output={folder / 'out.txt'}", *given)
    )
    return read_lines(folder / "out.txt")


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
    assert expand_alias(word, MODEL_ALIASES) == hydras


def test_a_comma_may_belong_to_the_name_of_a_folder(tmp_path: Path) -> None:
    one, two, three = (tmp_path / name for name in ("x=a,y=b", "x=a", "y=b"))
    for folder in (one, two, three):
        folder.mkdir()
    assert inference.find_model_folders(f"{one}") == [str(one)]
    assert inference.find_model_folders(f"{two},{three}, {one}") == [str(two), str(three), str(one)]
    assert inference.find_model_folders(f"{one},{one}") == [str(one)] * 2
    assert inference.find_model_folders([f"{two},{three}"]) == [f"{two},{three}"]
    assert inference.find_model_folders(f"{two},{tmp_path}/none") == [str(two), f"{tmp_path}/none"]
    with pytest.raises(ConfigError, match="names no folder"):
        inference.find_model_folders([])


def test_a_model_with_itself_translates_as_it_does_alone(trained: TrainedRun, tmp_path: Path) -> None:
    alone = translate_sources(trained, tmp_path, str(trained.folder))
    for written in (
        f"[{trained.folder}]",
        f"[{trained.folder},{trained.folder}]",
        f"{trained.folder},{trained.folder}",
    ):
        assert translate_sources(trained, tmp_path, written) == alone


def test_models_of_different_kinds_translate_together(trained: TrainedRun, other: Path, tmp_path: Path) -> None:
    both = f"[{trained.folder},{other}]"
    found = [
        translate_sources(trained, tmp_path, both, "search.nbest=2", "format=nbest", *more)
        for more in ((), ("tokens=1",))
    ]
    first, again = ([line.split(" ||| ") for line in each] for each in found)
    assert [row[:2] for row in first] == [row[:2] for row in again]
    assert [float(row[2]) for row in first] == pytest.approx([float(row[2]) for row in again], abs=1e-4)
    for folder in (trained.folder, other):
        alone = translate_sources(trained, tmp_path, str(folder), "search.nbest=2", "format=nbest")
        assert [line.split(" ||| ")[2] for line in alone] != [row[2] for row in first]


@pytest.mark.slow
def test_processes_translate_together_as_one_does(trained: TrainedRun, other: Path, tmp_path: Path) -> None:
    both = f"{trained.folder},{other}"
    alone = translate_sources(trained, tmp_path, both)
    assert translate_sources(trained, tmp_path, both, "processes=2", "chunk=2") == alone


def test_an_ensemble_is_scored_by_its_translations(
    trained: TrainedRun, other: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    both = f"model=[{trained.folder},{other}]"
    source, references = (
        write_lines(tmp_path / "s", *trained.text.source),
        write_lines(tmp_path / "t", *trained.text.target),
    )
    evaluate.run_task(compose_command("evaluate", both, f"source={source}", f"references={references}", "format=json"))
    scored = capsys.readouterr().out
    run_task(compose_command("translate", both, f"input={source}", f"output={tmp_path / 'out'}"))
    made = (f"hypotheses={tmp_path / 'out'}", "language=de", "format=json")
    evaluate.run_task(compose_command("evaluate", *made, f"references={references}"))
    assert capsys.readouterr().out == scored


def test_a_shortlist_is_that_of_the_folder_which_has_one(trained: TrainedRun, other: Path, tmp_path: Path) -> None:
    both = f"{trained.folder},{other}"
    with pytest.raises(ModelError, match="has no lexicon"):
        translate_sources(trained, tmp_path, both, "shortlist=lexical")
    text = [write_lines(tmp_path / side, *getattr(trained.text, side)) for side in ("source", "target")]
    done = run_process("shortlist", f"model={other}", f"source={text[0]}", f"target={text[1]}")
    assert done.returncode == 0
    assert translate_sources(trained, tmp_path, both, "shortlist=lexical") == translate_sources(trained, tmp_path, both)


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
    trained: TrainedRun, tmp_path: Path, override: str, said: str
) -> None:
    folder = train_model(tmp_path / "other", *override.split())
    settings = config.build(
        TranslateSettings, config.check(compose_command("translate", f"model={trained.folder}"), TranslateSettings)
    )
    loaded = [inference.load(str(each), settings) for each in (trained.folder, folder)]
    differences = "; and in ".join(inference.find_vocabulary_differences(*loaded))
    assert said in differences
    with pytest.raises(ConfigError) as refused:
        translate_sources(trained, tmp_path, f"{trained.folder},{trained.folder},{folder}")
    assert f"but {trained.folder} and {folder} differ in {differences}. " in str(refused.value)


def test_models_of_opposite_directions_are_refused(trained: TrainedRun) -> None:
    settings = config.build(
        TranslateSettings, config.check(compose_command("translate", f"model={trained.folder}"), TranslateSettings)
    )
    loaded = inference.load(str(trained.folder), settings)
    turned = loaded._replace(settings=loaded.settings | {"source_language": "de", "target_language": "en"})
    assert list(inference.find_vocabulary_differences(loaded, turned)) == [
        "the source language, en and de",
        "the target language, de and en",
    ]
