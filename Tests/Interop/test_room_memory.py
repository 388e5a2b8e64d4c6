"""What a page knows of its room, and the room of it, stays right: when it is told anew, loaded anew, or let in anew."""

import pytest

from browsers import Tab
from taps import enter_tapped, told
from waiting import wait_until
from wire import Wire

pytestmark = pytest.mark.browser

MEDIA = {"audio": True, "video": True, "screen": False}


@pytest.fixture
def enters(browser, cluster, room):
    """`enters("Ann")` is somebody in the room whose page is tapped."""
    return lambda name: enter_tapped(browser(), cluster.url(), room, name)


@pytest.fixture
def joins(wire, room):
    """`joins("Bob")` is somebody in the room without a browser, and the answer."""

    def join(name: str) -> tuple[Wire, dict]:
        client = wire(name)
        return client, client.ask("join", room=room, kind="room", topology="sfu", media=MEDIA)

    return join


def says(client: Wire, room: str, type: str, **body: object) -> None:
    client.ask("send", room=room, to=None, message={"type": type, "body": body})


def lines(tab: Tab) -> list[str]:
    return [each.split("\n")[-1] for each in tab.run("return [...document.querySelectorAll('[data-testid=chat-line]')].map((each) => each.innerText)")]


def reload(tab: Tab) -> None:
    tab.run("globalThis.isOld = true; location.reload(); return true")
    wait_until(
        lambda: tab.run("return globalThis.isOld !== true && roost.entered?.state === 'in' && roost.connection === 'open'"),
        "the page is back in its room", seen=tab.describe,
    )  # fmt: skip


def test_a_room_told_anew_brings_the_lines_that_were_missed(enters, joins, room):
    ann = enters("Ann")
    bob, _ = joins("Bob")
    ann.click("Chat")
    ann.run("roost.say('zero'); return true")
    says(bob, room, "chat", text="one")
    wait_until(lambda: lines(ann) == ["zero", "one"], "Ann reads what is said", seen=ann.describe)
    ann.run("const socket = sockets.at(-1); globalThis.hear = socket.onmessage; socket.onmessage = () => {}; return true")
    says(bob, room, "chat", text="two")
    _, answer = joins("Cem")
    ann.run("sockets.at(-1).onmessage = hear; return true")
    told(ann, {"type": "room", "state": answer["room"]})
    wait_until(lambda: lines(ann) == ["zero", "one", "two"], "Ann reads what she missed", 5.0, seen=ann.describe)


def test_a_line_that_could_not_be_sent_says_so(enters):
    ann = enters("Ann")
    ann.click("Chat")
    ann.run(
        "const socket = sockets.at(-1);"
        "socket.send = (text) => {"
        "  const {type, id} = JSON.parse(text);"
        "  const data = JSON.stringify({type: 'error', re: id, code: 'unavailable', message: 'The node is away.'});"
        "  if (type === 'send') setTimeout(() => socket.onmessage({data}));"
        "}; roost.say('anybody?'); return true"
    )
    wait_until(lambda: lines(ann) == ["That could not be sent."], "the line is marked", seen=ann.describe)
    assert ann.run("return roost.chat.map(({text, unsent}) => [text, unsent])") == [["anybody?", True]]


def test_hands_stay_up_over_a_reload_and_after_being_let_in_anew(enters, joins, room):
    ann = enters("Ann")
    bob, answer = joins("Bob")
    says(bob, room, "hand", up=True)
    ann.sees(f"{bob.session['name']} raised a hand")
    ann.click("Raise hand")
    raised = {"type": "hand", "body": {"up": True}}
    bob.hear("event", kind="message", message=raised)

    # The room gave Ann up, but she has not given up the room.
    told(ann, {"type": "event", "room": room, "n": 9_000, "kind": "left", "member": ann.run("return roost.me.member"), "reason": "gone"})
    bob.hear("event", kind="message", message=raised)
    says(bob, room, "hand", up=True)
    wait_until(lambda: ann.run("return roost.hands.size") == 2, "both hands are up")
    reload(ann)
    assert sorted(ann.run("return [...roost.hands]")) == sorted(["self", answer["self"]])
    ann.offers("Lower hand")


def test_who_took_another_name_than_the_link_asked_for_is_back_after_a_reload(browser, cluster, wire, room):
    taken = wire("Ann").session["name"]
    ann = browser()
    ann.open(f"{cluster.url()}/room/{room}?name={taken.replace(' ', '%20')}&join=1")
    ann.click("Use “")
    ann.report_where(lambda r: r["room"] == room, "in the room", 30.0)
    name, member = ann.run("return [roost.name, roost.me.member]")
    assert name != taken
    reload(ann)
    assert ann.run("return [roost.name, roost.me.member]") == [name, member]


def test_a_muted_microphone_stays_so_when_another_is_chosen_and_over_a_reload(enters, joins, room):
    ann = enters("Ann")
    bob, _ = joins("Bob")
    ann.run("await roost.setMicrophone(false); return true")
    bob.until(lambda: any(m.get("kind") == "updated" and not m["member"]["media"]["audio"] for m in bob.heard), "Ann is muted")
    bob.heard.clear()
    ann.run("await roost.useDevice('audioinput', roost.local.devices.audioinput.at(-1).deviceId); return true")
    assert ann.run("return [roost.local.audio.state, roost.local.audio.track.enabled]") == ["muted", False]
    reload(ann)
    wait_until(lambda: ann.run("return roost.local.audio.state") == "muted", "the microphone is open and muted", seen=ann.describe)
    assert ann.run("return roost.local.audio.track.enabled") is False
    ann.run("roost.say('done'); return true")
    bob.until(lambda: any(m.get("kind") == "message" for m in bob.heard), "Ann is back")
    assert [m["member"]["media"] for m in bob.heard if m.get("kind") == "updated" and m["member"]["media"]["audio"]] == []
    ann.click("Unmute microphone")
    assert ann.run("return [roost.local.audio.state, roost.local.audio.track.enabled]") == ["on", True]
