"""softmax(q . k + bias) . v in one function of torch, which keeps neither scores nor weights of all positions.

`torch.nn.functional.scaled_dot_product_attention` computes them block by block, and once more for the gradient (Dao,
Fu, Ermon, Rudra and Re 2022, "FlashAttention"). Its gradient has no gradient of its own on a CPU.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from nmt.kernels.precision import multiply_memory, take_exact_products, to_autocast_dtype
from nmt.kernels.switch import is_enabled

Queries = Float[Tensor, "row head target key"]
Keys = Float[Tensor, "row head source key"]
Values = Float[Tensor, "row head source value"]
Bias = Float[Tensor, "row #head #target source"]
Contexts = Float[Tensor, "row head target value"]


def attend_by_dot(queries: Queries, keys: Keys, values: Values, bias: Bias) -> Contexts:
    """softmax(q . k + bias) . v, over source positions; by `attend_by_dot_reference` where a compiler looks on.

    Every query needs a bias above minus infinity. One that has none gets NaN from the reference, and zeros here.
    """
    if torch.compiler.is_compiling() or not is_enabled("dot_attention"):
        return attend_by_dot_reference(queries, keys, values, bias)
    dtype = torch.promote_types(torch.promote_types(queries.dtype, values.dtype), torch.float32)
    q, k, v, b = queries.to(dtype), keys.to(dtype), values.to(dtype), bias.to(dtype)
    if q.device.type != "cpu":
        q, k, v, b = (to_autocast_dtype(each) for each in (q, k, v, b))
    with take_exact_products(q):
        return F.scaled_dot_product_attention(q, k, v, attn_mask=b, scale=1.0).to(dtype)


def attend_by_dot_reference(queries: Queries, keys: Keys, values: Values, bias: Bias) -> Contexts:
    """The equation as it is written."""
    return multiply_memory(torch.softmax(multiply_memory(queries, keys.mT) + bias, -1), values)
