"""How well does a query match each key?

Every score has three verbs: `remember` projects the encoder states to keys once a sentence, `bind_query` gives what
projects queries, and `bind_keys` what compares them with keys. With several heads each head has its own part of the
projections (Vaswani et al. 2017), for every score.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from nmt.attention.memory import split_heads
from nmt.errors import ConfigError
from nmt.kernels.additive import additive_scores
from nmt.kernels.deferred_grad import defer_matmul, defer_projection, narrow

States = Float[Tensor, "row source memory"]
Queries = Float[Tensor, "row target query"]
Keys = Float[Tensor, "row head source key"]
ProjectedQuery = Float[Tensor, "row head target part"]
Scores = Float[Tensor, "row head target source"]


class Score(nn.Module, ABC):
    """One way of comparing; subclasses say how states become keys and how queries meet them."""

    def __init__(self, *, heads: int) -> None:
        super().__init__()
        self.heads = heads

    @abstractmethod
    def remember(self, states: States) -> Keys:
        """Keys from encoder states: all work that does not depend on the query."""

    def bind_query(self) -> Callable[[Queries], ProjectedQuery]:
        """What does all that depends on the query alone, for one group of target positions of a batch after another."""
        return lambda query: split_heads(query, self.heads)

    @abstractmethod
    def bind_keys(self, keys: Keys) -> Callable[[ProjectedQuery, slice | None], Scores]:
        """What compares one batch's keys with what is asked at one group of target positions after another.

        It is told which source positions to compare with, None being all, and gives scores for these alone.
        """

    def forward(self, query: Queries, keys: Keys) -> Scores:
        """One score for every head, target position and source position."""
        return self.bind_keys(keys)(self.bind_query()(query), None)


def head_size(what: str, size: int, heads: int) -> int:
    """`size / heads`; raises ConfigError unless it is a whole number above zero."""
    if heads < 1 or size < 1:
        raise ConfigError(
            f"There must be at least 1 head, and {what} must be of at least size 1; got {heads} and {size}."
        )
    if size % heads:
        raise ConfigError(
            f"{heads} heads share {what} equally, so it must be a multiple of {heads}; got {size}. "
            f"Choose attention.heads from the divisors of {size}, or another size."
        )
    return size // heads


class Dot(Score):
    """score(q, k) = q . k   (Luong, Pham and Manning 2015, equation 8: dot)

    No parameters, so queries and keys must have one size. With n heads each compares its own n-th part.
    """

    def __init__(self, *, query_size: int, memory_size: int, heads: int) -> None:
        super().__init__(heads=heads)
        if query_size != memory_size:
            raise ConfigError(
                "dot compares query and key directly, so their sizes must agree; "
                f"got query {query_size} (the decoder's hidden_size) "
                f"and key {memory_size} (the encoder's hidden_size times its directions). "
                f"Set model.decoder.hidden_size={memory_size}, or choose attention/score=general, which learns the map "
                "between them."
            )
        head_size("the query", query_size, heads)

    def remember(self, states: States) -> Keys:
        return split_heads(states, self.heads)

    def bind_keys(self, keys: Keys) -> Callable[[ProjectedQuery, slice | None], Scores]:
        return defer_matmul(keys, -2)


class General(Score):
    """score(q, k) = q . W k   (Luong et al. 2015, equation 8: general)

    W k is computed once a sentence. Cost per target position: source x query multiply-adds.
    """

    def __init__(self, *, query_size: int, memory_size: int, heads: int) -> None:
        super().__init__(heads=heads)
        head_size("the query", query_size, heads)
        self.key = nn.Linear(memory_size, query_size, bias=False)

    def remember(self, states: States) -> Keys:
        return split_heads(self.key(states), self.heads)

    def bind_keys(self, keys: Keys) -> Callable[[ProjectedQuery, slice | None], Scores]:
        return defer_matmul(keys, -2)


class ScaledDot(Score):
    """score(q, k) = (W q) . (U k) / sqrt(d)   (Vaswani et al. 2017, section 3.2)

    W and U map to `hidden_size`; d is what one head has of it.
    """

    def __init__(self, *, query_size: int, memory_size: int, heads: int, hidden_size: int = 512) -> None:
        super().__init__(heads=heads)
        self.scale = head_size("attention.score.hidden_size", hidden_size, heads) ** -0.5
        self.query = nn.Linear(query_size, hidden_size, bias=False)
        self.key = nn.Linear(memory_size, hidden_size, bias=False)

    def remember(self, states: States) -> Keys:
        return split_heads(self.key(states), self.heads)

    def bind_query(self) -> Callable[[Queries], ProjectedQuery]:
        project = defer_projection(self.query.weight)
        return lambda query: split_heads(project(query) * self.scale, self.heads)

    def bind_keys(self, keys: Keys) -> Callable[[ProjectedQuery, slice | None], Scores]:
        return defer_matmul(keys, -2)


class CosineScore(Score):
    """score(q, k) = beta(q) cos(W q, k),  beta(q) = softplus(b + u . q)

    Content-based addressing of the Neural Turing Machine (Graves, Wayne and Danihelka 2014, section 3.3.1). The
    sharpness beta starts at 8: a cosine spans only [-1, 1], so with a beta near one even a perfect match could not
    stand out of twenty source positions.
    """

    def __init__(self, *, query_size: int, memory_size: int, heads: int) -> None:
        super().__init__(heads=heads)
        head_size("the memory", memory_size, heads)
        self.query = nn.Linear(query_size, memory_size, bias=False)
        self.sharpness = nn.Linear(query_size, heads)
        nn.init.constant_(self.sharpness.bias, 8.0)

    def remember(self, states: States) -> Keys:
        return F.normalize(split_heads(states, self.heads), dim=-1)

    def bind_query(self) -> Callable[[Queries], ProjectedQuery]:
        project = defer_projection(self.query.weight)

        def project_query(query: Queries) -> ProjectedQuery:
            unit = F.normalize(split_heads(project(query), self.heads), dim=-1)
            return unit * F.softplus(self.sharpness(query)).transpose(1, 2).unsqueeze(-1)

        return project_query

    def bind_keys(self, keys: Keys) -> Callable[[ProjectedQuery, slice | None], Scores]:
        return defer_matmul(keys, -2)


class Additive(Score):
    """score(q, k) = v . tanh(W q + U k)   (Bahdanau, Cho and Bengio 2015, appendix A.1.2)

    U k is computed once a sentence. Cost per target position: source x hidden multiply-adds and as many divisions, or
    tanh where `torch.compile` sees it.
    """

    def __init__(self, *, query_size: int, memory_size: int, heads: int, hidden_size: int = 512) -> None:
        super().__init__(heads=heads)
        part = head_size("attention.score.hidden_size", hidden_size, heads)
        self.query = nn.Linear(query_size, hidden_size, bias=False)
        self.key = nn.Linear(memory_size, hidden_size, bias=False)
        self.v = nn.Parameter(torch.empty(heads, part).uniform_(-(part**-0.5), part**-0.5))

    def remember(self, states: States) -> Keys:
        return split_heads(self.key(states), self.heads)

    def bind_query(self) -> Callable[[Queries], ProjectedQuery]:
        project = defer_projection(self.query.weight)
        return lambda query: split_heads(project(query), self.heads)

    def bind_keys(self, keys: Keys) -> Callable[[ProjectedQuery, slice | None], Scores]:
        return additive_scores(keys, self.v)


class Concat(Score):
    """score(q, k) = v . tanh(W [q; k])   (Luong et al. 2015, equation 8: concat)

    W is one matrix of query_size rows, as in the paper; its two halves are applied apart, so that W k is computed once
    a sentence. The same family as `additive`, whose hidden size is free.
    """

    def __init__(self, *, query_size: int, memory_size: int, heads: int) -> None:
        super().__init__(heads=heads)
        part = head_size("the query", query_size, heads)
        self.query_size = query_size
        self.joined = nn.Linear(query_size + memory_size, query_size, bias=False)
        self.v = nn.Parameter(torch.empty(heads, part).uniform_(-(part**-0.5), part**-0.5))

    def remember(self, states: States) -> Keys:
        return split_heads(F.linear(states, self.joined.weight[:, self.query_size :]), self.heads)

    def bind_query(self) -> Callable[[Queries], ProjectedQuery]:
        project = defer_projection(self.joined.weight[:, : self.query_size])
        return lambda query: split_heads(project(query), self.heads)

    def bind_keys(self, keys: Keys) -> Callable[[ProjectedQuery, slice | None], Scores]:
        return additive_scores(keys, self.v)


class Location(Score):
    """score(q, position) = (W q)[position]   (Luong et al. 2015, equation 9)

    Looks at no key at all: W has one row for each of the first `positions` source positions. Longer sentences share the
    last row beyond it, where the paper ignores them, so that a window far to the right is never empty.
    """

    def __init__(self, *, query_size: int, memory_size: int, heads: int, positions: int = 100) -> None:
        super().__init__(heads=heads)
        if positions < 1:
            raise ConfigError(f"attention.score.positions must be at least 1; got {positions}.")
        self.positions = positions
        self.position = nn.Linear(query_size, heads * positions, bias=False)

    def remember(self, states: States) -> Keys:
        """Each position is its own key, so that a part of the keys still knows where it is."""
        positions = torch.arange(states.shape[1], device=states.device, dtype=torch.float32)
        return positions.view(1, 1, -1, 1).expand(len(states), self.heads, -1, -1)

    def bind_query(self) -> Callable[[Queries], ProjectedQuery]:
        project = defer_projection(self.position.weight)
        return lambda query: split_heads(project(query), self.heads)

    def bind_keys(self, keys: Keys) -> Callable[[ProjectedQuery, slice | None], Scores]:
        positions = keys[0, 0, :, 0].long().clamp(max=self.positions - 1)
        return lambda asked, reach: asked[..., narrow(positions, -1, reach)]


SCORES: dict[str, type[Score]] = {
    "dot": Dot,
    "scaled_dot": ScaledDot,
    "general": General,
    "additive": Additive,
    "concat": Concat,
    "location": Location,
    "cosine": CosineScore,
}
