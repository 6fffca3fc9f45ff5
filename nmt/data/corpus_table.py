"""The kinds of corpora that are no mixture, by their names."""

from nmt.data.bits import Bits
from nmt.data.corpus import Files
from nmt.data.fewshot import Fewshot
from nmt.data.hub import Hub
from nmt.data.pair_files.corpus import PairFiles
from nmt.data.pictures.images import Images
from nmt.data.pictures.scenes import Scenes
from nmt.data.points import POINT_TASKS
from nmt.data.synthetic import Grammar
from nmt.data.tasks import TASKS
from nmt.data.tones import Tones
from nmt.data.vector_files import VectorFiles

TEXT_CORPORA: dict[str, type] = {"files": Files, "hub": Hub, "pairs": PairFiles, "synthetic": Grammar}
"""Those whose both sides are text of languages."""

CORPORA: dict[str, type] = {
    **TEXT_CORPORA,
    "bits": Bits,
    "tones": Tones,
    "vectors": VectorFiles,
    **TASKS,
    **POINT_TASKS,
    "scenes": Scenes,
    "images": Images,
    "fewshot": Fewshot,
}
