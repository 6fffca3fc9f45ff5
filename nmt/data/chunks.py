"""A corpus in chunks: what does not fit into memory is read as it is needed."""

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Protocol, runtime_checkable

from nmt.data.corpus import Bitext, Corpus, Split
