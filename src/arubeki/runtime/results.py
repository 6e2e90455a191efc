"""What a reconciler is asked and what it may answer.

It is asked with a `Request`, the place of an object and nothing of what happened. It returns `None`
(all is as it should be; a change will wake me), `Again` (look again after a while), or raises:
`Terminal` (do not try again until something changes), anything else (try again, later each time).

On the ring: [workqueue > **reconcile** > client].
Source: controller-runtime pkg/reconcile/reconcile.go.
"""

from dataclasses import dataclass

from arubeki.runtime.cache import Key

Request = Key
"""A `(namespace, name)`; `namespace` is "" for cluster-wide kinds."""

SHORTEST_SECONDS = 0.001


@dataclass(frozen=True, slots=True)
class Again:
    """Returned by a reconciler: look at this object again after `after` seconds.

    A change in between wakes it sooner; the status that the run itself wrote is none. The run counts
    as unfinished: nothing is pruned, and conditions it did not mention stay. At least `SHORTEST_SECONDS` pass: what is left of a wait,
    worked out from a clock, may be nothing but its rounding, and would be so for ever.

    Raises: ValueError when `after` is not above 0.
    """

    after: float

    def __post_init__(self) -> None:
        if not self.after > 0:
            raise ValueError(f"Again(after={self.after}): seconds above 0 are needed")
        object.__setattr__(self, "after", max(self.after, SHORTEST_SECONDS))
