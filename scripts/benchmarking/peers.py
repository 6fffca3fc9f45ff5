"""Other toolkits on the same text, in the same pieces, with the same sizes: driven as a user drives them.

OpenNMT-py reads text that is already in pieces; JoeyNMT reads the SentencePiece model. Both get the allocator setting
that serves them best, as ours sets its own: see ALLOCATOR.
"""

import re
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from nmt.data.tokenizer import Tokenizer
from scripts.benchmarking.measures import build_environment, run_watched
from scripts.benchmarking.texts import segment

ALLOCATOR = {
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": str(2**34),
    "MALLOC_TOP_PAD_": str(2**28),
    "THP_MEM_ALLOC_ENABLE": "1",
}
"""glibc: large tensors come from the heap, which is never given back; torch: they lie on large pages. It is what
`processor.prepare` does for ours."""

LABELS = {"opennmt": "OpenNMT-py", "joeynmt": "JoeyNMT"}
ATTENTIONS = {"opennmt": ("general", "mlp"), "joeynmt": ("luong", "bahdanau")}
"""Each one's name of Luong's general score first, then that of Bahdanau's."""

LOG_EVERY = 2
"""Optimizer steps between two lines of the log."""

SAVE_EVERY = 20
MAX_STEPS = 10**6
"""Steps that no measurement comes to."""

RATE_PATTERNS = {
    "opennmt": re.compile(r"Step\s+\d+/.* (\d+)/\s*(\d+) tok/s"),
    "joeynmt": re.compile(r"Tokens per Sec:\s+()(\d+)"),
}


TRANSLATION_TIME_PATTERNS = {
    "opennmt": re.compile(r"Total translation time \(s\): ([\d.]+)"),
    "joeynmt": re.compile(r"Generation took ([\d.]+)\[sec\]"),
}

MODEL_FOLDER = "model"
"""The folder of the model that translates; those of speed alone have others."""


class Peer:
    """One toolkit. `python` is the interpreter of its environment; `data` holds the text: see `texts.spread`."""

    def __init__(self, name: str, python: str, data: Path, work: Path, threads: int, *, allocator: bool = True) -> None:
        self.name = name
        self.python = python
        self.data = data.resolve()
        self.work = (work / name).resolve()
        self.work.mkdir(parents=True, exist_ok=True)
        self.env = {
            **build_environment(threads),
            "PYTHONPATH": "",
            "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD": "1",  # the checkpoints are our own, and OpenNMT-py pickles them
            **(ALLOCATOR if allocator else {}),
        }

    def train(self, attention: str, seconds: float, *, keep: bool = False) -> dict[str, Any]:
        """Target tokens/s in windows of the toolkit's own log, the first left out, until they span `seconds`.

        keep: for so long in all, and with a checkpoint to translate with.
        """
        config = self._write_config(attention, every=LOG_EVERY, save=SAVE_EVERY if keep else MAX_STEPS, keep=keep)
        log = self.work / f"train.{attention}.log"
        first: list[float] = []

        def is_enough(text: str) -> bool:
            windows = len(RATE_PATTERNS[self.name].findall(text))
            if windows and not first:
                first.append(time.monotonic())
            return windows >= 3 and time.monotonic() - first[0] > seconds and (not keep or self._has_whole_checkpoint())

        result = run_watched(self._build_train_command(config), env=self.env, log=log, is_enough=is_enough)
        rates = [float(rate) for _, rate in RATE_PATTERNS[self.name].findall(result.log)][1:]
        return {"rates": rates, "peak_mib": result.peak_mib, "seconds": result.seconds}

    def translate(self, batch: int, *, lines: int | None = None) -> dict[str, Any]:
        """Translation with a beam of five, by the last checkpoint: the toolkit's own time, and the whole process.

        lines: only so many of the test lines.
        """
        source = self.data / ("test.pieces" if self.name == "opennmt" else "test.source")
        if lines is not None:
            some = source.read_text(encoding="utf-8").splitlines(keepends=True)[:lines]
            source = self.work / f"test.{lines}"
            source.write_text("".join(some), encoding="utf-8")
        output = self.work / "translated"
        command = self._build_translate_command(source, output, batch)
        result = run_watched(command, env=self.env, log=self.work / "translate.log", stdin=source)
        own_seconds = TRANSLATION_TIME_PATTERNS[self.name].search(result.log)
        return {
            "seconds": float(own_seconds[1]) if own_seconds else None,
            "whole": result.seconds,
            "sentences": len(output.read_text(encoding="utf-8").splitlines()),
            "pieces": self._count_pieces(output),
            "peak_mib": result.peak_mib,
        }

    def _build_translate_command(self, source: Path, output: Path, batch: int) -> Sequence[str]:
        if self.name == "joeynmt":
            config = self._write_config(ATTENTIONS["joeynmt"][0], MAX_STEPS, MAX_STEPS, keep=True, batch=batch)
            # Its own option for a file fails in version 2.3.
            shell = ["sh", "-c", 'output=$0; exec "$@" > "$output"', str(output)]
            return [*shell, self.python, "-m", "joeynmt", "translate", str(config)]
        command = [
            self.python,
            "-m",
            "onmt.bin.translate",
            "-model",
            str(self.find_newest_checkpoint()),
            "-src",
            str(source),
        ]
        command += ["-output", str(output), "-beam_size", "5", "-batch_size", str(batch), "-batch_type", "sents"]
        return [*command, "-gpu", "-1", "-max_length", "100", "-report_time"]

    def _count_pieces(self, output: Path) -> int:
        """Of all translations, with the </s> of each."""
        lines = output.read_text(encoding="utf-8").splitlines()
        if self.name == "joeynmt":  # which writes words
            lines = segment(Tokenizer.load((self.data / "spm.model").read_bytes()), lines)
        return sum(len(line.split()) + 1 for line in lines)

    def find_newest_checkpoint(self) -> Path | None:
        """The last checkpoint to translate with; None before there is one."""
        pattern = "m_step_*.pt" if self.name == "opennmt" else "[0-9]*.ckpt"
        found = sorted((self.work / MODEL_FOLDER).glob(pattern), key=lambda path: path.stat().st_mtime)
        return found[-1] if found else None

    def _has_whole_checkpoint(self) -> bool:
        """Whether a checkpoint is whole, and the next one not yet begun; JoeyNMT writes its only one at the end."""
        if self.name == "joeynmt":
            return True
        newest = self.find_newest_checkpoint()
        return newest is not None and 2 < time.time() - newest.stat().st_mtime < 8

    def _build_train_command(self, config: Path) -> Sequence[str]:
        module = ["-m", "onmt.bin.train", "-config"] if self.name == "opennmt" else ["-m", "joeynmt", "train"]
        skip = [] if self.name == "opennmt" else ["--skip-test"]
        return [self.python, *module, str(config), *skip]

    def _write_config(self, attention: str, every: int, save: int, *, keep: bool = False, batch: int = 64) -> Path:
        folder = self.work / (MODEL_FOLDER if keep else attention)
        if self.name == "opennmt":
            config = self._build_opennmt_config(attention, every, save, folder)
        else:
            config = self._build_joeynmt_config(attention, every, folder, batch)
        path = self.work / f"{attention}.yaml"
        path.write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
        return path

    def _build_opennmt_config(self, attention: str, every: int, save: int, folder: Path) -> dict[str, Any]:
        vocabulary = str(self.data / "vocabulary.pieces")
        sides = {
            name: {
                "path_src": str(self.data / f"{split}.source.pieces"),
                "path_tgt": str(self.data / f"{split}.target.pieces"),
                "transforms": [],
            }
            for name, split in (("corpus_1", "train"), ("valid", "validation"))
        }
        return {
            "src_vocab": vocabulary,
            "tgt_vocab": vocabulary,
            "share_vocab": True,
            "src_vocab_size": 8000,
            "tgt_vocab_size": 8000,
            "data": sides,
            "save_model": str(folder / "m"),
            "save_checkpoint_steps": save,
            "keep_checkpoint": 1,
            "seed": 1,
            "report_every": every,
            "train_steps": MAX_STEPS,
            "valid_steps": MAX_STEPS,
            "encoder_type": "brnn",
            "decoder_type": "rnn",
            "rnn_type": "LSTM",
            "enc_layers": 1,
            "dec_layers": 1,
            "hidden_size": 512,
            "word_vec_size": 256,
            "input_feed": 1,
            "global_attention": attention,
            "dropout": [0.3],
            "attention_dropout": [0.0],
            "optim": "adam",
            "learning_rate": 0.001,
            "adam_beta1": 0.9,
            "adam_beta2": 0.999,
            "decay_method": "none",
            "max_grad_norm": 1.0,
            "label_smoothing": 0.1,
            "param_init": 0.1,
            "batch_type": "tokens",
            "batch_size": 4096,
            "normalization": "tokens",
            "bucket_size": 29000,
            "num_workers": 1,
            "world_size": 1,
        }

    def _build_joeynmt_config(self, attention: str, every: int, folder: Path, batch: int) -> dict[str, Any]:
        def build_side(language: str) -> dict[str, Any]:
            return {
                "lang": language,
                "max_length": 100,
                "min_length": 1,
                "lowercase": False,
                "normalize": False,
                "level": "bpe",
                "voc_limit": 8000,
                "voc_min_freq": 1,
                "voc_file": str(self.data / "vocabulary.pieces"),
                "tokenizer_type": "sentencepiece",
                "tokenizer_cfg": {
                    "model_file": str(self.data / "spm.model"),
                    "model_type": "bpe",
                    "pretokenizer": "none",
                },
            }

        def build_recurrent(hidden: int, **more: Any) -> dict[str, Any]:
            sizes = {"type": "recurrent", "rnn_type": "lstm", "hidden_size": hidden, "dropout": 0.3, "num_layers": 1}
            return {**sizes, "embeddings": {"embedding_dim": 256, "scale": False}, **more}

        symbols = (("unk", "<unk>", 0), ("pad", "<pad>", 1), ("bos", "<s>", 2), ("eos", "</s>", 3))
        special = {
            f"{key}_{what}": value
            for key, token, number in symbols
            for what, value in _list_symbol_settings(token, number)
        }
        decoder = {"input_feeding": True, "init_hidden": "bridge", "attention": attention, "hidden_dropout": 0.3}
        return {
            "name": attention,
            "joeynmt_version": "2.3.0",
            "model_dir": str(folder),
            "use_cuda": False,
            "fp16": False,
            "random_seed": 1,
            "data": {
                "train": str(self.data / "train"),
                "dev": str(self.data / "validation"),
                "dataset_type": "plain",
                "src": build_side("source"),
                "trg": build_side("target"),
                "special_symbols": special,
            },
            "testing": {"beam_size": 5, "batch_size": batch, "batch_type": "sentence", "max_output_length": 100},
            "training": {
                "optimizer": "adam",
                "adam_betas": [0.9, 0.999],
                "learning_rate": 0.001,
                "scheduling": "decaying",  # once in so many epochs, so never; without one it does not start
                "decaying_step_size": MAX_STEPS,
                "clip_grad_norm": 1.0,
                "loss": "crossentropy",
                "label_smoothing": 0.1,
                "batch_size": 4096,
                "batch_type": "token",
                "normalization": "tokens",
                "epochs": 1000,
                "validation_freq": MAX_STEPS,
                "logging_freq": every,
                "early_stopping_metric": "loss",
                "overwrite": True,
                "shuffle": True,
            },
            "model": {
                "initializer": "xavier_uniform",
                "tied_embeddings": False,
                "tied_softmax": False,
                "encoder": build_recurrent(256, bidirectional=True),
                "decoder": build_recurrent(512, **decoder),
            },
        }


def _list_symbol_settings(token: str, number: int) -> tuple[tuple[str, Any], ...]:
    return ("token", token), ("id", number)
