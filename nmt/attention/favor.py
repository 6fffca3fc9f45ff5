"""A score whose softmax takes linear time: random features of queries and of keys, made apart."""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from nmt.attention.base_score import Features, Keys, ProjectedQuery, Queries, Score, Scores, States, head_size
from nmt.attention.memory import split_heads
from nmt.errors import ConfigError
from nmt.kernels.feature_attention import compare_features
from nmt.kernels.precision import take_exact_products


class Favor(Score):
    """score(q, k) = log(phi(W q) . phi(U k)),  phi(x) = exp(Omega x' - |x'|^2 / 2) / sqrt(m),  x' = x / d^(1/4)

    (Choromanski et al. 2021, "Rethinking Attention with Performers": FAVOR+, lemma 1.) The mean over draws of the m
    rows of Omega is exp of the score of `scaled_dot`, so softmax of it is an estimate of that attention, good where
    queries and keys are short. W and U map to `hidden_size`, d is what one head has of it, m is `features`.

    Omega is drawn in blocks of d orthogonal rows, each as long as a normal vector, and anew every `redraw_every` steps
    of training (None: never). It is no weight, but it is saved with the weights: a trained model has the last draw. All
    heads share it. Under `softmax`, contexts are computed in linear time where no weights are asked for.

    A key is what a query's features are multiplied with, Omega k' - |k'|^2 / 2 - log(m) / 2; a history adds to that.
    """

    def __init__(
        self,
        *,
        query_size: int,
        memory_size: int,
        heads: int,
        hidden_size: int = 512,
        features: int = 128,
        redraw_every: int | None = 1000,
    ) -> None:
        part = head_size("attention.score.hidden_size", hidden_size, heads)
        super().__init__(heads=heads, key_size=features)
        if features < 1:
            raise ConfigError(f"attention.score.features must be at least 1; got {features}.")
        if redraw_every is not None and redraw_every < 1:
            raise ConfigError(
                f"attention.score.redraw_every must be at least 1 step, or null for no other draw; got {redraw_every}."
            )
        self.redraw_every = redraw_every
        self.scale = part**-0.25
        self.query = nn.Linear(query_size, hidden_size, bias=False)
        self.key = nn.Linear(memory_size, hidden_size, bias=False)
        self.directions = nn.Parameter(torch.empty(features, part), requires_grad=False)
        self.redraw()

    @torch.no_grad()
    def redraw(self) -> None:
        """Draws Omega anew from torch's random numbers."""
        if not self.directions.is_meta:
            self.directions.copy_(draw_directions(*self.directions.shape))

    def redraw_at(self, step: int) -> None:
        """Draws Omega anew if that is due after so many steps of training."""
        if self.redraw_every is not None and step > 0 and step % self.redraw_every == 0:
            self.redraw()

    def compute_log_features(
        self, projected: Float[Tensor, "row head time part"]
    ) -> Float[Tensor, "row head time feature"]:
        """log phi of each projected vector."""
        scaled = self.scale * projected.to(torch.promote_types(projected.dtype, torch.float32))
        with take_exact_products(scaled):
            products = scaled @ self.directions.to(scaled.dtype).mT
        features: Tensor = products - scaled.square().sum(-1, keepdim=True) / 2 - math.log(self.key_size) / 2
        return features

    def remember(self, states: States) -> Keys:
        return self.compute_log_features(split_heads(self.key(states), self.heads))

    def project_query(self, query: Queries) -> ProjectedQuery:
        """log phi(W q) in each head."""
        return self.compute_log_features(split_heads(self.query(query), self.heads))

    def forward(self, query: Queries, keys: Keys, features: Features | None = None) -> Scores:
        projected = self.project_query(query)
        if features is None:
            return compare_features(projected, keys)
        return torch.logsumexp(projected.unsqueeze(3) + keys.unsqueeze(2) + features, -1)


def draw_directions(features: int, size: int) -> Float[Tensor, "{features} {size}"]:
    """Rows in blocks of `size` orthogonal ones, each distributed as a normal vector   (Choromanski et al. 2021)

    The signs of R's diagonal make Q uniform over all rotations and reflections (Mezzadri 2007).
    """
    blocks = []
    for _ in range(-(-features // size)):
        q, r = torch.linalg.qr(torch.randn(size, size))
        blocks.append((q * r.diagonal().sign()).mT)
    lengths = torch.randn(features, size).norm(dim=1, keepdim=True)
    drawn: Tensor = torch.cat(blocks)[:features] * lengths
    return drawn
