"""A Neural Turing Machine: a controller that reads and writes a memory."""

from typing import Literal, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from nmt.attention.attention import Attended
from nmt.attention.machine import MachinePast, MemoryMachine, Slots, check_contents, compute_origin
from nmt.attention.memory import Memory
from nmt.errors import ConfigError
from nmt.model.bridge import BridgeFactory
from nmt.model.decoders.decoder import AttentionFactory, Decoded, join_steps
from nmt.model.decoders.recurrent import DecoderState, RecurrentDecoder, feed_projection
from nmt.model.encoders.encoder import Encoded
from nmt.model.stack import CellName, Stack
from nmt.trees import tree_map

WHERE = "model/decoder=ntm"

MAX_PARTS = 256
"""Heads of a kind, and slots of a shift."""

SourcePlace = Literal["slots", "steps"]
"""Where the source is: in the slots of the memory, or in steps of the controller before the first target word."""


class ReadSource(NamedTuple):
    """A source that the controller has read, once a sentence. state: after its last position.

    memory: the encoder's states, to which nothing looks any more. origin: see `Slots`.
    """

    memory: Memory
    state: DecoderState
    origin: Float[Tensor, "row source slot"]


class Ntm(RecurrentDecoder):
    """o_t = RNN([y_{t-1}; r_{t-1}], o_{t-1});  r_t = read(M_{t-1});  M_t = write(M_{t-1});  readout = [o_t; r_t]

    (Graves, Wayne and Danihelka 2014; `nmt.attention.machine` has the heads.) What the controller o is, is a stack of
    cells. source=slots: the encoder's states are the first contents of the memory, beside `free_slots` (as in the
    memory-enhanced decoder of Wang et al. 2016). source=steps: all slots are free, of `slot_size` numbers, and the same
    controller reads the encoder's states one after another as it later reads words, and writes; so it is in the paper.
    reads_words: false: nothing is read after BOS, as in the paper's tasks, so that what is written comes from memory.

    The score and the normalizer of the attention that is given address by content, in each head for itself. Raises
    ConfigError for numbers out of range, and for what does not fit together.
    """

    attention: MemoryMachine

    def __init__(
        self,
        *,
        embedding_size: int,
        memory_size: int,
        make_attention: AttentionFactory,
        bridge: BridgeFactory,
        readout_dropout: float,
        cell: CellName = "lstm",
        hidden_size: int = 512,
        layers: int = 1,
        residual: bool = False,
        dropout: float = 0.0,
        read_heads: int = 1,
        write_heads: int = 1,
        shift: int = 1,
        free_slots: int = 4,
        slot_size: int | None = None,
        source: SourcePlace = "slots",
        reads_words: bool = True,
    ) -> None:
        check_numbers(read_heads=read_heads, write_heads=write_heads, shift=shift, free_slots=free_slots)
        check_source(source, free_slots, slot_size, memory_size=memory_size, embedding_size=embedding_size)
        sizes = {} if slot_size is None else {"memory_size": slot_size}
        contents = [check_contents(make_attention(**sizes), where=WHERE) for _ in range(read_heads + write_heads)]
        machine = MemoryMachine(
            contents,
            query_size=hidden_size,
            slot_size=slot_size or memory_size,
            read_heads=read_heads,
            reach=shift,
            free_slots=free_slots,
            holds_source=source == "slots",
        )
        super().__init__(
            make_attention=lambda: machine, readout_dropout=readout_dropout, cell=cell, hidden_size=hidden_size
        )
        self.source, self.reads_words = source, reads_words
        self.feed_size = machine.context_size
        self.readout_size = hidden_size + machine.context_size
        self.stack = Stack(
            cell=cell,
            input_size=embedding_size,
            hidden_size=hidden_size,
            layers=layers,
            dropout=dropout,
            residual=residual,
        )
        self.feed = feed_projection(machine.context_size, self.stack)
        self.bridge = bridge(hidden_size=hidden_size, layers=layers, parts=self.state_tensors)

    def remember(self, encoded: Encoded) -> Memory | ReadSource:
        """The encoder's states, or what is left when the controller has read them."""
        memory = self.attention.remember(encoded.states, encoded.mask)
        return memory if self.source == "slots" else self.read_source(encoded, memory)

    def start(self, encoded: Encoded, memory: Memory | ReadSource) -> DecoderState:
        return memory.state if isinstance(memory, ReadSource) else super().start(encoded, memory)

    def read_source(self, encoded: Encoded, memory: Memory) -> ReadSource:
        """Read all source positions, one after another; a row that has ended stays as it is."""
        slots = self.attention.make_free_slots(len(encoded.states))
        state = self.make_state(encoded, self.attention.begin(slots))
        is_full = encoded.mask.all(0).tolist()
        written = []
        for s, projected in enumerate(self.stack.project(encoded.states).unbind(1)):
            position = torch.full_like(state.position, s).unsqueeze(1)
            output, carries = self.stack.step(projected + self.feed(state.feed), state.carries)
            reading, past = self.attention.step(output, slots, position, MachinePast(*state.past))
            following = state._replace(carries=carries, feed=reading, past=past)
            real = encoded.mask[:, s]
            written.append(past.weights[:, 0, self.attention.read_heads :].sum(1) * real.unsqueeze(1))
            state = following if is_full[s] else choose_rows(real, following, state)
        return ReadSource(memory, state, compute_origin(torch.stack(written, 1)))

    def lay_out(self, memory: Memory | ReadSource) -> Slots:
        """The slots of each sentence before anything is written."""
        if isinstance(memory, ReadSource):
            return self.attention.make_free_slots(len(memory.origin))._replace(origin=memory.origin)
        return self.attention.lay_out(memory)

    def decode(
        self,
        embedded: Float[Tensor, "row target embedding"],
        state: DecoderState,
        memory: Memory | ReadSource,
        positions: Int[Tensor, "row target"],
        keep_weights: bool,
    ) -> Decoded:
        slots = self.lay_out(memory)
        if not self.reads_words:
            embedded = embedded * (positions == 0).unsqueeze(-1)
        carries, feed, past = state.carries, state.feed, state.past
        outputs: list[Tensor] = []
        steps: list[Attended] = []
        for t, projected in enumerate(self.stack.project(embedded).unbind(1)):
            output, carries = self.stack.step(projected + self.feed(feed), carries)
            query = output.unsqueeze(1)
            steps.append(self.attention(query, slots, positions[:, t : t + 1], past, keep_weights=keep_weights))
            feed, past = steps[-1].context.squeeze(1), steps[-1].past
            outputs.append(output)
        readings = torch.cat([step.context for step in steps], 1)
        readout = self.compute_readout(torch.stack(outputs, 1), embedded, readings)
        state = state._replace(carries=carries, feed=feed, past=past)
        return Decoded(self.readout_dropout(readout), state, join_steps(steps, keep_weights))

    def compute_readout(
        self,
        outputs: Float[Tensor, "*place hidden"],
        embedded: Float[Tensor, "*place embedding"],
        contexts: Float[Tensor, "*place value"],
    ) -> Float[Tensor, "*place readout"]:
        """The controller's output beside what was read."""
        return torch.cat([outputs, contexts], -1)


def choose_rows(chosen: Tensor, one: DecoderState, other: DecoderState) -> DecoderState:
    """The rows of the first state where `chosen`, of the other elsewhere."""
    others = iter(list_tensors(other))

    def choose(tensor: Tensor) -> Tensor:
        return torch.where(chosen.view(-1, *[1] * (tensor.dim() - 1)), tensor, next(others))

    return tree_map(one, choose)


def list_tensors(state: DecoderState) -> list[Tensor]:
    """The tensors of a state, in the order in which `tree_map` meets them."""
    found: list[Tensor] = []

    def add(tensor: Tensor) -> Tensor:
        found.append(tensor)
        return tensor

    tree_map(state, add)
    return found


def check_numbers(**numbers: int) -> None:
    """Raises ConfigError for what is too small, and for more than a step can hold: it has weights for each head and
    each shift."""
    for name, number in numbers.items():
        least = 1 if name.endswith("heads") else 0
        if number < least:
            raise ConfigError(f"model.decoder.{name} must be at least {least}; got {number}.")
        if name != "free_slots" and number > MAX_PARTS:
            raise ConfigError(f"model.decoder.{name} must be at most {MAX_PARTS}; got {number}.")


def check_source(
    source: SourcePlace, free_slots: int, slot_size: int | None, *, memory_size: int, embedding_size: int
) -> None:
    """Raises ConfigError where the sizes of memory, encoder and words do not fit together."""
    if slot_size is not None and slot_size < 1:
        raise ConfigError(f"model.decoder.slot_size must be at least 1; got {slot_size}.")
    if source == "slots":
        if slot_size not in (None, memory_size):
            raise ConfigError(
                f"model.decoder.source=slots puts the encoder's states, of {memory_size} numbers, into the memory, so "
                f"no slot has another size; got model.decoder.slot_size={slot_size}. Leave it out."
            )
        return
    if free_slots < 1:
        raise ConfigError("model.decoder.source=steps needs slots to write to; got model.decoder.free_slots=0.")
    if memory_size != embedding_size:
        raise ConfigError(
            "model.decoder.source=steps reads the encoder's states as it reads words, so both have one size; got "
            f"{memory_size} and model.embedding_size={embedding_size}. Choose model/encoder=embedding."
        )
