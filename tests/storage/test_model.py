"""Any sequence of operations does to a storage what it does to a list of snapshots."""

import asyncio
from bisect import bisect_left
from dataclasses import dataclass, field

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from arubeki.errors import Compacted, RevisionMismatch
from arubeki.storage.base import Change, Entry, Storage, Watch

from .conftest import Stores, stamp

KEYS = [f"/registry/{kind}/{name}" for kind in ("a", "ab", "b") for name in "xyz"]
PREFIXES = ["/registry/", "/registry/a", "/registry/a/", "/registry/b/y", "/registry/c/"]

Snapshot = dict[str, tuple[bytes, int]]

puts = st.tuples(
    st.just("put"),
    st.sampled_from(KEYS),
    st.one_of(st.none(), st.binary(min_size=1, max_size=3).map(bytes.hex).map(str.encode)),
    st.sampled_from(["right", "right", "any", "absent", "stale"]),
)
operations = st.one_of(
    puts,
    puts,
    st.tuples(st.just("burst"), st.lists(puts, min_size=2, max_size=6)),
    st.tuples(
        st.just("range"),
        st.sampled_from(PREFIXES),
        st.sampled_from(["", *KEYS]),
        st.integers(0, 4),
        st.floats(0, 1),
    ),
    st.tuples(st.just("watch"), st.sampled_from(PREFIXES), st.floats(0, 1)),
    st.tuples(st.just("cancel"), st.integers(0, 5)),
    st.tuples(st.just("compact"), st.floats(0, 1)),
)


@dataclass
class Watching:
    prefix: str
    after: int
    seen: list[Change]
    watch: Watch
    until: int | None = None


@dataclass
class Model:
    """The reference: every snapshot there ever was, and the log of changes."""

    storage: Storage
    snapshots: dict[int, Snapshot] = field(default_factory=dict)
    log: list[tuple[int, str, bytes | None]] = field(default_factory=list)
    watchings: list[Watching] = field(default_factory=list)
    compacted: int = 0
    now: Snapshot = field(default_factory=dict)

    def revision_at(self, part: float) -> int:
        known = sorted(self.snapshots)
        return known[min(int(part * len(known)), len(known) - 1)]

    def note(self, key: str, bare: bytes | None, revision: int) -> None:
        assert revision > max(self.snapshots)
        self.now = dict(self.now)
        if bare is None:
            del self.now[key]
        else:
            self.now[key] = (stamp(bare, revision), revision)
        self.snapshots[revision] = self.now
        self.log.append((revision, key, bare))

    async def put(self, key: str, value: bytes | None, how: str) -> None:
        actual = self.now[key][1] if key in self.now else 0
        expected = {"right": actual, "any": None, "absent": 0, "stale": max(0, actual - 1)}[how]
        fits = expected in (None, actual) and (value is not None or actual)
        last = self.now.get(key)
        try:
            entry = await self.storage.commit(key, value, expected=expected)
        except RevisionMismatch as error:
            assert not fits
            assert error.actual == actual
            return
        assert fits
        self.note(key, value, entry.revision)
        bare = value if value is not None else last and last[0]
        assert entry.value == stamp(bare or b"", entry.revision)

    async def burst(self, puts: list[tuple[str, str, bytes | None, str]]) -> None:
        """Commit concurrently; each in its turn must have found what the winners left."""
        wanted = []
        for _, key, value, how in puts:
            actual = self.now[key][1] if key in self.now else 0
            wanted.append((key, value, None if how == "any" else actual))
        results = await asyncio.gather(
            *(self.storage.commit(k, v, expected=e) for k, v, e in wanted), return_exceptions=True
        )
        won = []
        for (key, value, expected), result in zip(wanted, results, strict=True):
            if isinstance(result, Entry):
                won.append((result.revision, key, value, expected))
            else:
                assert isinstance(result, RevisionMismatch), result
        for revision, key, value, expected in sorted(won, key=lambda each: each[0]):
            actual = self.now[key][1] if key in self.now else 0
            assert expected in (None, actual)
            self.note(key, value, revision)
        contested = {key for key, _, _ in wanted}
        for key in contested:
            # Somebody wins, unless all wanted to remove what was not there.
            tried = [value for k, value, _ in wanted if k == key]
            assert any(k == key for _, k, _, _ in won) or not any(tried), key

    async def range(self, prefix: str, start: str, limit: int, part: float) -> None:
        revision = self.revision_at(part)
        try:
            found = await self.storage.range(prefix, start=start, limit=limit, revision=revision)
        except Compacted:
            assert 0 < revision < self.compacted
            return
        assert revision >= self.compacted or revision == 0
        then = self.snapshots[revision] if revision else self.now
        truth = sorted(
            (key, *value) for key, value in then.items() if key.startswith(prefix) and key >= start
        )
        shown = truth[:limit] if limit else truth
        assert [(e.key, e.value, e.revision) for e in found.entries] == shown
        assert found.remaining == len(truth) - len(shown)

    def watch(self, prefix: str, part: float) -> None:
        after = self.revision_at(part)
        seen: list[Change] = []
        try:
            watch = self.storage.watch(prefix, after, seen.extend)
        except Compacted:
            assert after < self.compacted
            return
        assert after >= self.compacted
        self.watchings.append(Watching(prefix, after, seen, watch))

    def cancel(self, index: int) -> None:
        if index < len(self.watchings):
            watching = self.watchings[index]
            watching.watch.cancel()
            watching.until = watching.until or self.storage.revision

    async def compact(self, part: float) -> None:
        revision = self.revision_at(part)
        await self.storage.compact(revision)
        self.compacted = max(self.compacted, revision)
        assert self.storage.compacted == self.compacted

    def check(self) -> None:
        assert self.storage.revision == max(self.snapshots)
        revisions = [revision for revision, _, _ in self.log]
        for watching in self.watchings:
            end = len(revisions)
            if watching.until is not None:
                end = bisect_left(revisions, watching.until + 1)
            due = [
                (revision, key, None if bare is None else stamp(bare, revision))
                for revision, key, bare in self.log[:end]
                if revision > watching.after and key.startswith(watching.prefix)
            ]
            assert [(c.revision, c.key, c.entry and c.entry.value) for c in watching.seen] == due
            for change in watching.seen:
                before = self.snapshots[_before(self.snapshots, change.revision)].get(change.key)
                assert (change.previous and change.previous.value) == (before and before[0])


def _before(snapshots: dict[int, Snapshot], revision: int) -> int:
    known = sorted(snapshots)
    return known[bisect_left(known, revision) - 1]


async def play(storage: Storage, steps: list[tuple]) -> None:
    # An etcd is shared by all examples: what the one before left is taken away first.
    for entry in (await storage.range("/registry/")).entries:
        await storage.commit(entry.key, None, expected=None)
    await storage.compact(storage.revision)
    model = Model(storage, snapshots={storage.revision: {}}, compacted=storage.revision)
    for name, *arguments in steps:
        result = getattr(model, name)(*arguments)
        if result is not None:
            await result
    model.check()


@given(st.lists(operations, max_size=40))
@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_any_sequence_of_operations_agrees_with_the_model(
    stores: Stores, steps: list[tuple]
) -> None:
    stores.run(lambda storage: play(storage, steps))
