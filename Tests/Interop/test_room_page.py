"""The page of a room, by what a person sees there: outside its door, inside, and after it."""

import secrets

import pytest

from page import serious_findings
from rooms import enter, meets
from waiting import wait_until
from wire import room_id

pytestmark = pytest.mark.browser

MEDIA = {"audio": True, "video": True, "screen": False}


@pytest.fixture
def room() -> str:
    return f"green-{secrets.token_hex(3)}"


@pytest.fixture
def enters(browser, cluster, room):
    """`enters("Ann", "firefox")` is somebody who followed the room's link."""
    return lambda name, kind="chromium", query="": enter(browser(kind), cluster.url(), room, name, query)


def test_who_stands_outside_a_room_is_not_within_reach(enters, person, browser, cluster, room, wire):
    """Nothing rings on the page of a room: whoever left it, or is not in yet, must not seem to be there."""
    ann, bob, carl = person("Ann"), enters("Bob"), wire("Carl")
    ann.offers(f"Call {bob.name} with video")
    carl.ask("call", room=room_id(), to=bob.name, video=True, media=MEDIA)
    bob.sees(f"{carl.session['name']} called while you were busy")
    bob.click("Leave the room")
    bob.sees("You left the room")
    ann.offers_no(f"Call {bob.name} with video")
    bob.click("Enter again")
    bob.report_where(lambda r: r["room"] == room, "in the room again")
    ann.offers(f"Call {bob.name} with video")
    bob.click("Leave the room")
    bob.click("To the people", role="link")
    bob.offers(f"Call {ann.name} with video")
    bob.sees(f"{carl.session['name']} called at")
    ann.offers(f"Call {bob.name} with video")
    # The same from the people's page into the lobby.
    bob.open(f"{cluster.url()}/room/{room}")
    bob.offers("Enter the room")
    ann.offers_no(f"Call {bob.name} with video")
    assert bob.run("return document.getElementById('name').value") == bob.name


@pytest.mark.parametrize(("path", "like"), [("a%20b", "a-b"), ("%zz", "zz"), ("caf%C3%A9!", "caf")])
def test_an_address_that_can_be_no_room_says_so(browser, cluster, path, like):
    tab = browser()
    tab.open(f"{cluster.url()}/room/{path}")
    tab.sees("There is no such room", "letters, digits")
    assert not tab.has("button", "Enter the room")
    assert serious_findings(tab) == []
    tab.click("Open a room")
    tab.sees(f"Room {like}")
    tab.offers("Enter the room")
