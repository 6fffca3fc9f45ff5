"""The searches that a configuration may name."""

from nmt.search.beam import Beam
from nmt.search.diverse import DiverseBeam
from nmt.search.greedy import Greedy
from nmt.search.protocols import Search
from nmt.search.sampling import Sampling

SEARCHES: dict[str, type[Search]] = {"greedy": Greedy, "beam": Beam, "diverse_beam": DiverseBeam, "sampling": Sampling}
