"""softmax(log(phi(q) . phi(k)) + bias) . v in linear time: sums over keys of features and values, made once.

    softmax(log(phi(q) . phi(k))) . v = phi(q) . A / phi(q) . z,    A = sum_s phi(k_s) v_s',    z = sum_s phi(k_s)

(Choromanski et al. 2021, equation 4.) Features come as logarithms. From each feature of the keys its maximum over the
positions so far is taken, and given to the queries' instead; from those of a query its maximum, which cancels. So
phi(q) . z is at least one, and no small number is added anywhere.

Where no position sees a later one, sums run over chunks of positions, and weights are made within each chunk. Nothing
is taken from a later position, not even a maximum.
"""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import pad

from nmt import masks
from nmt.kernels.precision import multiply_matrices, multiply_memory
from nmt.kernels.switch import is_enabled
from nmt.kernels.window_attention import cut_axis

Queries = Float[Tensor, "row head target feature"]
Keys = Float[Tensor, "row head source feature"]
Values = Float[Tensor, "row head source value"]
Bias = Float[Tensor, "row source"]
Contexts = Float[Tensor, "row head target value"]

CHUNK = 64
"""Positions among which weights are made."""


def attend_by_features(
    queries: Queries, keys: Keys, values: Values, bias: Bias, *, is_causal: bool = False
) -> Contexts:
    """softmax(log(exp(q) . exp(k)) + bias) . v of the logarithms q and k of features; by
    `attend_by_features_reference` where a compiler looks on.

    bias: 0, or minus infinity on padding. is_causal: query t is at position t, and sees no key after it.
    """
    if torch.compiler.is_compiling() or not is_enabled("feature_attention"):
        return attend_by_features_reference(queries, keys, values, bias, is_causal=is_causal)
    dtype = torch.promote_types(torch.promote_types(queries.dtype, values.dtype), torch.float32)
    q, k, b = queries.to(dtype), keys.to(dtype), bias.to(dtype)
    counted = pad(values.to(dtype), (0, 1), value=1.0)
    sums = _sum_causally(q, k, counted, b) if is_causal else _sum_all(q, k, counted, b)
    return sums[..., :-1] / sums[..., -1:]


def attend_by_features_reference(
    queries: Queries, keys: Keys, values: Values, bias: Bias, *, is_causal: bool = False
) -> Contexts:
    """The equation as it is written."""
    scores = compare_features(queries, keys) + bias[:, None, None, :]
    if is_causal:
        scores = scores + _make_causal_bias(queries.shape[2], scores)
    return multiply_memory(torch.softmax(scores, -1), values)


def compare_features(queries: Queries, keys: Keys) -> Float[Tensor, "row head target source"]:
    """log(exp(q) . exp(k)), of the logarithms of features.

    A product that is smaller than any number beside the largest that it could be, some exp(-87), counts as that much.
    """
    most_q, most_k = (each.detach().amax(-1, keepdim=True) for each in (queries, keys))
    products = multiply_memory((queries - most_q).exp(), (keys - most_k).exp().mT)
    return products.clamp(min=torch.finfo(products.dtype).tiny).log() + most_q + most_k.mT


def _make_causal_bias(size: int, like: Tensor) -> Float[Tensor, "{size} {size}"]:
    return masks.log_mask(torch.ones(size, size, dtype=torch.bool, device=like.device).tril(), like.dtype)


def _sum_all(queries: Tensor, keys: Tensor, counted: Tensor, bias: Tensor) -> Tensor:
    """Sums of values, and of ones beside them, that every query sees alike but for its features."""
    keys = keys + bias[:, None, :, None]
    most = keys.detach().amax(2, keepdim=True)
    sums = multiply_matrices((keys - most).exp().mT, counted)
    moved = queries + most
    return multiply_matrices((moved - moved.detach().amax(-1, keepdim=True)).exp(), sums)


def _sum_causally(queries: Tensor, keys: Tensor, counted: Tensor, bias: Tensor) -> Tensor:
    """Sums over no later position: within a chunk by weights, before it by running sums."""
    size = queries.shape[2]
    missing = -size % CHUNK
    bias = cut_axis(pad(bias, (0, missing), value=masks.NEG_INF), 1, CHUNK)[:, None, :, None, :]
    queries, keys, counted = (cut_axis(pad(each, (0, 0, 0, missing)), 2, CHUNK) for each in (queries, keys, counted))
    within = compare_features(queries.flatten(0, 1), keys.flatten(0, 1)).view(*queries.shape[:4], CHUNK)
    within = within + bias + _make_causal_bias(CHUNK, queries)
    most = within.detach().amax(-1, keepdim=True)
    if size <= CHUNK:
        return multiply_matrices((within - most).exp(), counted).flatten(2, 3)[:, :, :size]
    before, scale = _sum_before(queries, keys + bias.mT, counted)
    most = torch.maximum(most, scale)
    sums = multiply_matrices((within - most).exp(), counted) + (scale - most).exp() * before
    return sums.flatten(2, 3)[:, :, :size]


def _sum_before(queries: Tensor, keys: Tensor, counted: Tensor) -> tuple[Tensor, Tensor]:
    """Sums over all chunks before each, and the logarithm of what they are to be multiplied with."""
    largest = keys.detach().amax(3).cummax(2).values
    chunks = multiply_matrices((keys - largest.unsqueeze(3)).exp().mT, counted)
    shrink = (largest[:, :, :-1] - largest[:, :, 1:]).exp().unsqueeze(-1)
    total, totals = chunks[:, :, 0], []
    for chunk in range(1, chunks.shape[2]):
        totals.append(total)
        total = total * shrink[:, :, chunk - 1] + chunks[:, :, chunk]
    moved = queries[:, :, 1:] + largest[:, :, :-1].unsqueeze(3)
    scale = moved.detach().amax(-1, keepdim=True)
    sums = multiply_matrices((moved - scale).exp(), torch.stack(totals, 2))
    # Nothing stands before the first chunk.
    return pad(sums, (0, 0, 0, 0, 1, 0)), pad(scale, (0, 0, 0, 0, 1, 0), value=masks.NEG_INF)
