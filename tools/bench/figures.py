"""What is measured: a figure with its samples, and what it must reach."""

import statistics
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Figure:
    """One line of the table.

    `bound` is what the median must reach: at least, when `at_least`, else at most; None where the
    figure is only reported. `load` names who made the load, `why` says why there are no samples.
    """

    name: str
    what: str
    unit: str
    bound: float | None = None
    at_least: bool = False
    load: str = ""
    note: str = ""
    why: str = ""
    samples: list[float] = field(default_factory=list)

    @property
    def median(self) -> float:
        """The figure itself."""
        return statistics.median(self.samples)

    @property
    def is_reached(self) -> bool | None:
        """Whether the bound is kept; None when nothing was measured or nothing is asked."""
        if not self.samples or self.bound is None:
            return None
        return self.median >= self.bound if self.at_least else self.median <= self.bound

    @property
    def spread(self) -> float:
        """How far the samples lie apart, as a share of the median."""
        if len(self.samples) < 2 or not self.median:
            return 0.0
        low, _, high = statistics.quantiles(self.samples, n=4)
        return (high - low) / self.median

    def as_json(self) -> dict[str, Any]:
        """What benchmarks.json says of it."""
        found: dict[str, Any] = {"name": self.name, "what": self.what, "unit": self.unit}
        if self.bound is not None:
            found["must_be"] = {"at_least" if self.at_least else "at_most": self.bound}
        if self.samples:
            found["median"] = rounded(self.median)
            found["min"], found["max"] = rounded(min(self.samples)), rounded(max(self.samples))
            found["n"] = len(self.samples)
            found["reached"] = self.is_reached
        for name in ("load", "note", "why"):
            if getattr(self, name):
                found[name] = getattr(self, name)
        return found


def rounded(value: float) -> float:
    """Return a number with three digits that count, whole where it is large."""
    if value == 0:
        return 0
    if abs(value) >= 100:
        return round(value)
    return float(f"{value:.3g}")


def text(value: float) -> str:
    """Return a number for the table: `17,300`, `4.2`."""
    short = rounded(value)
    return f"{short:,.0f}" if abs(short) >= 100 or short == int(short) else f"{short:g}"
