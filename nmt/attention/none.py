"""No attention: the decoder sees a summary of the sentence, the same at every step. The baseline of all attentions."""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from nmt.attention.attention import Attended, Attention, Past
from nmt.attention.memory import Memory


class NoScore:
    """attention/score=none: no key is compared with any query, so there are no weights."""

    def __init__(self, *, query_size: int, memory_size: int, heads: int) -> None:
        self.heads = heads


class NoAttention(Attention):
    """context = [forward state of the last source position; backward state of the first], at every target position

    (Sutskever, Vinyals and Le 2014; Cho et al. 2014, whose decoder reads it at every step as well.) Each direction of
    the encoder has read the whole sentence there. It has no parameters and no weights. The size of the context is that
    of the memory, so that any decoder takes it.
    """

    has_weights = False

    def __init__(self, *, memory_size: int, directions: int) -> None:
        super().__init__()
        self.context_size = memory_size
        self.direction_size = memory_size // directions

    def remember(self, states: Float[Tensor, "row source memory"], mask: Bool[Tensor, "row source"]) -> Memory:
        """The summary, as the only position that there is to look at."""
        lengths = mask.sum(-1)
        last = (lengths - 1).view(-1, 1, 1).expand(-1, 1, self.direction_size)
        forward, backward = states[..., : self.direction_size].gather(1, last), states[:, :1, self.direction_size :]
        summary = torch.cat([forward, backward], -1).unsqueeze(1)
        return Memory(keys=summary, values=summary, bias=summary.new_zeros(len(summary), 1), lengths=lengths)

    def forward(
        self,
        query: Float[Tensor, "row target query"],
        memory: Memory,
        positions: Int[Tensor, "row target"],
        past: Past = (),
        *,
        keep_weights: bool = False,
    ) -> Attended:
        summary = memory.values.squeeze(1)
        rows, target, _ = query.shape
        return Attended(summary.repeat_interleave(rows // len(summary), 0).expand(-1, target, -1))
