"""What reads source lines that are no text, by the name of the frontend that takes it in (`model/source`)."""

from nmt.data.sources.pixels import PixelReader
from nmt.data.sources.reader import FeatureReader
from nmt.data.sources.rendered import RenderedReader
from nmt.data.sources.vectors import VectorReader

READERS: dict[str, type[FeatureReader]] = {"vectors": VectorReader, "rendered": RenderedReader, "pixels": PixelReader}
