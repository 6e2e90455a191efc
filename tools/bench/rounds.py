"""Repeats a measurement until its median can be trusted, within bounds."""

from collections.abc import Callable

from figures import Figure

SPREAD = 0.25
"""Half of the samples must lie this close together (as a share of the median); else more are taken."""


def repeat(measure: Callable[[], None], figures: list[Figure], *, least: int, most: int) -> None:
    """Call `measure`, which adds samples to `figures`, until they agree; after `most` say so."""
    for count in range(1, most + 1):
        measure()
        if count >= least and all(figure.spread <= SPREAD for figure in figures):
            return
    for figure in figures:
        if figure.spread > SPREAD:
            figure.note = f"{figure.note}; " if figure.note else ""
            figure.note += "the machine was noisy: the samples lie apart"
