"""What a training step of selection=marginal costs, beside one of soft attention: turn about in one process.

    python scripts/measure_marginal.py                    a few minutes on one core
    python scripts/measure_marginal.py --decoder transformer --longest 15

A ratio is CPU time divided by that of a soft step of the same turn; the median over turns, with quartiles. Weights are
random, so the score is scaled until sparsemax leaves a word `--support` source positions in the mean, as a trained one
does; softmax has the same scores.
"""

import argparse
import random
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[0] = str(ROOT)  # this folder's file names would hide modules of the same name

import torch  # noqa: E402

from nmt import build, config  # noqa: E402
from nmt.attention.scored import ScoredAttention  # noqa: E402
from nmt.kernels import process_setup  # noqa: E402
from nmt.kernels.cross_entropy import word_indices  # noqa: E402
from nmt.model.decoders.transformer import TransformerDecoder  # noqa: E402
from nmt.model.seq2seq import Seq2Seq  # noqa: E402
from scripts.benchmarking.settings import compose_settings  # noqa: E402
from scripts.measure_kernels import FILES, Pairs, format_ratio, make_pairs  # noqa: E402

VOCABULARY = 6000

SPARSE = ("attention/normalizer=sparsemax",)
VARIANTS: Mapping[str, Sequence[str]] = {
    "soft": (),
    "soft again": (),
    "soft, sparsemax": SPARSE,
    "marginal": ("attention/selection=marginal",),
    "marginal, sparsemax": ("attention/selection=marginal", *SPARSE),
    "marginal, 4 choices": ("attention/selection=marginal", "attention.selection.choices=4"),
}
DECODERS: Mapping[str, Sequence[str]] = {
    "luong": ("attention=luong_general",),
    "transformer": (
        *("model=transformer", "attention=multi_head", "attention.heads=1", "attention.score.hidden_size=256"),
        *(f"model.{side}.{name}" for side in ("encoder", "decoder") for name in ("hidden_size=256", "layers=3")),
    ),
}


def make_settings(decoder: str, variant: str) -> config.ConfigDict:
    """Sizes of `experiment=multi30k`."""
    words = ["model.embedding_size=256", *DECODERS[decoder], *VARIANTS[variant]]
    return compose_settings([*FILES, *words])


def get_chooser(model: Seq2Seq) -> ScoredAttention:
    """The attention that words are predicted from."""
    decoder = model.decoder
    attention = decoder.get_layer(-1).attention if isinstance(decoder, TransformerDecoder) else decoder.attention
    assert isinstance(attention, ScoredAttention)
    return attention


@torch.no_grad()
def find_scale(decoder: str, pairs: Pairs, support: float) -> float:
    """The factor of the score with which sparsemax leaves so many positions in the mean, and what it comes to."""
    torch.manual_seed(0)
    settings = make_settings(decoder, "marginal, sparsemax")
    model = build.build_model(settings, source_vocab=VOCABULARY, target_vocab=VOCABULARY, joint=True).eval()
    scale = 1.0
    while (count := count_support(model, pairs)) > support and scale < 2**20:
        scale *= 1.2
        scale_score(model, 1.2)
    print(f"score times {scale:.1f}: {count:.2f} positions in the mean")
    return scale


def count_support(model: Seq2Seq, pairs: Pairs) -> float:
    """Source positions with a weight, in the mean over target words."""
    weights = model.align(pairs.source, pairs.lengths, pairs.target_input)
    return float((weights > 0).sum(-1)[pairs.target_output > 0].float().mean())


def scale_score(model: Seq2Seq, factor: float) -> None:
    """Makes the score of keys so much larger."""
    for name, weight in get_chooser(model).score.named_parameters():
        if name.startswith("key"):
            weight.data *= factor


def make_step(decoder: str, variant: str, pairs: Pairs, scale: float) -> Callable[[], None]:
    """What takes one step of the optimizer over one batch, at a rate that leaves the weights as they are."""
    torch.manual_seed(0)
    settings = make_settings(decoder, variant)
    model = build.build_model(settings, source_vocab=VOCABULARY, target_vocab=VOCABULARY, joint=True).train()
    scale_score(model, scale)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.0)
    indices = word_indices(pairs.target_output)

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        inputs = model(pairs.source, pairs.lengths, pairs.target_input)
        loss = model.compute_loss(inputs, pairs.target_output, smoothing=0.0, indices=indices)
        (loss.objective / len(loss.word_nll)).backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()

    return step


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--decoder", choices=DECODERS, default="luong")
    parser.add_argument("--turns", type=int, default=12, help="in each of which every variant runs once")
    parser.add_argument("--tokens", type=int, default=2048, help="positions of a batch, padding counted")
    parser.add_argument("--longest", type=int, default=15, help="pieces of the longest sentence; the shortest has half")
    parser.add_argument("--support", type=float, default=2.5, help="positions that sparsemax leaves in the mean")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    process_setup.configure(options.threads)
    pairs = make_pairs(options.tokens, options.longest)
    pairs = Pairs(*(part.clamp(max=VOCABULARY - 1) if part.ndim == 2 else part for part in pairs))
    scale = find_scale(options.decoder, pairs, options.support)
    steps = {variant: make_step(options.decoder, variant, pairs, scale) for variant in VARIANTS}
    times: dict[str, list[float]] = {variant: [] for variant in VARIANTS}
    draw = random.Random(0)
    for turn in range(options.turns + 1):  # the first is the warm-up
        for variant in draw.sample(list(VARIANTS), len(VARIANTS)):
            begun = time.process_time()
            steps[variant]()
            if turn:
                times[variant].append(time.process_time() - begun)
    print(f"{options.decoder}: a soft step takes {1000 * statistics.median(times['soft']):.0f} ms of CPU time\n")
    print("| step | CPU, soft = 1 |\n|---|---|")
    for variant in list(VARIANTS)[1:]:
        ratios = [one / soft for one, soft in zip(times[variant], times["soft"], strict=True)]
        print(f"| {variant} | {format_ratio(ratios)} |")


if __name__ == "__main__":
    main()
