"""Wrong words on a command line are answered with the right ones, in one sentence."""

import os
import sys
from pathlib import Path

import pytest

from nmt.cli import align, application, compare, evaluate, train, translate
from nmt.comparison import catalog
from nmt.composition.diagnostics import find_syntax_problem
from nmt.composition.groups import find_group_choices, is_group
from nmt.composition.paths import find_config_folder
from nmt.composition.recipes import read_recipe_text
from nmt.composition.unknown_keys import compose_config, explain_unknown_key, list_settings_of_other_options
from nmt.errors import ConfigError
from tests.builders import mark_slow_unless

MAINS = {"train": train, "translate": translate, "evaluate": evaluate, "align": align, "compare": compare}


def read_message(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: str, *words: str) -> str:
    """What a command says to wrong words."""
    monkeypatch.setattr(sys, "argv", [f"nmt-{command}", *words])
    with pytest.raises(SystemExit) as exit:
        MAINS[command].main()
    assert exit.value.code == application.USAGE_STATUS
    said = capsys.readouterr().err
    assert not {"hydra", "Traceback", "omegaconf"} & set(said.replace(".", " ").lower().split())
    return said


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (
            "train search.size=2 search=sampling",
            "search.size belongs to search=beam or diverse_beam; search=sampling, which is chosen,",
        ),
        ("train search.size=2 search=sampling", " has temperature, top_k, top_p, samples, seed,"),
        ("train data.train.source=x", "data.train.source belongs to data=files; data=synthetic"),
        ("train attention.scope.half_width=3", "to attention/scope=local_m, local_p or window; attention/scope=global"),
        ("train attention.scope.half_width=3", "has no settings."),
        ("train attention.scope.half_widht=3", "attention.scope.half_width? It belongs to attention/scope=local_m, "),
        ("train attention=luong_local_p attention.scope.half_widht=3", "Did you mean attention.scope.half_width?\n"),
        ("train train.source=x", "Did you mean data.train.source? It belongs to data=files."),
        ("train train.source=x data=files", "Did you mean data.train.source?\n"),
        ("train schedule.steps=3", "schedule.steps belongs to schedule=cosine; schedule=constant"),
        ("train data.data_files=x", "data.data_files belongs to data=hub, iwslt2017, multi30k, opus100 or wmt14;"),
        ("align extract.threshold=0.2", "extract.threshold belongs to extract=threshold; extract=argmax"),
        ("train learning_rate=0.1", "learning_rate is not a setting. Did you mean optimizer.learning_rate?"),
        ("train decoder=bahdanau", "decoder is not a setting. Did you mean model/decoder?"),
        ("train attention/scop=global", "attention/scop is not a setting. Did you mean attention/scope?"),
        (
            "train batch_size=8",
            "is not a setting. Here it is batching.tokens (positions of the wider side of a batch, ",
        ),
        ("train batch_size=8", " count n / 128 times) or batching.max_sentences (of a batch; null is no limit)."),
        ("train patience=3", "training.stop.patience (validations without a new best) or schedule.patience (of sched"),
        (
            "train lr=3",
            "lr is not a setting. Here it is optimizer.learning_rate (the peak, which the schedule scales).",
        ),
        (
            "train optimizer=adadelta lr=3",
            "lr is not a setting. Here it is optimizer.learning_rate (the peak, which the schedule scales; the method",
        ),
        ("train src=a", "src is not a setting. Here it is data.train.source (of data=files)."),
        ("train wandb=true", "A run writes its metrics to metrics.jsonl in its folder"),
        ("translate model=x beam_size=3", "beam_size is not a setting. Here it is search.size"),
        (
            "train data=files data.validation=5 data.validation.source=c",
            "data.validation.source clashes with data.validation=5,",
        ),
        ("train ~seed seed=3", "~seed takes a setting away, and each has to have a value. Give it another: seed=..."),
        (
            "train training.alignment_losses2=true",
            "training.alignment_losses2 is not a setting. Did you mean training.alignment_losses?",
        ),
        ("train training.zzz.zzz=3", "training.zzz.zzz is not a setting of training. Choose from: accumulate, "),
        ("train training.keep.zzz=3", "training.keep.zzz is not a setting of training.keep. Choose from: best, last."),
        ("train attention.history.zzz=0", "of attention.history, which is none. Nothing can be set here."),
        (
            "train attention/history=fertility attention.history.zzz=0",
            "attention.history.zzz is not a setting of attention.history, which is fertility. Choose from: largest.",
        ),
        ("train data={a:1}", "data.a is not a setting."),
        ("train zzz=3", "zzz is not a setting. Choose from: attention, average, batching, bleu, cache, "),
        ("compare search.size=3,4 search=sampling", "search.size belongs to search=beam or diverse_beam; search="),
    ],
)
def test_a_key_that_is_no_setting_is_told_where_it_belongs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], line: str, said: str
) -> None:
    message = read_message(monkeypatch, capsys, *line.split())
    assert said in message
    assert not [key for key in (word.partition("=")[0] for word in line.split()) if f"Did you mean {key}?" in message]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("train output=\udcff", "has bytes that are not UTF-8, which no config can hold."),
        ("train foo", "nmt-train: foo has no value. A setting is written key=value"),
        ("train output= outputs/mine", "nmt-train: outputs/mine has no value. A setting is written key=value, with no"),
        ("train =3", "nmt-train: =3 names no setting. A setting is written key=value"),
        ("compare =3", "=3 names no setting."),
        ("train data=", "data has no option ''. Its options are bits, copying, expansion, fewshot, files,"),
        ("train data=filse", "data has no option 'filse'. Did you mean files? Its options are bits, copying,"),
        ("train data=[files,filse]", "data has no option 'filse'. Did you mean files? Its options are bits, copying,"),
        ("train training.keep=[1,2]", "training.keep is a group of settings, each of which is set by itself: training"),
        ("train --config-name=sub/mine", "sub/mine"),
        (
            "train ++training.keep=[1,2]",
            "training.keep is a group of settings, each of which is set by itself: training",
        ),
        ("train -m attention=bahdanau,luong_dot", "-m does several runs, which nmt-compare is for: nmt-compare att"),
        ("train --multirun seed=1,2", "--multirun does several runs, which nmt-compare is for"),
        ("train -x", "-x is not an option. Settings have no dashes: x=..."),
        ("train output=${output}", "output refers to itself. Write its value out"),
        ("train output=${env:HOME}", "output cannot be resolved: Unsupported interpolation type env. Inside ${...} s"),
        ("train output=${oc.env:NOPE_}", "cannot be resolved: \"Environment variable 'NOPE_' not found\". Inside ${"),
        (
            "train output=${seed",
            "output='${seed' cannot be read. Inside ${...} stands another setting, such as ${seed},",
        ),
        ("train device=gpu", "device='gpu' is not one of its values. It is called cuda here."),
        ("train threads=5000", "threads must be from 1 to 1024, or null for torch's own choice; got 5000."),
        ("train search.max_extra=1000000000", "search.max_extra must be at most 100000; got 1000000000."),
        ("train model.embedding_size=4000000000", "to train them takes at least "),
        ("train data=null", "data=null: a group is given the name of one of its options."),
        ("train data=files,hub", "data=files,hub has several values. nmt-compare sweeps over them;"),
        ("train attention=[", "attention=[ cannot be read. A setting is written key=value"),
        ("train seed=${foo}", "seed refers to a setting that is not there: Interpolation key 'foo' not found."),
        ("train output=", "output= names no folder; write output=outputs/mine"),
        ("train attention.score=additive", "is a group, from which one chooses with a slash: attention/score=additive"),
        ("compare attention.score=dot,additive", "chooses with a slash: attention/score=dot,additive"),
        ("train attention/score.positions=3", "A setting has dots: attention.score.positions=3"),
        ("train --seed=3", "--seed=3 is not an option. Settings have no dashes: seed=3"),
        ("translate --model outputs/x", "--model is not an option. Settings have no dashes: model=..."),
    ],
)
def test_a_word_that_cannot_be_read_is_told_how_settings_are_written(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], line: str, said: str
) -> None:
    assert said in read_message(monkeypatch, capsys, *line.split(" "))


@pytest.mark.parametrize(
    "word",
    [
        "--help",
        "--cfg",
        "--conf",
        "-c",
        "~debug",
        "+a.b=c",
        "model.decoder={name: luong}",
        "attention/score=dot",
        "a.b=",
    ],
)
def test_words_that_hydra_understands_are_let_through(word: str) -> None:
    assert find_syntax_problem([word]) is None


@pytest.mark.parametrize("word", ["-m", "--multi", "hydra.mode=MULTIRUN", "+hydra.mode=RUN"])
def test_several_runs_are_left_to_nmt_compare(word: str) -> None:
    assert (find_syntax_problem([word]) or "").startswith(f"{word} does several runs, which nmt-compare is for")


GROUPS = ("search", "schedule", "data", "attention/scope", "attention/score", "model/decoder")


@pytest.mark.parametrize("group", mark_slow_unless(["schedule", "attention/scope"], GROUPS))
def test_every_file_of_a_group_is_found_by_the_settings_that_only_it_has(group: str) -> None:
    """An oracle for `elsewhere`: what Hydra composes for each option, held against what the default has."""
    default = compose_config("train", [])
    homes = dict(list_settings_of_other_options(default))
    for file in (Path(find_config_folder()) / group).glob("*.yaml"):
        found = compose_config("train", [f"{group}={file.stem}"])
        assert found.options[group] == file.stem
        new = {key for key in found.keys if key not in default.keys}
        assert all(homes[key].group == group and file.stem in homes[key].options for key in new)
        others = {key for key, home in homes.items() if home.group == group} - new
        assert not [key for key in others if file.stem in homes[key].options]


def test_a_recipe_or_comparison_that_is_no_regular_file_is_said_to_be_none(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "mine.yaml")
    with pytest.raises(ConfigError, match=r"experiment=.*mine\.yaml is no regular file"):
        read_recipe_text(tmp_path / "mine.yaml")
    with pytest.raises(ConfigError, match=r"comparison=.*mine\.yaml is no regular file"):
        catalog.resolve_path(str(tmp_path / "mine.yaml"))


def test_choices_are_told_from_settings() -> None:
    assert find_group_choices(["data=files", "+search=beam", "model/decoder=luong", "seed=1", "attention.heads=2"]) == [
        "data=files",
        "+search=beam",
        "model/decoder=luong",
    ]
    assert not any(is_group(key) for key in ("", "..", "/", "attention/", "data/files", "seed"))


def test_a_choice_that_cannot_be_made_does_not_hide_what_is_wrong_with_a_key() -> None:
    said = explain_unknown_key("search.sizee", "train", ["data=nothing"])
    assert said == "search.sizee is not a setting. Did you mean search.size?"
