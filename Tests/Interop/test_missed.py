"""Calls that nobody answered: the page says who called and when, until the person has dealt with it."""

import re

import pytest

from calls import accept, call, connected, idle, ring
from page import serious_findings
from waiting import stays_true, wait_until
from wire import room_id

pytestmark = pytest.mark.browser

MEDIA = {"audio": True, "video": True, "screen": False}


def calls(client, tab, video: bool = True) -> str:
    """Somebody without a browser calls the person of a page; gives back the call's room."""
    room = room_id()
    client.ask("call", room=room, to=tab.name, video=video, media=MEDIA)
    return room


def missed(tab) -> list[str]:
    """The lines of the list, as they can be read now."""
    if not tab.run("return document.querySelector('[data-testid=missed]').checkVisibility()"):
        return []
    return list(tab.run("return [...document.querySelectorAll('[data-testid=missed-call] p')].map(e => e.innerText)"))


def misses(tab, *patterns: str) -> None:
    """Waits until the list holds exactly these lines."""

    def alike() -> bool:
        lines = missed(tab)
        return len(lines) == len(patterns) and all(re.fullmatch(p, line) for p, line in zip(patterns, lines))

    wait_until(alike, f"missed calls {patterns}", seen=tab.describe)


# "at 12:03", "at 3:07 PM": as the person's browser writes hours.
TIME = r"\d{1,2}:\d\d(\s[AP]M)?"


def test_who_called_while_one_was_busy_is_shown_with_the_hour(person, wire):
    ann, bob, carl = person("Ann"), person("Bob"), wire("Carl")
    name = carl.session["name"]
    call(ann, bob)
    calls(carl, bob)
    # At once, over the call, and only to who was called.
    bob.sees(f"{name} called while you were busy.")
    assert missed(ann) == [] and name not in ann.text()
    bob.click("Hang up")
    idle(bob)
    misses(bob, re.escape(f"{name} called at ") + TIME + re.escape(" while you were busy."))
    bob.offers(f"Call {name} back")
    # The other tells who is called back by ringing, and the line is dealt with.
    bob.click(f"Call {name} back")
    carl.hear("ring")
    wait_until(lambda: bob.report()["call"], "Bob is calling")
    bob.click("Cancel call")
    idle(bob)
    assert missed(bob) == []


def test_a_caller_who_gave_up_is_shown_even_after_a_reload(person, wire):
    bob, carl = person("Bob"), wire("Carl")
    name = carl.session["name"]
    room = calls(carl, bob)
    bob.offers("Decline")
    carl.ask("leave", room=room)
    line = re.escape(f"{name} called at ") + TIME + r"\."
    misses(bob, line)
    room = calls(carl, bob, video=False)
    bob.offers("Decline")
    carl.ask("leave", room=room)
    misses(bob, line, line)
    assert serious_findings(bob) == []
    bob.run("location.reload(); return true")
    wait_until(lambda: bob.report()["state"] == "signed-in", "Bob is back", seen=bob.describe)
    misses(bob, line, line)
    bob.click("Clear missed calls")
    misses(bob)
    assert bob.focused() == "People here"


def test_a_missed_call_is_settled_once_the_two_have_talked(person):
    ann, bob = person("Ann"), person("Bob")
    ring(ann, bob)
    ann.click("Cancel call")
    misses(bob, re.escape(f"{ann.name} called at ") + TIME + r"\.")
    call(bob, ann)
    bob.click("Hang up")
    idle(bob)
    misses(bob)


def test_a_declined_call_is_not_missed(person):
    ann, bob = person("Ann"), person("Bob")
    ring(ann, bob)
    bob.click("Decline")
    bob.sees(f"You declined the call from {ann.name}")
    idle(bob)
    stays_true(lambda: missed(bob) == [], "nothing was missed", 0.5)


def test_missed_calls_are_not_shown_to_the_next_person_of_the_tab(person, wire, cluster):
    bob, carl = person("Bob"), wire("Carl")
    room = calls(carl, bob)
    bob.offers("Decline")
    carl.ask("leave", room=room)
    bob.sees(f"{carl.session['name']} called at")
    bob.click("Sign out")
    bob.fill("Your name", f"Dora {room[2:6]}")
    bob.click("Come in")
    bob.sees("People here")
    assert missed(bob) == []


def test_a_chinese_page_says_it_in_chinese(person, wire):
    ann, carl = person("Ann"), wire("Carl")
    bob = person("小雨", query="&lang=zh")
    name = carl.session["name"]
    room = calls(carl, bob)
    wait_until(lambda: (bob.report()["call"] or {}).get("state") == "ringing", "it rings", seen=bob.describe)
    carl.ask("leave", room=room)
    # Hours as Chinese writes them, 24 of them: the browser of the test speaks English, the page does not.
    misses(bob, re.escape(name) + r" 在 \d\d?:\d\d 打来过电话。")
    ann.click(f"Call {bob.name} with video")
    wait_until(lambda: (bob.report()["call"] or {}).get("state") == "ringing", "it rings", seen=bob.describe)
    bob.run("await window.roost.accept(); return true")
    connected(bob)
    calls(carl, bob)
    bob.sees(f"你忙的时候，{name} 打来过电话")
    bob.run("window.roost.hangUp(); return true")
    idle_line = r"你忙的时候，" + re.escape(name) + r" 在 \d\d?:\d\d 打来过电话。"
    misses(bob, idle_line, re.escape(name) + r" 在 \d\d?:\d\d 打来过电话。")
    assert not any("back" in n or "missed" in n.lower() for n in bob.names("button")), bob.names("button")


def test_the_other_tab_of_a_busy_person_knows_of_the_call_too(person, wire):
    ann, bob, carl = person("Ann"), person("Bob"), wire("Carl")
    second = bob.browser.new_tab()
    second.name = bob.name
    second.open(f"{bob.home}/?name={bob.name.replace(' ', '%20')}&signin=1")
    second.report_where(lambda r: r["state"] == "signed-in", "the second tab is signed in")
    ring(ann, bob)
    accept(bob)
    connected(bob)
    calls(carl, bob)
    misses(second, re.escape(f"{carl.session['name']} called at ") + TIME + re.escape(" while you were busy."))
    assert second.report()["call"] is None
