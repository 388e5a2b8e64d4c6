"""Ten people in one room, each on a page of its own, all seeing and hearing all."""

import pytest

from rooms import enter, meets, sees_and_hears_all, tiles

PEOPLE = ("Ann", "Bob", "Cem", "Dora", "Emil", "Fay", "Gus", "Hana", "Ivo", "Jan")
# Ten pages that encode one picture and decode nine, on two cores.
PATIENCE_S = 100.0


@pytest.mark.browser
def test_ten_see_and_hear_each_other(browser, cluster, room):
    first = browser("chromium crowded")
    people = []
    for name in PEOPLE:
        tab = first if not people else first.browser.new_tab("window")
        tab.appearance(width=640, height=480)
        people.append(enter(tab, cluster.url(), room, name))
    for tab in people:
        others = [other for other in people if other is not tab]
        meets(tab, *others, timeout=PATIENCE_S)
        sees_and_hears_all(tab, frames=2.0, pixels=160 * 90, timeout=PATIENCE_S)
        assert sorted(tiles(tab)) == sorted(other.name for other in others)
    assert people[0].report()["streams"] == {"up": 1, "down": 9, "theory": {"up": 1, "down": 9, "room": 100}}
