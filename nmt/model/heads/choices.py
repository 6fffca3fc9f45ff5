"""What a head is given of each source position that attention chooses from."""

import torch.nn.functional as F
from jaxtyping import Float, Shaped
from torch import Tensor

from nmt.attention.attention import Attended
from nmt.model.decoders.decoder import Decoded
from nmt.model.heads.head import Head, HeadInputs
from nmt.trees import tree_map


def gather_choices(
    head: Head,
    decoded: Decoded,
    embedded: Float[Tensor, "row target embedding"],
    source: Shaped[Tensor, "sentence source *feature"],
) -> HeadInputs:
    """The head's inputs of each choice, which is the last axis of the places: the readout and the value of one source
    position, and all weight on it."""
    assert decoded.choices is not None
    values, log_weights, positions, _ = decoded.choices.given
    count = positions.shape[2]
    one_hot = F.one_hot(positions, source.shape[1]).to(values.dtype)
    apart = Decoded(
        decoded.choices.readout.flatten(1, 2),
        decoded.state,
        Attended(values.flatten(1, 2), one_hot.flatten(1, 2).unsqueeze(1)),
    )
    repeated = embedded.unsqueeze(2).expand(-1, -1, count, -1).flatten(1, 2)
    inputs = head.gather_inputs(apart, repeated, source)
    split = tree_map(inputs, lambda tensor: tensor.view(len(tensor), -1, count, *tensor.shape[2:]))
    return split._replace(log_weights=log_weights)
