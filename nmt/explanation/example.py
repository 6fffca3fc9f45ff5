"""A worked example without a model: three words on each side, four features, and small whole numbers."""

import torch
from torch import Tensor, nn

from nmt import masks
from nmt.attention.scored import ScoredAttention
from nmt.explanation.explain import check_place, explain
from nmt.explanation.look import ask, look_at_all
from nmt.explanation.scene import Scene
from nmt.report.explanation import Explanation

SIZE = 4
"""Features of a query and of a source position."""

SOURCE = ("the", "dog", "sleeps")
TARGET = ("der", "Hund", "schläft")
PADDING = "<pad>"

STATES = ((1, 0, 1, 0), (0, 2, 0, 1), (1, 1, 0, 2))
QUERIES = ((1, 0, 2, 0), (0, 1, 1, 0), (1, 0, 0, 1))

FIXED = {"offset": -1.0, "projection": -1.0}
"""Numbers by the last part of a parameter's name, where the pattern would show little."""


@torch.inference_mode()
def explain_example(attention: ScoredAttention, *, query: int, head: int, padding: int) -> Explanation:
    """The example with this attention, whose parameters become small whole numbers.

    The attention takes queries and memory of SIZE features; `padding` source positions are no words. head: from 1.
    Raises ConfigError for a query or a head that is not there.
    """
    check_place("head", head, attention.heads, first=1)
    set_parameters(attention.eval())
    states = torch.tensor([*STATES, *[[0] * SIZE] * padding], dtype=torch.float32).unsqueeze(0)
    mask = masks.mask(torch.tensor([len(SOURCE)]), len(SOURCE) + padding)
    memory = attention.remember(states, mask)
    questions = ask(attention, torch.tensor(QUERIES, dtype=torch.float32).unsqueeze(0), memory)
    scene = Scene(
        attention=attention,
        look=look_at_all(attention, questions),
        head=head - 1,
        source=[*SOURCE, *[PADDING] * padding],
        target=TARGET,
        query=query,
        states=states[0],
    )
    facts = [("source", " ".join(SOURCE)), ("target", " ".join(TARGET))]
    return explain(scene, title="Attention, number by number", facts=facts)


def set_parameters(attention: nn.Module) -> None:
    """Whole numbers for every parameter, the same on every machine."""
    with torch.no_grad():
        for place, (name, parameter) in enumerate(attention.named_parameters()):
            fixed = FIXED.get(name.split(".")[-1])
            parameter.copy_(make_pattern(parameter, place) if fixed is None else torch.full_like(parameter, fixed))


def make_pattern(parameter: Tensor, place: int) -> Tensor:
    """A matrix that keeps each feature and takes another one from every fourth; a vector of ones and twos."""
    rows, columns = parameter.shape if parameter.ndim == 2 else (1, parameter.numel())
    if rows == 1:
        return (1 + torch.arange(columns) % 2).view(parameter.shape).to(parameter)
    row, column = torch.arange(rows).unsqueeze(1) % columns, torch.arange(columns)
    taken = ((column == (row + 1 + place) % columns) & (torch.arange(rows).unsqueeze(1) % 4 == 0)).int()
    return ((column == row).int() - taken * (column != row).int()).to(parameter)
