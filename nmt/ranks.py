"""The processes that train one model together: what they send each other, and how they learn that one has ended.

Each has a rank, from 0. Several are started by torchrun, which tells each of them its rank in its environment; one that
is started alone is rank 0 of 1, and then nothing here does anything. All processes must call the same functions in the
same order. The engine is `torch.distributed`: gloo for numbers and bytes, and for gradients gloo or NCCL.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from nmt.errors import ConfigError, NmtError, RankError, TrainingInterrupt
from nmt.launch import Launch, read_launch

T = TypeVar("T")
Number = int | float

STEP_TIMEOUT = timedelta(minutes=10)
"""The longest that processes wait for each other where all do the same, such as in a step. A process that ends is
noticed at once; this is for a machine that loses power or its network."""

WAIT_TIMEOUT = timedelta(hours=24)
"""The longest that they wait while one works for all, such as when it learns a vocabulary."""

BUCKET = 2**24
"""Numbers of gradients that are sent at once."""


@dataclass(frozen=True)
class Ranks:
    """One of `count` processes that work together. waits: the group of messages for which one may work long."""

    rank: int = 0
    count: int = 1
    local_rank: int = 0
    waits: Any = None

    @property
    def is_first(self) -> bool:
        """Whether this process writes files and speaks for all."""
        return self.rank == 0

    @property
    def part(self) -> slice:
        """What of a list this process works on: every `count`-th item."""
        return slice(self.rank, None, self.count)

    def sum(self, values: Sequence[Number]) -> list[Number]:
        """The sums of these numbers over all processes, which wait for each other at most STEP_TIMEOUT."""
        return [*values] if self.count == 1 else self._reduce(values, "SUM")

    def find_largest(self, values: Sequence[Number]) -> list[Number]:
        """The largest of each number over all processes, which wait for each other at most STEP_TIMEOUT."""
        return [*values] if self.count == 1 else self._reduce(values, "MAX")

    def _reduce(self, values: Sequence[Number], operation: str, group: Any = None) -> list[Number]:
        import torch.distributed as dist

        message = torch.tensor(values, dtype=torch.float64)
        with explain_loss(self):
            dist.all_reduce(message, getattr(dist.ReduceOp, operation), group)
        found: list[Number] = message.tolist()
        return found

    def gather(self, value: Any, arrays: Sequence[NDArray[Any]] = ()) -> list[tuple[Any, list[NDArray[Any]]]]:
        """What each process gives, in the order of ranks: a value that JSON can hold, and arrays of numbers."""
        if self.count == 1:
            return [(value, list(arrays))]
        import torch.distributed as dist

        message = torch.frombuffer(bytearray(pack(value, arrays)), dtype=torch.uint8)
        sizes = [torch.zeros(1, dtype=torch.int64) for _ in range(self.count)]
        with explain_loss(self):
            dist.all_gather(sizes, torch.tensor([len(message)]), self.waits)
            room = max(int(size) for size in sizes)
            found = [torch.zeros(room, dtype=torch.uint8) for _ in range(self.count)]
            dist.all_gather(found, nn.functional.pad(message, (0, room - len(message))), self.waits)
        return [unpack(each.numpy().tobytes()[: int(size)]) for each, size in zip(found, sizes, strict=True)]

    def take_first(self, value: T) -> T:
        """The value of rank 0, for all; one that JSON can hold."""
        if self.count == 1:
            return value
        found: T = self.gather(value if self.is_first else None)[0][0]
        return found

    def work(self, work: Callable[[], T]) -> T:
        """What `work` gives in this process, once all have done theirs, which must send no messages.

        Raises what it raises; TrainingInterrupt where another process raised that; RankError where another failed.
        """
        if self.count == 1:
            return work()
        try:
            found = work()
        except TrainingInterrupt as interrupt:
            with suppress(RankError):
                self._reduce([float(interrupt.number)], "MAX", self.waits)
            raise
        (worst,) = self._reduce([0.0], "MAX", self.waits)
        if worst:
            raise TrainingInterrupt(int(worst))
        return found

    def work_on_first(self, work: Callable[[], T]) -> T | None:
        """What `work` gives in rank 0, for which all others wait; None in them. Raises as `work` does."""
        return self.work(lambda: work() if self.is_first else None)

    def check(self, work: Callable[[], T]) -> T:
        """What `work` gives in this process, if it raises an NmtError in none.

        Where it raises one with the same message in several, the first of them raises it, and the others a RankError.
        """
        if self.count == 1:
            return work()
        problem: NmtError | None = None
        try:
            found = work()
        except NmtError as caught:
            problem = caught
        messages = [message for message, _ in self.gather(None if problem is None else str(problem))]
        if problem is not None and messages.index(str(problem)) == self.rank:
            raise problem
        if failed := [rank for rank, message in enumerate(messages) if message is not None]:
            raise RankError(f"Process {self.rank} of {self.count} ends, because process {failed[0]} cannot train.")
        return found

    def work_in_turn(self, work: Callable[[], T]) -> T:
        """What `work` gives: in rank 0 first, then in one process of every other machine, then in the rest, so that
        those who come later find what the first ones left on disk."""
        turn = 0 if self.is_first else 1 if self.local_rank == 0 else 2
        found: list[T] = []

        def work_now() -> None:
            found.append(work())

        for number in range(3 if self.count > 1 else 1):
            self.work(work_now if number == turn else lambda: None)
        return found[0]

    def share(self, tensors: Iterable[Tensor]) -> None:
        """Puts into each tensor what it is in rank 0."""
        if self.count == 1:
            return
        import torch.distributed as dist

        with explain_loss(self), torch.no_grad():
            for tensor in tensors:
                dist.broadcast(tensor.data, 0)

    def average(self, tensors: Sequence[Tensor]) -> None:
        """Puts into each tensor the mean of those of all processes."""
        if self.count == 1:
            return
        import torch.distributed as dist

        with explain_loss(self), torch.no_grad():
            for tensor in tensors:
                dist.all_reduce(tensor.data)
                tensor.data.div_(self.count)

    def share_drifted_weights(self, model: nn.Module) -> bool:
        """Gives every process the weights of rank 0 if they differ; whether they did, as they may where processors
        round in different ways."""
        kinds = {2: torch.int16, 4: torch.int32, 8: torch.int64}
        own = [
            int(each.detach().view(kinds[each.element_size()]).sum(dtype=torch.int64)) for each in model.parameters()
        ]
        has_drifted = any(found != own for found, _ in self.gather(own))
        if has_drifted := bool(self.find_largest([has_drifted])[0]):
            self.share(model.parameters())
        return has_drifted

    def sum_gradients(self, parameters: Sequence[nn.Parameter], present: Sequence[bool]) -> None:
        """Puts into every parameter the sum of its gradients over all processes.

        present: which parameters have a gradient in at least one process; the others keep none. A process that has no
        gradient of one adds zero.
        """
        if self.count == 1:
            return
        import torch.distributed as dist

        chosen = [parameter for parameter, is_there in zip(parameters, present, strict=True) if is_there]
        for parameter in chosen:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        with explain_loss(self):
            sent = []
            for bucket in cut_buckets([parameter.grad for parameter in chosen if parameter.grad is not None]):
                flat = torch.cat([gradient.flatten() for gradient in bucket])
                sent.append((bucket, flat, dist.all_reduce(flat, async_op=True)))
            for bucket, flat, pending in sent:
                pending.wait()
                parts = torch.split(flat, [gradient.numel() for gradient in bucket])
                torch._foreach_copy_(bucket, [p.view_as(g) for p, g in zip(parts, bucket, strict=True)])


ALONE = Ranks()
"""The only process of a run."""


def cut_buckets(gradients: Sequence[Tensor]) -> Iterator[list[Tensor]]:
    """Neighbours that have at most BUCKET numbers together, or one that has more, and are of one type."""
    bucket: list[Tensor] = []
    for gradient in gradients:
        size = sum(each.numel() for each in bucket)
        if bucket and (size + gradient.numel() > BUCKET or gradient.dtype != bucket[0].dtype):
            yield bucket
            bucket = []
        bucket.append(gradient)
    if bucket:
        yield bucket


@contextmanager
def join(device: str) -> Iterator[Ranks]:
    """Inside, this process is one of those that torchrun has started; alone, if it was started otherwise.

    device: as in the settings, with `auto` for a GPU where there is one; each process then has a GPU of its own. Raises
    ConfigError where that cannot be.
    """
    launch = read_launch()
    if launch.processes == 1:
        yield ALONE
        return
    import torch.distributed as dist

    if not dist.is_available():
        raise ConfigError("This torch was built without torch.distributed, which several processes need. Start one.")
    if device == "mps":
        raise ConfigError("device=mps trains in one process. Start it without torchrun, or choose device=cpu.")
    is_on_gpu = device != "cpu" and torch.cuda.is_available()
    if is_on_gpu:
        choose_gpu(launch)
    begun = dist.is_initialized()
    with explain_loss(Ranks(launch.rank, launch.processes)):
        if not begun:
            backend = "cpu:gloo,cuda:nccl" if is_on_gpu else "gloo"
            store, rank, processes = open_store(launch), launch.rank, launch.processes
            dist.init_process_group(backend, timeout=STEP_TIMEOUT, store=store, rank=rank, world_size=processes)
        waits = dist.new_group(backend="gloo", timeout=WAIT_TIMEOUT)
    yield Ranks(launch.rank, launch.processes, launch.local_rank, waits)
    if not begun:  # what has failed ends the process, and may have messages under way that would be waited for
        dist.destroy_process_group()


def open_store(launch: Launch) -> Any:
    """Where processes tell each other their addresses.

    torchrun keeps one store over all starts, and in it the addresses of processes that are dead: each start has a part
    of its own.
    """
    from torch.distributed import PrefixStore  # type: ignore[attr-defined]
    from torch.distributed.rendezvous import rendezvous

    store, _, _ = next(rendezvous("env://", timeout=STEP_TIMEOUT))
    return PrefixStore(f"start {launch.start}", store)


def choose_gpu(launch: Launch) -> None:
    """Takes the GPU of this process's number on its machine. Raises ConfigError where there are fewer."""
    gpus = torch.cuda.device_count()
    if launch.local_rank >= gpus:
        raise ConfigError(
            f"Process {launch.local_rank + 1} of this machine needs a GPU of its own, and there are {gpus}. Start as "
            f"many processes as there are (--nproc-per-node={gpus}), or choose device=cpu."
        )
    torch.cuda.set_device(launch.local_rank)


@contextmanager
def explain_loss(ranks: Ranks) -> Iterator[None]:
    """Turns an error of the engine into a RankError: another process has ended, and has said why, or cannot be reached.

    A lack of memory is this process's own, and stays what it is.
    """
    try:
        yield
    except RuntimeError as problem:
        if isinstance(problem, torch.OutOfMemoryError) or "allocate memory" in str(problem):
            raise
        raise RankError(
            f"Process {ranks.rank} of {ranks.count} ends, because another one has ended or cannot be reached "
            f"({str(problem).splitlines()[0][:200]}). The first message of another process says why."
        ) from problem


def pack(value: Any, arrays: Sequence[NDArray[Any]]) -> bytes:
    """A value that JSON can hold and arrays as bytes: the length of the JSON in 8 bytes, JSON, numbers."""
    kinds = [[array.dtype.str, array.shape] for array in arrays]
    head = json.dumps([value, kinds]).encode()
    return b"".join([len(head).to_bytes(8, "little"), head, *(array.tobytes() for array in arrays)])


def unpack(message: bytes) -> tuple[Any, list[NDArray[Any]]]:
    """What `pack` was given."""
    place = 8 + int.from_bytes(message[:8], "little")
    value, kinds = json.loads(message[8:place])
    arrays = []
    for kind, shape in kinds:
        size = int(np.prod(shape, dtype=np.int64))
        arrays.append(np.frombuffer(message, np.dtype(kind), size, place).reshape(shape).copy())
        place += arrays[-1].nbytes
    return value, arrays
