"""Signing in, who is there, languages, and the keyboard alone."""

import secrets

import pytest

from calls import call, connected, idle, sees_picture
from waiting import wait_until

pytestmark = pytest.mark.browser


def test_signing_in_by_typing_a_name(browser, cluster):
    tab = browser()
    name = f"Zoë {secrets.token_hex(2)}"
    tab.open(cluster.url())
    tab.sees("Your name")
    tab.fill("Your name", name)
    tab.click("Come in")
    tab.sees("People here", name)
    assert tab.report()["name"] == name


def test_an_empty_name_is_asked_for_again(browser, cluster):
    tab = browser()
    tab.open(cluster.url())
    tab.click("Come in")
    tab.sees("Type a name first")


def test_a_name_in_use_gets_a_suggestion_and_is_never_changed_silently(person, browser, cluster):
    ann = person("Ann")
    tab = browser()
    tab.open(cluster.url())
    # The same to the eye: case and width make no other name.
    tab.fill("Your name", ann.name.upper())
    tab.click("Come in")
    tab.sees("already called")
    assert tab.report()["name"] is None
    suggestion = next(n for n in tab.names("button") if n.startswith("Use "))
    tab.click(suggestion)
    tab.sees("People here")
    taken = tab.report()["name"]
    assert taken and taken.casefold() != ann.name.casefold()
    assert taken in suggestion
    ann.offers(f"Call {taken} with video")


def test_people_come_and_go_live(person):
    ann = person("Ann")
    bob = person("Bob")
    ann.offers(f"Call {bob.name} with video")
    bob.offers(f"Call {ann.name} with video")
    bob.open("about:blank")
    ann.offers_no(f"Call {bob.name} with video")


def test_signing_out_and_in_again_under_the_same_name(person, browser, cluster):
    ann, bob = person("Ann"), person("Bob")
    bob.offers(f"Call {ann.name} with video")
    ann.click("Sign out")
    ann.sees("Your name")
    bob.offers_no(f"Call {ann.name} with video")
    ann.fill("Your name", ann.name)
    ann.click("Come in")
    ann.sees("People here")
    bob.offers(f"Call {ann.name} with video")


def test_markup_in_a_name_is_only_text(person, wire):
    ann = person("Ann")
    evil = wire(f"<img src=x onerror=1>{secrets.token_hex(2)}", exactly=True)
    ann.sees(evil.session["name"])
    assert not ann.run("return !!document.querySelector('img[src=x]')")


def test_chinese_is_spoken_to_who_reads_chinese(browser, person, cluster):
    bob = person("Bob")
    tab = browser()
    tab.open("about:blank")
    tab.language("zh-CN,zh")
    tab.name, tab.home = f"小雨 {secrets.token_hex(2)}", cluster.url()
    tab.open(cluster.url())
    wait_until(lambda: tab.run("return document.documentElement.lang").startswith("zh"), "the page is in Chinese", seen=tab.describe)
    wait_until(lambda: any("\u4e00" <= c <= "\u9fff" for c in tab.text()), "Chinese is seen")
    assert "Your name" not in tab.text() and "Come in" not in tab.text()
    tab.open(f"{cluster.url()}/?name={tab.name.replace(' ', '%20')}&signin=1")
    bob.offers(f"Call {tab.name} with video")
    bob.click(f"Call {tab.name} with video")
    wait_until(lambda: (tab.report()["call"] or {}).get("state") == "ringing", "it rings", seen=tab.describe)
    buttons = tab.names("button")
    assert not any(word in b for b in buttons for word in ("Accept", "Decline")), buttons
    tab.run("await window.roost.accept(); return true")
    connected(tab)
    sees_picture(tab)
    for name in tab.names("button"):
        assert not any(w in name for w in ("Mute", "camera", "Hang", "Share", "Details")), tab.names("button")


def test_a_whole_call_by_the_keyboard_alone(browser, person, cluster):
    bob = person("Bob")
    ann = browser()
    ann.name, ann.home = f"Ann {secrets.token_hex(2)}", cluster.url()
    ann.open(cluster.url())
    ann.sees("Your name")
    if "Your name" not in ann.focused():
        ann.tab_to("Your name")
    ann.press(*ann.name, "Enter")
    ann.sees("People here")
    ann.offers(f"Call {bob.name} with video")
    ann.tab_to(f"Call {bob.name} with video")
    ann.press("Enter")
    bob.offers("Accept with video")
    if "Accept with video" not in bob.focused():
        bob.tab_to("Accept with video")
    bob.press("Enter")
    connected(ann)
    sees_picture(ann)
    ann.tab_to("Mute microphone")
    ann.press("Space")
    bob.report_where(lambda r: r["members"][0]["media"]["audio"] is False, "Ann is mute")
    ann.tab_to("Hang up")
    ann.press("Enter")
    bob.sees(f"{ann.name} hung up")
    idle(ann)


def test_single_keys_answer_and_end_a_call(person):
    ann, bob = person("Ann"), person("Bob")
    ann.click(f"Call {bob.name} with video")
    bob.offers("Decline")
    bob.press("Escape")
    ann.sees(f"{bob.name} declined")
    ann.click(f"Call {bob.name} with video")
    bob.offers("Decline")
    bob.press("a")
    connected(ann)
    bob.press("h")
    ann.sees(f"{bob.name} hung up")


def test_the_client_can_be_driven_by_script(person):
    """What tests and support rely on: window.roost."""
    ann, bob = person("Ann"), person("Bob")
    ann.offers(f"Call {bob.name} with video")
    ann.run("void window.roost.call(arguments[0]); return true", bob.name)
    report = bob.report_where(lambda r: r["call"] and r["call"]["state"] == "ringing", "it rings")
    assert report["call"]["peer"] == ann.name and report["call"]["room"].startswith("c-")
    assert ann.report()["call"]["state"] == "calling"
    bob.run("await window.roost.accept(); return true")
    for tab in (ann, bob):
        report = connected(tab)
        assert {"name", "state", "call", "room", "members", "up", "down", "rttMs", "node"} <= report.keys()
        assert {"peer", "state", "path", "room"} <= report["call"].keys()
        assert {"packetsReceived", "level"} <= report["members"][0]["audio"].keys()
        assert {"framesDecoded", "width", "height", "packetsLost"} <= report["members"][0]["video"].keys()
    ann.run("window.roost.hangUp(); return true")
    idle(bob)
    ann.run("void window.roost.call(arguments[0]).catch(() => {}); return true", bob.name)
    bob.report_where(lambda r: r["call"] and r["call"]["state"] == "ringing", "it rings again")
    bob.run("await window.roost.decline(); return true")
    idle(ann)


def test_the_page_says_nothing_in_the_console(person):
    ann, bob = person("Ann"), person("Bob")
    call(ann, bob)
    sees_picture(ann)
    ann.click("Hang up")
    idle(bob)
    for tab in (ann, bob):
        assert tab.errors() == []
