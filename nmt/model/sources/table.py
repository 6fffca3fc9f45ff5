"""The frontends that `model/source` chooses from."""

from nmt.model.sources.frontend import Frontend
from nmt.model.sources.tokens import Tokens

SOURCES: dict[str, type[Frontend]] = {"tokens": Tokens}
