"""The heads that `model/head` chooses from, and what they become for words that are predicted from chosen positions."""

from nmt.attention.selection import Sampled, Selection
from nmt.model.heads.bernoulli import BernoulliHead
from nmt.model.heads.copy import CopyHead
from nmt.model.heads.drawn import DrawnHead
from nmt.model.heads.head import Head
from nmt.model.heads.mixture import MixtureHead
from nmt.model.heads.pointer import PointerHead
from nmt.model.heads.softmax import SoftmaxHead

HEADS: dict[str, type[Head]] = {
    "softmax": SoftmaxHead,
    "copy": CopyHead,
    "bernoulli": BernoulliHead,
    "pointer": PointerHead,
}


def wrap_head(head: Head, selection: Selection) -> Head:
    """The head for what this selection has words predicted from: the context, each of several positions, or a draw."""
    if selection.predicts_from == "each":
        return MixtureHead(head)
    if selection.predicts_from == "draw":
        return DrawnHead(head, compares=isinstance(selection, Sampled) and selection.baseline == "expected")
    return head
