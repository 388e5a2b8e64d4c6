"""What the pages say: English and Chinese say the same things, and no page lacks a text or is wider than a phone."""

import re
import secrets

import pytest

from waiting import wait_until

pytestmark = pytest.mark.browser

# Every text by its key: what kind it is, and which of the things that are filled in it shows.
SHAPE = """
  const shape = (texts, path, found) => {
    for (const [key, text] of Object.entries(texts)) {
      const at = path ? `${path}.${key}` : key;
      if (typeof text === "function") {
        const marks = ["⟨0⟩", "⟨1⟩", "⟨2⟩", "⟨3⟩"].map((mark) => Object.assign(new String(mark), { join: () => mark }));
        const said = text(...marks);
        found[at] = [...new Set(said.match(/⟨\\d⟩/g))].sort().join("");
      } else if (typeof text === "object") {
        shape(text, at, found);
      } else {
        found[at] = text === "" ? "empty" : "text";
      }
    }
    return found;
  };
  const [one, other] = await Promise.all(arguments[0].map((name) => import(`/texts/${name}.js`)));
  return [shape(one.default, "", {}), shape(other.default, "", {})];
"""

# What is seen and reaches beyond the window's edge; pictures of the ground are cut off there.
TOO_WIDE = """
  const wide = [...document.querySelectorAll("body *:not(svg, svg *, .skip)")].filter((each) => {
    const { right, left, width, height } = each.getBoundingClientRect();
    return width > 0 && height > 0 && each.checkVisibility({ visibilityProperty: true }) && (right > innerWidth + 1 || left < -1) && !each.closest(".sr");
  });
  const name = (each) => `${each.tagName} ${each.id || each.className} ${Math.round(each.getBoundingClientRect().right)}`;
  return [...(document.documentElement.scrollWidth > innerWidth ? [`page ${document.documentElement.scrollWidth}`] : []), ...wide.map(name)];
"""


@pytest.mark.parametrize("pair", [["en", "zh"], ["room-en", "room-zh"]], ids=["people and calls", "rooms"])
def test_english_and_chinese_have_the_same_texts_and_fill_in_the_same(browser, cluster, pair):
    tab = browser()
    tab.open(cluster.url())
    english, chinese = tab.run(SHAPE, pair)
    assert len(english) > 60
    assert {key: english.get(key) for key in english.keys() ^ chinese.keys()} == {}
    assert {key: (english[key], chinese[key]) for key in english if english[key] != chinese[key]} == {}


def test_a_room_speaks_chinese_to_who_reads_it(browser, cluster):
    tab, room = browser(), f"r-{secrets.token_hex(2)}"
    tab.open(f"{cluster.url()}/room/{room}?lang=zh&name=小雨{secrets.token_hex(2)}")
    tab.sees(f"房间 {room}", "先看看自己的画面")
    assert tab.run("return document.documentElement.lang") == "zh-Hans"
    tab.click("进入房间")
    tab.sees("只有你", "还没有其他人")
    for button, title in (("成员", "只有你"), ("聊天", "还没有消息"), ("详情", "连接详情")):
        tab.click(button)
        tab.sees(title)
    names = [name for role in ("button", "heading", "textbox", "link") for name in tab.names(role)]
    assert len(names) > 15
    assert [name for name in names if re.search(r"[A-Za-z]{3}", name.replace(room, ""))] == []
    assert "undefined" not in tab.run("return document.documentElement.outerHTML")
    tab.click("离开房间")
    tab.sees("你已离开房间", "重新进入")


@pytest.mark.parametrize(("width", "language"), [(390, "en"), (320, "en"), (390, "zh")])
def test_no_page_is_wider_than_a_phone(browser, cluster, person, width, language):
    ann, bob = browser(), person("Bartholomew of the long name")
    ann.open("about:blank")
    ann.appearance(width=width, height=700, phone=True, dark=False)
    ann.name = f"Ann {secrets.token_hex(2)}"
    wide: dict[str, list[str]] = {}

    def look(what: str) -> None:
        ann.run("await new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))); return true")
        wide[what] = ann.run(TOO_WIDE)

    def at(selector: str) -> None:
        wait_until(lambda: ann.run("return document.querySelector(arguments[0])?.checkVisibility()", selector), selector, seen=ann.describe)

    def press(selector: str) -> None:
        at(selector)
        ann.click_element("return document.querySelector(arguments[0])", selector)

    ann.open(f"{cluster.url()}/?lang={language}")
    at("#sign-in")
    look("sign-in")
    ann.open(f"{cluster.url()}/diagnostics?lang={language}")
    look("diagnostics")
    ann.open(f"{cluster.url()}/?name={ann.name.replace(' ', '%20')}&signin=1&lang={language}")
    at(f"[data-name='{bob.name}']")
    look("people")
    press("#open-devices")
    look("devices")
    ann.press("Escape")
    bob.click(f"Call {ann.name} with video")
    at("#accept-video")
    look("ringing")
    press("#accept-video")
    ann.report_where(lambda r: r["call"] and r["call"]["state"] == "connected", "connected")
    look("call")
    press("#control-panel")
    look("call details")
    bob.click("Hang up")
    at("#outcome")
    look("outcome")
    room = f"room-with-a-name-as-long-as-names-of-rooms-can-be-{secrets.token_hex(4)}"
    ann.open(f"{cluster.url()}/room/{room}?lang={language}")
    at("#enter")
    look("lobby")
    press("#enter")
    at("#control-leave")
    look("room")
    for tool in ("people", "chat", "panel"):
        press(f"#tool-{tool}")
        look(f"room, {tool}")
        press(f"#side-{tool} [data-close]")
    press("#control-react")
    look("reactions")
    press("#control-leave")
    at("#lobby-outcome")
    look("left")
    ann.open(f"{cluster.url()}/room/a%20b?lang={language}")
    look("no such room")
    assert {what: found for what, found in wide.items() if found} == {}
