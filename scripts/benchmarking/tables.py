"""Results as Markdown."""

import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from scripts.benchmarking.stages import STAGES


def format_table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """One table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def format_spread(values: Sequence[float], digits: int = 0) -> str:
    """min / median / max: of one machine's noise, not of seeds."""
    numbers = (min(values), statistics.median(values), max(values))
    return " / ".join(f"{value:.{digits}f}" for value in numbers)


def format_machine(found: Mapping[str, Any]) -> str:
    """The ceiling, when it was measured, and what else is known of where this ran."""
    probes = found["probes"]
    rows = [[f"{probe['minute']:.1f}", probe["before"], f"{probe['gflops']:.0f}"] for probe in probes]
    about = ", ".join(f"{name} {value}" for name, value in found["about"].items())
    return f"{about}\n\n" + format_table(["minute", "before", "fp32 product of 2048 x 2048, GFLOP/s"], rows)


def format_training(found: Sequence[Mapping[str, Any]]) -> str:
    """Rates, shares of the ceiling, and the share of what ours reaches in the first row."""
    reference = found[0]["median"]
    rows = []
    for row in found:
        counted = row.get("multiply_adds")
        rows.append(
            [
                row["who"],
                row["what"],
                format_spread(row["rates"]),
                f"{row['median'] / reference:.2f}",
                f"{counted / 1e6:.2f} M" if counted else "",
                f"{100 * row['share']:.0f} %" if counted else "",
                f"{row['peak_mib']:.0f}",
            ]
        )
    head = ["who", "what", "target tokens/s, min / median / max", "to the first row", "multiply-adds a token, forward"]
    return format_table([*head, "share of the ceiling", "peak MiB"], rows)


def format_stages(found: Sequence[Mapping[str, Any]]) -> str:
    """Shares of a step."""
    rows = []
    for row in found:
        spent = row["milliseconds"]
        total = sum(spent[stage] for stage in STAGES)
        shares = [f"{spent[stage]:.0f} ({100 * spent[stage] / total:.0f} %)" for stage in STAGES]
        rows.append([row["what"], *shares, f"{total:.0f}", f"{spent['whole']:.0f}", row["target_tokens"]])
    return format_table(["milliseconds", *STAGES, "their sum", "the step uncut", "target tokens"], rows)


def format_translation(found: Sequence[Mapping[str, Any]]) -> str:
    """Sentences/s, without start-up and as a whole process."""
    rows = [
        [
            row["who"],
            row["search"],
            row["batch"],
            format_spread(row["rates"], 1),
            f"{row['pieces_rate']:.0f}",
            f"{row['length']:.1f}",
            format_spread(row["whole"], 1) if row.get("whole") else "",
            f"{row['bleu']:.2f}" if row.get("bleu") is not None else "",
            f"{row['peak_mib']:.0f}",
        ]
        for row in found
    ]
    head = ["who", "search", "sentences a batch", "sentences/s without start-up, min / median / max", "pieces/s"]
    return format_table([*head, "pieces a translation", "sentences/s, whole process", "BLEU", "peak MiB"], rows)


def format_latency(found: Sequence[Mapping[str, Any]]) -> str:
    """Of one sentence at a time."""
    rows = [[row["who"], row["search"], row["sentences"], row["median"], row["worst"]] for row in found]
    return format_table(["who", "search", "sentences", "median ms", "95 % are below, ms"], rows)


def format_growth(found: Mapping[str, Any]) -> str:
    """Every axis, point by point."""
    parts = []
    for axis, grown in found.items():
        if axis == "memory":
            rows = [
                [
                    f"{row['pairs']:,}",
                    *(f"{row[way]['peak_mib'] - row[way]['idle_mib']:.0f}" for way in MEMORY_CASES),
                    f"{row['preparing']['seconds']:.1f}",
                ]
                for row in grown["points"]
            ]
            head = ["pairs", "preparing, MiB above idle", "reading what is prepared, MiB above idle", "preparing, s"]
            parts.append(format_table(head, rows))
            continue
        names = list(grown["points"][0])
        rows = [
            [point, *(CELL_FORMATS[name](values[name]) for name in names)]
            for point, values in zip(grown["at"], grown["points"], strict=True)
        ]
        parts.append(format_table([axis, *(HEADERS[name] for name in names)], rows))
    return "\n\n".join(parts)


MEMORY_CASES = ("preparing", "reading")
HEADERS = {
    "microseconds": "microseconds a target token",
    "multiply_adds": "multiply-adds a target token, forward",
    "gflops": "GFLOP/s",
    "milliseconds": "milliseconds a sentence",
}
CELL_FORMATS = {
    "microseconds": lambda value: f"{value:.0f}",
    "multiply_adds": lambda value: f"{value / 1e6:.2f} M",
    "gflops": lambda value: f"{value:.0f}",
    "milliseconds": lambda value: f"{value:.2f}",
}

SECTIONS: dict[str, tuple[str, Callable[[Any], str]]] = {
    "machine": ("Machine", format_machine),
    "training": ("Training", format_training),
    "stages": ("Where a training step's time goes", format_stages),
    "translation": ("Translation", format_translation),
    "latency": ("Latency", format_latency),
    "growth": ("Growth", format_growth),
}


def format_report(found: Mapping[str, Any]) -> str:
    """All that was measured."""
    parts = [f"## {title}\n\n{table(found[key])}" for key, (title, table) in SECTIONS.items() if found.get(key)]
    return "\n\n".join(parts) + "\n"
