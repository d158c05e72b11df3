"""Recent: bounded, and it keeps what is in use."""

from traces.recent import Recent


def test_what_is_used_within_half_of_the_bound_is_never_lost():
    recent: Recent[int, str] = Recent(100)
    recent.put(-1, "kept")
    for key in range(1000):
        recent.put(key, "new")
        if key % 49 == 0:
            assert recent.get(-1) == "kept"
    assert recent.get(-1) == "kept"


def test_what_is_not_used_is_forgotten():
    recent: Recent[int, str] = Recent(100)
    recent.put(-1, "old")
    for key in range(100):
        recent.put(key, "new")
    assert recent.get(-1) is None
    assert recent.get(99) == "new"


def test_it_never_holds_more_than_its_bound_of_entries():
    recent: Recent[int, int] = Recent(100)
    for key in range(1000):
        recent.put(key, key)
        assert len(recent) <= 100


def test_it_never_weighs_more_than_its_bound():
    recent: Recent[str, int] = Recent(1000, 80, lambda key, _: len(key))
    for number in range(500):
        recent.put(f"{number:010}", number)
        assert len(recent) <= 8
    assert recent.get(f"{499:010}") == 499


def test_one_value_that_weighs_too_much_does_not_push_out_the_others():
    recent: Recent[str, int] = Recent(1000, 80, lambda key, _: len(key))
    recent.put("small", 1)
    recent.put("x" * 11, 2)
    assert recent.get("x" * 11) is None
    assert recent.get("small") == 1
