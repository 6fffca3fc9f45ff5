"""What a finished run leaves beside its model: scores, measures of attention, costs and the report."""

import logging
from dataclasses import replace
from pathlib import Path

from nmt import config
from nmt.config import ConfigDict
from nmt.evaluation.explanation import choose_lines, explain_translations
from nmt.evaluation.faithfulness import Measures
from nmt.evaluation.probes import Probes
from nmt.evaluation.validation import Validator
from nmt.model.seq2seq import Seq2Seq
from nmt.ranks import ALONE
from nmt.runs import run_folder
from nmt.runs.explained import explain_probe
from nmt.runs.final_scores import FinalScores
from nmt.runs.outcome import RunResult
from nmt.runs.process import measure_peak_memory
from nmt.runs.report import write_run
from nmt.storage.files import format_json, write_atomically

logger = logging.getLogger(__name__)


def write_results(
    settings: ConfigDict, folder: Path, validator: Validator, found: FinalScores, reason: str, divergence: str
) -> RunResult:
    """Writes the report and the scores, and returns what the run came to. Of several processes, one does this."""
    alone = replace(validator, translator=replace(validator.translator, ranks=ALONE))
    faithfulness = explain(settings, folder, alone)
    run_folder.record_costs(folder, memory_mib=measure_peak_memory(), sentences_per_second=found.speed)
    write_run(folder, found.scores, found.alignment, reason, faithfulness, explain_probe(alone))
    # Last, because it says that the run is finished.
    scores = {"reason": reason, "test": found.scores, "alignment": found.alignment, "divergence": divergence}
    scores |= {"faithfulness": faithfulness} if faithfulness else {}
    write_atomically(folder / run_folder.SCORES, format_json(scores))
    return RunResult(folder, reason, found.scores, found.alignment, 0, divergence, faithfulness)


def explain(settings: ConfigDict, folder: Path, validator: Validator) -> dict[str, float]:
    """Whether attention explains the translations of the validation set, where that is asked for and there is
    attention; the maps of the probe sentences go into the run folder."""
    measures = config.build(Measures, settings["measures"])
    path = folder / run_folder.EXPLANATIONS
    path.unlink(missing_ok=True)
    model = validator.translator.model
    if not measures.faithfulness or model.head.points or not model.has_attention:
        return {}
    source = validator.text.source
    count = len(choose_lines(source, measures))
    logger.info("measuring whether attention explains the translations of %d sentences", count)
    probes = config.build(Probes, settings["probes"])
    found = explain_translations(validator.translator, source, measures, probes)
    write_atomically(path, format_json({"sentences": found.records}))
    return found.values


def warn_unexplained(model: Seq2Seq) -> None:
    """Warns of a model whose translations `explain` has nothing to say of."""
    if model.head.points:
        logger.warning(
            "measures.faithfulness: words are source positions (model/head=pointer), so none can be taken away"
        )
    if not model.has_attention:
        logger.warning(
            "measures.faithfulness: this model has no attention (attention=none), so nothing is measured of it"
        )
