"""How well does a query match each key?

Every score has two verbs: `remember` projects the encoder states to keys once a sentence, and calling it compares
queries with keys. With several heads each head has its own part of the projections (Vaswani et al. 2017), for every
score.
"""

import torch
import torch.nn.functional as F
from torch import nn

from nmt.attention.base_score import (
    Features,
    KeyPositions,
    Keys,
    ProjectedQuery,
    Queries,
    QueryPositions,
    Scores,
    States,
    multiply_keys,
)
from nmt.attention.base_score import Score as Score
from nmt.attention.base_score import head_size as head_size
from nmt.attention.favor import Favor as Favor
from nmt.attention.memory import split_heads
from nmt.attention.rotation import count_positions, rotate
from nmt.errors import ConfigError
from nmt.kernels.additive import additive_scores


class Dot(Score):
    """score(q, k) = q . k   (Luong, Pham and Manning 2015, equation 8: dot)

    No parameters, so queries and keys must have one size. With n heads each compares its own n-th part.
    """

    def __init__(self, *, query_size: int, memory_size: int, heads: int) -> None:
        super().__init__(heads=heads, key_size=query_size // max(heads, 1))
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

    def forward(self, query: Queries, keys: Keys, features: Features | None = None) -> Scores:
        return multiply_keys(split_heads(query, self.heads), keys, features)


class General(Score):
    """score(q, k) = q . W k   (Luong et al. 2015, equation 8: general)

    W k is computed once a sentence. Cost per target position: source x query multiply-adds.
    """

    def __init__(self, *, query_size: int, memory_size: int, heads: int) -> None:
        super().__init__(heads=heads, key_size=head_size("the query", query_size, heads))
        self.key = nn.Linear(memory_size, query_size, bias=False)

    def remember(self, states: States) -> Keys:
        return split_heads(self.key(states), self.heads)

    def forward(self, query: Queries, keys: Keys, features: Features | None = None) -> Scores:
        return multiply_keys(split_heads(query, self.heads), keys, features)


class ScaledDot(Score):
    """score(q, k) = (W q) . (U k) / sqrt(d)   (Vaswani et al. 2017, section 3.2)

    W and U map to `hidden_size`; d is what one head has of it.
    """

    def __init__(self, *, query_size: int, memory_size: int, heads: int, hidden_size: int = 512) -> None:
        super().__init__(heads=heads, key_size=head_size("attention.score.hidden_size", hidden_size, heads))
        self.scale = self.key_size**-0.5
        self.query = nn.Linear(query_size, hidden_size, bias=False)
        self.key = nn.Linear(memory_size, hidden_size, bias=False)

    def remember(self, states: States) -> Keys:
        return split_heads(self.key(states), self.heads)

    def project_query(self, query: Queries, positions: QueryPositions | None = None) -> ProjectedQuery:
        """What a key is multiplied with: W q / sqrt(d) in each head. positions: of the queries, from 0 on if None."""
        return split_heads(self.query(query) * self.scale, self.heads)

    def forward(self, query: Queries, keys: Keys, features: Features | None = None) -> Scores:
        return multiply_keys(self.project_query(query), keys, features)


class Rotary(ScaledDot):
    """score(q at t, k at s) = (R_t W q) . (R_s U k) / sqrt(d)   (Su et al. 2021, "RoFormer", section 3.2)

    R_p turns features 2i and 2i + 1 of a head by p / 10000^(2i / d), so that the score depends on positions by t - s
    alone. d is even. What a history adds joins the turned key.
    """

    def __init__(self, *, query_size: int, memory_size: int, heads: int, hidden_size: int = 512) -> None:
        super().__init__(query_size=query_size, memory_size=memory_size, heads=heads, hidden_size=hidden_size)
        if self.key_size % 2:
            raise ConfigError(
                f"rotary turns pairs of features, so each head needs an even number of them; got hidden_size "
                f"{hidden_size} for {heads} heads, which is {self.key_size}. Choose an attention.score.hidden_size "
                f"that is a multiple of {2 * heads}, or other attention.heads."
            )

    def remember(self, states: States) -> Keys:
        return self.remember_at(states, None)

    def remember_at(self, states: States, positions: KeyPositions | None) -> Keys:
        return rotate(super().remember(states), count_positions(states) if positions is None else positions)

    def project_query(self, query: Queries, positions: QueryPositions | None = None) -> ProjectedQuery:
        return rotate(super().project_query(query), count_positions(query) if positions is None else positions)

    def compare_at(
        self, query: Queries, positions: QueryPositions, keys: Keys, features: Features | None = None
    ) -> Scores:
        return multiply_keys(self.project_query(query, positions), keys, features)


class CosineScore(Score):
    """score(q, k) = beta(q) cos(W q, k),  beta(q) = softplus(b + u . q)

    Content-based addressing of the Neural Turing Machine (Graves, Wayne and Danihelka 2014, section 3.3.1). The
    sharpness beta starts at 8: a cosine spans only [-1, 1], so with a beta near one even a perfect match could not
    stand out of twenty source positions.
    """

    def __init__(self, *, query_size: int, memory_size: int, heads: int) -> None:
        super().__init__(heads=heads, key_size=head_size("the memory", memory_size, heads))
        self.query = nn.Linear(query_size, memory_size, bias=False)
        self.sharpness = nn.Linear(query_size, heads)
        nn.init.constant_(self.sharpness.bias, 8.0)

    def remember(self, states: States) -> Keys:
        return F.normalize(split_heads(states, self.heads), dim=-1)

    def forward(self, query: Queries, keys: Keys, features: Features | None = None) -> Scores:
        unit = F.normalize(split_heads(self.query(query), self.heads), dim=-1)
        sharpness = F.softplus(self.sharpness(query)).transpose(1, 2).unsqueeze(-1)
        return multiply_keys(unit * sharpness, keys, features)


class Additive(Score):
    """score(q, k) = v . tanh(W q + U k)   (Bahdanau, Cho and Bengio 2015, appendix A.1.2)

    U k is computed once a sentence. Cost per target position: source x hidden multiply-adds and as many tanh.
    """

    def __init__(self, *, query_size: int, memory_size: int, heads: int, hidden_size: int = 512) -> None:
        part = head_size("attention.score.hidden_size", hidden_size, heads)
        super().__init__(heads=heads, key_size=part)
        self.query = nn.Linear(query_size, hidden_size, bias=False)
        self.key = nn.Linear(memory_size, hidden_size, bias=False)
        self.v = nn.Parameter(torch.empty(heads, part).uniform_(-(part**-0.5), part**-0.5))

    def remember(self, states: States) -> Keys:
        return split_heads(self.key(states), self.heads)

    def forward(self, query: Queries, keys: Keys, features: Features | None = None) -> Scores:
        return additive_scores(split_heads(self.query(query), self.heads), keys, self.v, features)


class AdditiveNormed(Additive):
    """score(q, k) = g v . tanh(W q + U k + b) / |v|   (Raffel et al. 2017, section 2.4; Salimans and Kingma 2016)

    g, the scale of the scores of a head, starts at 1 / sqrt(d) for its d units, and b at 0. They matter where a score
    meets a threshold, as in monotonic attention.
    """

    def __init__(self, *, query_size: int, memory_size: int, heads: int, hidden_size: int = 512) -> None:
        super().__init__(query_size=query_size, memory_size=memory_size, heads=heads, hidden_size=hidden_size)
        self.g = nn.Parameter(torch.full((heads,), self.key_size**-0.5))
        self.b = nn.Parameter(torch.zeros(hidden_size))

    def remember(self, states: States) -> Keys:
        """U k + b"""
        return split_heads(self.key(states) + self.b, self.heads)

    def forward(self, query: Queries, keys: Keys, features: Features | None = None) -> Scores:
        scaled = self.g.unsqueeze(1) * F.normalize(self.v, dim=1)
        return additive_scores(split_heads(self.query(query), self.heads), keys, scaled, features)


class Concat(Score):
    """score(q, k) = v . tanh(W [q; k])   (Luong et al. 2015, equation 8: concat)

    W is one matrix of query_size rows, as in the paper; its two halves are applied apart, so that W k is computed once
    a sentence. The same family as `additive`, whose hidden size is free.
    """

    def __init__(self, *, query_size: int, memory_size: int, heads: int) -> None:
        part = head_size("the query", query_size, heads)
        super().__init__(heads=heads, key_size=part)
        self.query_size = query_size
        self.joined = nn.Linear(query_size + memory_size, query_size, bias=False)
        self.v = nn.Parameter(torch.empty(heads, part).uniform_(-(part**-0.5), part**-0.5))

    def remember(self, states: States) -> Keys:
        return split_heads(F.linear(states, self.joined.weight[:, self.query_size :]), self.heads)

    def forward(self, query: Queries, keys: Keys, features: Features | None = None) -> Scores:
        projected = F.linear(query, self.joined.weight[:, : self.query_size])
        return additive_scores(split_heads(projected, self.heads), keys, self.v, features)


class Location(Score):
    """score(q, position) = (W q)[position]   (Luong et al. 2015, equation 9)

    Looks at no key at all: W has one row for each of the first `positions` source positions. Longer sentences share the
    last row beyond it, where the paper ignores them, so that a window far to the right is never empty.
    """

    def __init__(self, *, query_size: int, memory_size: int, heads: int, positions: int = 100) -> None:
        super().__init__(heads=heads, key_size=1)
        if positions < 1:
            raise ConfigError(f"attention.score.positions must be at least 1; got {positions}.")
        self.positions = positions
        self.position = nn.Linear(query_size, heads * positions, bias=False)

    def remember(self, states: States) -> Keys:
        """Each position is its own key, so that a part of the keys still knows where it is."""
        positions = torch.arange(states.shape[1], device=states.device, dtype=torch.float32)
        return positions.view(1, 1, -1, 1).expand(len(states), self.heads, -1, -1)

    def forward(self, query: Queries, keys: Keys, features: Features | None = None) -> Scores:
        positions = keys[0, 0, :, 0].long().clamp(max=self.positions - 1)
        scores = split_heads(self.position(query), self.heads)[..., positions]
        return scores if features is None else scores + features.squeeze(-1)


SCORES: dict[str, type[Score]] = {
    "dot": Dot,
    "scaled_dot": ScaledDot,
    "general": General,
    "additive": Additive,
    "additive_normed": AdditiveNormed,
    "concat": Concat,
    "location": Location,
    "cosine": CosineScore,
    "rotary": Rotary,
    "favor": Favor,
}
