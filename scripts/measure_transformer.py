"""Training target tokens/s of our Transformer beside a plain loop over nn.Transformer, turn about in one process.

    python scripts/measure_transformer.py --steps 40 --threads 2

Both have 4 + 4 layers of 128, 4 heads, an inner layer of 256, one table for all words, dropout 0.1 and label smoothing
0.1, and read the same batches. The plain loop is nn.Transformer, nn.Linear and F.cross_entropy over all positions, as a
tutorial has it. A ratio is ours divided by the plain one's in the same turn. Run it on an idle machine.
"""

import argparse
import math
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[0] = str(ROOT)  # this folder's file names would hide modules of the same name

import torch  # noqa: E402
import torch.nn.functional as F  # noqa: E402
from torch import Tensor, nn  # noqa: E402

from nmt.kernels import process_setup  # noqa: E402
from nmt.model.positions import compute_sinusoids  # noqa: E402
from nmt.special_tokens import PAD  # noqa: E402
from scripts.measure_kernels import VOCABULARY, format_ratio, make_pairs, make_training_step  # noqa: E402

SIZE, HEADS, LAYERS, INNER = 128, 4, 4, 256


class PlainTransformer(nn.Module):
    """What a tutorial writes."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(VOCABULARY, SIZE, padding_idx=PAD)
        self.body = nn.Transformer(SIZE, HEADS, LAYERS, LAYERS, INNER, 0.1, batch_first=True, norm_first=True)
        self.output = nn.Linear(SIZE, VOCABULARY)
        self.output.weight = self.table.weight
        self.dropout = nn.Dropout(0.1)

    def embed(self, tokens: Tensor) -> Tensor:
        positions = torch.arange(tokens.shape[1]).expand_as(tokens)
        embedded: Tensor = self.dropout(math.sqrt(SIZE) * self.table(tokens) + compute_sinusoids(positions, SIZE))
        return embedded

    def forward(self, source: Tensor, target: Tensor) -> Tensor:
        padding, causal = source == PAD, torch.ones(target.shape[1], target.shape[1], dtype=torch.bool).triu(1)
        sides = self.embed(source), self.embed(target)
        masks = {"src_key_padding_mask": padding, "memory_key_padding_mask": padding}
        logits: Tensor = self.output(self.body(*sides, tgt_mask=causal, tgt_is_causal=True, **masks))
        return logits


def make_plain_step(tokens: int, longest: int) -> Callable[[], None]:
    """What takes one step of Adam over one batch."""
    torch.manual_seed(0)
    model, pairs = PlainTransformer().train(), make_pairs(tokens, longest)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        logits = model(pairs.source, pairs.target_input).flatten(0, 1)
        loss = F.cross_entropy(logits, pairs.target_output.flatten(), ignore_index=PAD, label_smoothing=0.1)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()

    return step


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=40, help="turns, in each of which both take one step")
    parser.add_argument("--tokens", type=int, default=2560, help="positions of a batch, padding counted")
    parser.add_argument("--longest", type=int, default=20, help="pieces of the longest sentence")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    process_setup.configure(options.threads)
    sizes = options.tokens, options.longest
    steps = {"nmt": make_training_step("transformer", *sizes), "nn.Transformer": make_plain_step(*sizes)}
    words = int((make_pairs(*sizes).target_output != PAD).sum())
    times: dict[str, list[float]] = {name: [] for name in steps}
    for turn in range(options.steps + 1):  # the first is the warm-up
        for name in list(steps) if turn % 2 else reversed(steps):
            start = time.perf_counter()
            steps[name]()
            if turn:
                times[name].append(time.perf_counter() - start)
    for name, found in times.items():
        print(f"{name}: {words / statistics.median(found):.0f} target tokens/s")
    ratios = [plain / ours for ours, plain in zip(times["nmt"], times["nn.Transformer"], strict=True)]
    print(f"ratio: {format_ratio(ratios)}")


if __name__ == "__main__":
    main()
