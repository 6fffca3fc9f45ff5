"""Good or bad? A classifier of sentences: one attention over the states of a recurrent network, with its heatmap.

python scripts/examples/sentiment.py [--steps 300] [--picture sentiment.png]

The query is a parameter, the same for every sentence, as in Yang et al. 2016; the context is what the decision is made
of. Prints the share of right decisions on new sentences, and draws what each was made by.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from random import Random

import torch
from matplotlib.figure import Figure
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

sys.path[0] = str(Path(__file__).resolve().parents[2])  # so that it also runs where nmt is not installed

import nmt  # noqa: E402

GOOD = ["good", "great", "lovely", "fresh", "kind", "clean", "wonderful", "cheap"]
BAD = ["bad", "awful", "stale", "rude", "dirty", "boring", "terrible", "noisy"]
THINGS = ["food", "room", "staff", "view", "music", "wine", "garden", "soup"]
WORDS = ["<pad>", "the", "was", "very", "not", "never", "but", "although", ",", ".", *GOOD, *BAD, *THINGS]


def write_clause(random: Random) -> tuple[list[str], bool]:
    """A statement, and whether it is a good one."""
    is_good, word = random.random() < 0.5, random.choice(["", "", "very", "not", "never"])
    adjective = random.choice(GOOD if is_good else BAD)
    clause = ["the", random.choice(THINGS), "was", *([word] if word else []), adjective]
    return clause, is_good != (word in ("not", "never"))


def write_sentence(random: Random) -> tuple[list[str], bool]:
    """A sentence of one statement or two, of which the second says what the writer means, and whether that is good."""
    (first, is_good), (second, is_second_good) = write_clause(random), write_clause(random)
    form = random.choice(["one", "but", "although"])
    if form == "one":
        return [*first, "."], is_good
    joined = [*first, ",", "but", *second] if form == "but" else ["although", *first, ",", *second]
    return [*joined, "."], is_second_good


class Classifier(nn.Module):
    """Words -> recurrent states -> one look at them -> good or bad."""

    def __init__(self, size: int = 32) -> None:
        super().__init__()
        self.embedding = nn.Embedding(len(WORDS), size)
        self.recurrent = nn.GRU(size, size, bidirectional=True, batch_first=True)
        self.query = nn.Parameter(torch.zeros(1, 1, size))
        self.attention = nmt.Attention.of(score="additive", query_size=size, memory_size=2 * size)
        self.output = nn.Linear(2 * size, 1)

    def forward(self, words: Tensor) -> tuple[Tensor, Tensor]:
        """The log odds of good, [row], and the weight of every word, [row, word]."""
        mask = words > 0
        packed = pack_padded_sequence(self.embedding(words), mask.sum(1), batch_first=True, enforce_sorted=False)
        states, _ = pad_packed_sequence(self.recurrent(packed)[0], batch_first=True)
        context, weights = self.attention(self.query.expand(len(words), -1, -1), states, mask)
        return self.output(context[:, 0])[:, 0], weights[:, 0, 0]


def make_batch(sentences: Sequence[tuple[list[str], bool]]) -> tuple[Tensor, Tensor]:
    """Sentences as numbers of words, padded with zeros, and 1 for the good ones."""
    numbers = [torch.tensor([WORDS.index(word) for word in words]) for words, _ in sentences]
    return nn.utils.rnn.pad_sequence(numbers, batch_first=True), torch.tensor([float(good) for _, good in sentences])


def train(steps: int) -> Classifier:
    """A classifier that has read 64 new sentences a step."""
    torch.manual_seed(1)
    model, random = Classifier(), Random(1)
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    for step in range(steps):
        words, is_good = make_batch([write_sentence(random) for _ in range(64)])
        loss = nn.functional.binary_cross_entropy_with_logits(model(words)[0], is_good)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 50 == 0:
            print(f"step {step}: loss {loss.item():.3f}", flush=True)
    return model.eval()


@torch.inference_mode()
def draw_heatmap(model: Classifier, sentences: Sequence[tuple[list[str], bool]]) -> Figure:
    """Each sentence in a line, its words as dark as their weights, and the decision after it."""
    odds, weights = model(make_batch(sentences)[0])
    longest = max(len(words) for words, _ in sentences)
    figure = Figure(figsize=(0.72 * longest + 1.4, 0.42 * len(sentences) + 0.3), layout="constrained")
    ax = figure.subplots()
    ax.imshow(weights, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    for row, (words, _) in enumerate(sentences):
        for place, word in enumerate(words):
            color = "white" if weights[row, place] > 0.6 else "black"
            ax.text(place, row, word, ha="center", va="center", fontsize=8, color=color)
        ax.text(longest - 0.3, row, f"good: {odds[row].sigmoid().item():.2f}", va="center", fontsize=8)
    ax.set(xticks=[], yticks=[], xlim=(-0.5, longest + 1.6))
    ax.spines[:].set_visible(False)
    return figure


def main(arguments: Sequence[str] | None = None) -> float:
    """See above. Returns the share of right decisions."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--picture", default="sentiment.png")
    chosen = parser.parse_args(arguments)
    model, random = train(chosen.steps), Random(2)
    sentences = [write_sentence(random) for _ in range(1000)]
    words, is_good = make_batch(sentences)
    with torch.inference_mode():
        right = ((model(words)[0] > 0) == (is_good > 0)).double().mean().item()
    print(f"right decisions on {len(sentences)} new sentences: {right:.3f}")
    shown = [[each for each in sentences if each[1] == good][:4] for good in (True, False)]
    draw_heatmap(model, [*shown[0], *shown[1]]).savefig(chosen.picture, dpi=100)
    return right


if __name__ == "__main__":
    main()
