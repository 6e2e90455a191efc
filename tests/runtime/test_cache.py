"""The cache: two layers, indexes over what is visible."""

import pytest

from arubeki.runtime.cache import NAMESPACE_INDEX, OWNER_INDEX, Cache, Entry, Key

X = Key("ns", "x")


def entry(revision, *, key=X, uid="u", owners=(), value=None):
    return Entry(key, value or f"{key.name}@{revision}", uid=uid, revision=revision, owners=owners)


def seen(cache, key=X):
    found = cache.get(key)
    return None if found is None else found.object


def test_our_write_shows_before_the_watch_tells_of_it():
    cache = Cache()
    cache.tell(entry(5))
    cache.reach(5)
    cache.cover(entry(7))
    assert seen(cache) == "x@7"
    assert cache.told(X).object == "x@5"
    cache.tell(entry(6))
    cache.reach(6)
    assert seen(cache) == "x@7"
    cache.tell(entry(7, value="echo"))
    assert seen(cache) == "echo"
    assert not cache._overlay


def test_an_answer_that_comes_after_its_watch_event_is_not_laid_over():
    cache = Cache()
    cache.tell(entry(9))
    cache.reach(9)
    cache.cover(entry(8))
    assert seen(cache) == "x@9"


def test_an_answer_about_what_was_deleted_meanwhile_does_not_bring_it_back():
    cache = Cache()
    cache.tell(entry(5))
    cache.tell_gone(X)
    cache.reach(9)
    cache.cover(entry(7))
    assert seen(cache) is None


def test_another_objects_event_past_our_revision_ends_the_overlay():
    cache = Cache()
    cache.reach(5)
    cache.cover(entry(6))
    cache.tell(entry(8, key=Key("ns", "y"), uid="y"))
    cache.reach(8)
    # The watch has told all up to 8 and never named x: our 6 was undone in between.
    assert seen(cache) is None
    assert len(cache) == 1


def test_a_bookmark_below_our_revision_keeps_the_overlay():
    cache = Cache()
    cache.reach(5)
    cache.cover(entry(8))
    cache.reach(7)
    assert seen(cache) == "x@8"
    cache.reach(8)
    assert seen(cache) is None


def test_an_older_answer_does_not_cover_a_newer_one():
    cache = Cache()
    cache.cover(entry(8))
    cache.cover(entry(7))
    assert seen(cache) == "x@8"


def test_what_we_deleted_is_hidden_until_the_watch_says_so():
    cache = Cache()
    cache.tell(entry(5))
    cache.cover_gone(X, "u")
    assert seen(cache) is None
    assert len(cache) == 0
    cache.tell(entry(6))  # a change from before the deletion
    assert seen(cache) is None
    cache.tell_gone(X)
    cache.tell(entry(9, uid="new"))
    assert seen(cache) == "x@9"


def test_a_new_object_of_the_name_is_not_hidden():
    cache = Cache()
    cache.tell(entry(5))
    cache.cover_gone(X, "u")
    cache.tell(entry(9, uid="new"))
    assert seen(cache) == "x@9"


def test_what_we_made_and_deleted_before_the_watch_told_does_not_reappear():
    cache = Cache()
    cache.cover(entry(7))
    cache.cover_gone(X, "u")
    assert seen(cache) is None
    cache.tell(entry(7))
    cache.reach(7)
    assert seen(cache) is None
    cache.tell_gone(X)
    assert not cache._overlay


def test_a_server_whose_time_went_back_leaves_no_overlay_of_the_future():
    cache = Cache()
    cache.reach(100)
    cache.cover(entry(101))
    cache.reach(50, reset=True)
    assert seen(cache) is None
    assert cache.revision == 50


def test_a_new_list_without_it_confirms_what_we_deleted():
    cache = Cache()
    cache.cover(entry(7))
    cache.cover_gone(X, "u")
    cache.reach(9, reset=True)
    assert not cache._overlay


def test_indexes_follow_what_is_visible():
    cache = Cache()
    cache.add_index("value", lambda obj: [obj.split("@")[1]])
    cache.tell(entry(5, owners=("o1",)))
    cache.reach(5)
    assert [one.object for one in cache.lookup(OWNER_INDEX, "o1")] == ["x@5"]
    cache.cover(entry(6, owners=("o2",)))
    assert cache.lookup(OWNER_INDEX, "o1") == []
    assert [one.object for one in cache.lookup(OWNER_INDEX, "o2")] == ["x@6"]
    assert [one.object for one in cache.lookup("value", "6")] == ["x@6"]
    cache.cover_gone(X, "u")
    assert cache.lookup(OWNER_INDEX, "o2") == []
    assert cache.values("value") == []
    cache.tell_gone(X)
    assert cache.values(NAMESPACE_INDEX) == []


def test_an_index_added_late_files_what_is_there():
    cache = Cache()
    cache.tell(entry(5))
    cache.add_index("all", lambda obj: ["it"])
    assert len(cache.lookup("all", "it")) == 1
    with pytest.raises(ValueError, match="an index 'all' already"):
        cache.add_index("all", lambda obj: [])


def test_a_broken_index_leaves_its_object_out_and_the_cache_whole(caplog):
    cache = Cache()
    cache.add_index("broken", lambda obj: 1 / 0)
    cache.tell(entry(5))
    assert seen(cache) == "x@5"
    assert "index broken failed on ns/x" in caplog.text
