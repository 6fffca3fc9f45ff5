"""A decoder's recurrence translated to fused kernels, so that a GPU need not be told of every small operation.

A recurrence is a long row of small operations, and a GPU is done with each sooner than Python has asked for the next.
Here torch.compile makes one program of `BLOCK` target positions, forward and backward, which is run once for each block
of a batch. Captured as a CUDA graph, a block is launched at once, when what it reads has been copied into its place.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int, Shaped
from torch import Tensor

from nmt.errors import ConfigError
from nmt.kernels.devices import has_cuda_graphs
from nmt.model.decoders.decoder import Decoded
from nmt.model.heads.head import HeadInputs, add_attention
from nmt.model.seq2seq import Seq2Seq, SourceMemory
from nmt.special_tokens import PAD
from nmt.training.settings import CompileMode
from nmt.trees import tree_map

BLOCK = 8
"""Target positions of one program. It takes as long to compile as it has positions."""

ROW_MULTIPLE = 32
WIDTH_MULTIPLE = 8
"""A CUDA graph holds for one shape, so rows and source positions are rounded up to multiples of these."""


def check(mode: CompileMode, device: torch.device) -> None:
    """Raises ConfigError where a device cannot do this."""
    if mode == "cuda_graphs" and not has_cuda_graphs(device):
        raise ConfigError(
            f"training.compile=cuda_graphs captures CUDA graphs, and this model is to be trained on the {device}. "
            "Choose device=cuda where there is one, or training.compile=inductor or off."
        )


class CompiledForward:
    """What `Seq2Seq.forward` gives, and the same gradients, with the decoder compiled; it draws other dropout.

    The target is padded to whole blocks, and so are rows and source where blocks are captured as CUDA graphs; what
    comes of padding is left out of the result, and has no gradient. The first batches wait for the compiler, up to a
    few minutes. `backend` is torch.compile's. Raises ConfigError where capturing is asked for without a GPU, and from
    the first call where the compiler of that device is missing.
    """

    def __init__(
        self, model: Seq2Seq, *, is_captured: bool, backend: str = "inductor", keep_weights: bool = False
    ) -> None:
        check("cuda_graphs" if is_captured else "inductor", model.device)
        self.model = model
        self.is_captured = is_captured
        self.keep_weights = keep_weights
        mode = "reduce-overhead" if is_captured else None
        self.block = torch.compile(model.decoder.forward, fullgraph=True, dynamic=True, backend=backend, mode=mode)

    def __call__(
        self,
        source: Shaped[Tensor, "row source *feature"],
        lengths: Int[Tensor, " row"],
        target_input: Int[Tensor, "row target"],
    ) -> HeadInputs:
        rows, steps = target_input.shape
        if self.is_captured:
            self._begin()
            missing = -rows % ROW_MULTIPLE
            sides = (0, -source.shape[1] % WIDTH_MULTIPLE, 0, missing)
            source = F.pad(source, (*(0, 0) * (source.dim() - 2), *sides), value=PAD)
            lengths, target_input = (
                F.pad(lengths, (0, missing), value=1),
                F.pad(target_input, (0, 0, 0, missing), value=PAD),
            )
        memory, state = self.model.encode(source, lengths)
        embedded = self.model.target(F.pad(target_input, (0, -steps % BLOCK), value=PAD))
        # The first state is made like all that follow, with a gradient and in order, so that one program serves them.
        origin = embedded.new_zeros((), requires_grad=True)
        state = tree_map(state, lambda part: part + origin if part.is_floating_point() else part)
        blocks = []
        for block in embedded.split(BLOCK, 1):
            decoded = self._run_block(block.contiguous(), state, memory)
            state = decoded.state
            inputs = self.model.head.gather_inputs(decoded, block, memory.tokens)
            blocks.append(add_attention(inputs, decoded) if self.keep_weights else inputs)
        joined = (None if parts[0] is None else torch.cat(parts, 1) for parts in zip(*blocks, strict=True))
        return tree_map(HeadInputs._make(joined), lambda part: part[:rows, :steps])

    def _begin(self) -> None:
        """Frees the graphs' memory for another batch; what is summed over batches must lie outside of it."""
        torch.compiler.cudagraph_mark_step_begin()  # type: ignore[no-untyped-call]
        for weight in self.model.decoder.parameters():
            if weight.grad is None and weight.requires_grad:
                weight.grad = torch.zeros_like(weight)

    def _run_block(self, embedded: Float[Tensor, "row block embedding"], state: Any, memory: SourceMemory) -> Decoded:
        try:
            keeps = self.keep_weights or self.model.head.reads_attention
            decoded: Decoded = self.block(embedded, state, memory.memory, keep_weights=keeps)
        except RuntimeError as problem:
            from torch._dynamo.exc import ShortenTraceback  # which takes a second, and is here by now

            if not isinstance(problem, ShortenTraceback):
                raise
            raise ConfigError(
                f"training.compile={'cuda_graphs' if self.is_captured else 'inductor'} could not compile the decoder: "
                f"{str(getattr(problem, 'inner_exception', problem)).rstrip('.')}. It needs a C++ compiler, and Triton "
                "on a GPU. training.compile=off needs neither."
            ) from problem
        return decoded


def make_forward_fn(
    model: Seq2Seq, mode: CompileMode, *, keep_weights: bool = False
) -> Callable[[Tensor, Tensor, Tensor], HeadInputs]:
    """What gives the head's inputs for (source, lengths, read): the model itself where no positions are stepped."""
    if mode == "off" or not model.decoder.is_stepwise or model.head.points:
        return partial(model, keep_weights=True) if keep_weights else model
    return CompiledForward(model, is_captured=mode == "cuda_graphs", keep_weights=keep_weights)
