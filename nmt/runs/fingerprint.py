"""What a checkpoint was made from: training goes on only with the same text and the same vocabulary."""

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nmt.data.corpus import Corpus
from nmt.errors import CheckpointError
from nmt.storage import manifest
from nmt.storage.json_files import read_json
from nmt.storage.untrusted_paths import MAX_VOCABULARY_BYTES, find_regular_file

DATA = "data.json"
"""A checkpoint's file that names the text it was made from."""


def fingerprint(corpus: Corpus) -> bytes:
    """What names the text of a corpus: with another, neither vocabulary nor position would mean anything."""
    identity = corpus.get_identity()
    parts = {key: _hash(value) for key, value in identity.items()}
    return json.dumps({"corpus": _hash(identity), "parts": parts}).encode()


def check_same_text(checkpoint: Path, corpus: Corpus) -> None:
    """Raises CheckpointError if a checkpoint was made from other text than the corpus has now."""
    path = checkpoint / DATA
    if not os.path.lexists(path):
        return
    before, now = read_json(path), json.loads(fingerprint(corpus))
    before = before if isinstance(before, dict) else {}
    if before.get("corpus") != now["corpus"]:
        parts = before.get("parts")
        changed = []
        if isinstance(parts, dict):  # an earlier version wrote none
            changed = sorted(key for key in {*parts, *now["parts"]} if parts.get(key) != now["parts"].get(key))
        raise CheckpointError(
            f"The run in {checkpoint.parents[1]} was made from other text. Changed since {checkpoint.resolve().name}: "
            f"{', '.join(changed) or 'the data'}. Files count by their bytes: an archive or a compressed file that was "
            "written again is other data, even with the same text. Choose another output=..., or give the data that "
            f"the run began with. To train its model further on other text: from={checkpoint.parents[1]} "
            f"init={checkpoint.parents[1]} and another output=..."
        )


def check_same_text_as_run(checkpoints: Path, corpus: Corpus) -> None:
    """Raises CheckpointError if a run's newest checkpoint was made from other text; one whose file that says so is
    damaged is passed over, as the run itself will do."""
    for checkpoint in manifest.list_sealed(checkpoints):
        try:
            manifest.verify(checkpoint, [DATA])
        except CheckpointError:
            continue
        return check_same_text(checkpoint, corpus)


def _hash(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def check_same_vocabulary(checkpoint: Path, model_files: Mapping[str, bytes]) -> None:
    """Raises CheckpointError if a checkpoint has other vocabularies than `model_files`: rows would change meaning.

    `model_files`: name -> content of the files that make a model folder.
    """
    models = {name: content for name, content in model_files.items() if name.endswith(".model")}
    if other := [
        name
        for name, content in models.items()
        if find_regular_file(checkpoint, name, max_bytes=MAX_VOCABULARY_BYTES).read_bytes() != content
    ]:
        raise CheckpointError(
            f"The vocabulary learnt now is not that of {checkpoint}: {', '.join(other)} differs, as it may with "
            "another version of sentencepiece. Go on with the version that run.json names, or choose another output=..."
        )
