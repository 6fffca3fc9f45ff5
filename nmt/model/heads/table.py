"""The heads that `model/head` chooses from."""

from nmt.model.heads.copy import CopyHead
from nmt.model.heads.head import Head
from nmt.model.heads.softmax import SoftmaxHead

HEADS: dict[str, type[Head]] = {"softmax": SoftmaxHead, "copy": CopyHead}
