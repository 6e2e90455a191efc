"""An object held against the schema of its kind.

Built-in kinds are decoded by Go into structs: `types` says what Go would refuse, `prune` drops what
it has no field for. Custom resources are pruned, defaulted and checked by their structural schema.

Pure: no I/O, no clock.
"""

from arubeki.api.structure.checking import check
from arubeki.api.structure.decoding import types
from arubeki.api.structure.pruning import default, prune

__all__ = ["check", "default", "prune", "types"]
