"""Taps on what a page makes: its connections and its socket, to be looked at, and to be taken away."""

import json
import secrets

from browsers import Tab
from waiting import wait_until

TAP = r"""
  globalThis.pcs = [];
  const Connection = RTCPeerConnection;
  globalThis.RTCPeerConnection = class extends Connection {
    constructor(...given) {
      super(...given);
      pcs.push(this);
    }
    setRemoteDescription(description) {
      if (description.type === "offer" && this.signalingState === "have-local-offer") globalThis.collisions++;
      return super.setRemoteDescription(description);
    }
  };
  globalThis.collisions = 0;
  globalThis.sockets = [];
  globalThis.isCut = false;
  const Socket = WebSocket;
  globalThis.WebSocket = class extends Socket {
    constructor(...given) {
      if (isCut) throw new Error("there is no network");
      super(...given);
      sockets.push(this);
    }
  };
  return true;
"""


def tap(tab: Tab) -> Tab:
    """From now on `pcs` in the page holds every RTCPeerConnection, `sockets` every WebSocket, and `collisions` counts offers given up for another's."""
    tab.run(TAP)
    return tab


def enter_tapped(tab: Tab, home: str, room: str, name: str, before: str = "return true") -> Tab:
    """Enters a room by its lobby, tapped, after the script `before`."""
    tab.name, tab.home = f"{name} {secrets.token_hex(2)}", home
    tab.open(f"{home}/room/{room}?name={tab.name.replace(' ', '%20')}")
    tab.offers("Enter the room")
    tap(tab).run(before)
    tab.click("Enter the room")
    tab.report_where(lambda r: r["room"] == room, f"{tab.name} is in the room {room}")
    return tab


def connections(tab: Tab) -> int:
    """How many connections that it made since the tap are not closed."""
    return int(tab.run("return pcs.filter((each) => each.signalingState !== 'closed').length"))


def told(tab: Tab, message: dict) -> None:
    """Gives the page a message as if signal had said it, outside of the numbering."""
    tab.run("sockets.at(-1).onmessage({data: arguments[0]}); return true", json.dumps(message))


def cut_socket(tab: Tab) -> None:
    """The socket drops, and no other comes up; media goes on."""
    tab.run("isCut = true; sockets.at(-1).close(); return true")
    wait_until(lambda: tab.report()["connection"] == "waiting", "the socket is away")


def let_socket_back(tab: Tab) -> None:
    tab.run("isCut = false; document.dispatchEvent(new Event('visibilitychange')); return true")
    wait_until(lambda: tab.report()["connection"] == "open", "the socket is back")


def fail_connection(tab: Tab) -> None:
    """What a browser says of its newest connection when nothing came for long. The other end does not hear that it is closed."""
    made = connections(tab)
    tab.run(
        "const pc = pcs.at(-1); pc.close = () => {}; Object.defineProperty(pc, 'connectionState', {value: 'failed'});"
        "pc.onconnectionstatechange(); return true"
    )
    wait_until(lambda: tab.run("return pcs.length") > made, "another connection is made")
