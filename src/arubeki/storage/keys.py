"""All keys of a storage in order, cheap to change at a hundred thousand of them.

One sorted list moves half of itself on every insertion, which at 100,000 keys costs more than the
rest of a commit. So the keys lie in chunks of some hundreds, in order, with a list of lower bounds
beside them: two short bisections find a place, and an insertion moves one chunk's tail. A count is
the sum of the lengths between.

On the ring: inside storage, below its mirror.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable

_CHUNK = 1_000


def end_of(prefix: str) -> str:
    """Return the least text greater than all that begin with `prefix`; "" when there is none."""
    while prefix and prefix[-1] == "\U0010ffff":
        prefix = prefix[:-1]
    return prefix and prefix[:-1] + chr(ord(prefix[-1]) + 1)


class SortedKeys:
    """A set of texts that knows its order."""

    __slots__ = ("_bounds", "_chunks")

    def __init__(self, keys: Iterable[str] = ()) -> None:
        ordered = sorted(keys)
        self._chunks = [ordered[at : at + _CHUNK] for at in range(0, len(ordered), _CHUNK)] or [[]]
        # _bounds[i] <= every key of chunk i, and > every key of chunk i - 1. It need not be a key:
        # removing a chunk's first key leaves the bound where it is.
        self._bounds = [""] + [chunk[0] for chunk in self._chunks[1:]]

    def add(self, key: str) -> None:
        """Put in `key`, which is not in yet."""
        index, place = self._find(key)
        chunk = self._chunks[index]
        chunk.insert(place, key)
        if len(chunk) > 2 * _CHUNK:
            self._chunks.insert(index + 1, chunk[_CHUNK:])
            self._bounds.insert(index + 1, chunk[_CHUNK])
            del chunk[_CHUNK:]

    def remove(self, key: str) -> None:
        """Take out `key`, which is in."""
        index, place = self._find(key)
        chunk = self._chunks[index]
        del chunk[place]
        if not chunk and index > 0:
            del self._chunks[index], self._bounds[index]

    def select(self, low: str, high: str, limit: int = 0) -> list[str]:
        """Return the keys from `low` to before `high` ("": to the end), at most `limit` (0: all)."""
        if high and low >= high:
            return []
        first, start = self._find(low)
        last, stop = self._find_end(high)
        if first == last:
            found = self._chunks[first][start:stop]
        else:
            found = self._chunks[first][start:]
            for index in range(first + 1, last):
                if limit and len(found) >= limit:
                    break
                found += self._chunks[index]
            else:
                found += self._chunks[last][:stop]
        return found[:limit] if limit else found

    def count(self, low: str, high: str) -> int:
        """Return how many keys there are from `low` to before `high` ("": to the end)."""
        if high and low >= high:
            return 0
        first, start = self._find(low)
        last, stop = self._find_end(high)
        return sum(map(len, self._chunks[first:last])) - start + stop

    def _find(self, key: str) -> tuple[int, int]:
        index = bisect_right(self._bounds, key) - 1
        return index, bisect_left(self._chunks[index], key)

    def _find_end(self, high: str) -> tuple[int, int]:
        return self._find(high) if high else (len(self._chunks) - 1, len(self._chunks[-1]))
