"""The frontends that `model/source` chooses from. What is no text has a reader in `nmt.data.sources.table` as well."""

from nmt.model.sources.frontend import Frontend
from nmt.model.sources.pixels import Pixels
from nmt.model.sources.rendered import Rendered
from nmt.model.sources.tokens import Tokens
from nmt.model.sources.vectors import Vectors

SOURCES: dict[str, type[Frontend]] = {"tokens": Tokens, "vectors": Vectors, "rendered": Rendered, "pixels": Pixels}
