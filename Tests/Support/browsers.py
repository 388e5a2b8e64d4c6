"""One way to drive a browser, whichever it is: open a page, look at it as a person would, act on it as a person would."""

import json
from abc import ABC, abstractmethod
from pathlib import Path

from waiting import PATIENCE, wait_until

# Finds what a person can see and act on. Roles and names follow the accessible-name rules as far as this page uses them
# (aria-labelledby, aria-label, label, text, title), the same in each browser, in one round trip.
LOOK = r"""
const shown = e => {
    if (!e.isConnected || e.closest("[hidden],[inert],[aria-hidden=true]")) return false;
    const style = getComputedStyle(e), box = e.getBoundingClientRect();
    return style.visibility !== "hidden" && style.display !== "none" && box.width > 0 && box.height > 0;
};
const words = e => (e.innerText ?? e.textContent ?? "").replace(/\s+/g, " ").trim();
const name = e => {
    const by = e.getAttribute("aria-labelledby");
    if (by) return by.split(/\s+/).map(i => words(document.getElementById(i) ?? {})).join(" ").trim();
    if (e.getAttribute("aria-label")) return e.getAttribute("aria-label").trim();
    if (e.labels?.length) return [...e.labels].map(words).join(" ").trim();
    return words(e) || e.title || e.getAttribute("placeholder") || "";
};
const roles = {
    button: "button,[role=button],summary", link: "a[href],[role=link]", textbox: "input:not([type]),input[type=text],input[type=search],[role=textbox]",
    dialog: "dialog[open],[role=dialog],[role=alertdialog]", combobox: "select,[role=combobox]", heading: "h1,h2,h3,[role=heading]",
    checkbox: "input[type=checkbox],[role=checkbox],[role=switch]", status: "[role=status],[role=alert],[aria-live]",
    menuitem: "[role=menuitem],[role=menuitemradio]",
};
const all = role => [...document.querySelectorAll(roles[role])].filter(shown);
const find = (role, wanted) => {
    const found = all(role);
    return found.find(e => name(e) === wanted)
        ?? found.find(e => name(e).toLowerCase().includes(wanted.toLowerCase()));
};
"""

# Said before a page is left for good: a page that leaves a room keeps what it needs to come back, as late as after the next page stands.
FAREWELL = "try { globalThis.roost?.signOut?.(); } catch {} try { localStorage.clear(); sessionStorage.clear(); } catch {}"


class Tab(ABC):
    """A page in a browser. Subclasses say how a script is run, a key pressed and a picture taken."""

    kind = "?"

    # -- what each browser does its own way

    @abstractmethod
    def open(self, url: str) -> None: ...

    @abstractmethod
    def run(self, script: str, *arguments: object) -> object:
        """Runs a function body in the page; gives back what it returns (a promise is awaited)."""

    @abstractmethod
    def click_element(self, script: str, *arguments: object) -> None:
        """Clicks, as a pointer would, the element that the function body returns."""

    @abstractmethod
    def type_into(self, script: str, text: str, *arguments: object) -> None:
        """Types into the element that the function body returns."""

    @abstractmethod
    def press(self, *keys: str) -> None:
        """Presses keys, one after another: "Tab", "Enter", "Escape", "Space", or a character."""

    @abstractmethod
    def screenshot(self, path: Path) -> None: ...

    @abstractmethod
    def clear(self) -> None:
        """Forgets what the page stored, and leaves it: the next test finds a new person's browser."""

    @abstractmethod
    def close(self) -> None:
        """Closes this tab."""

    # -- looking

    def text(self) -> str:
        """The words that can be seen (a dialog's too)."""
        return str(self.run("return document.body.innerText") or "")

    def title(self) -> str:
        return str(self.run("return document.title"))

    def names(self, role: str) -> list[str]:
        """The accessible names of all that can be seen in a role."""
        return list(self.run(LOOK + "return all(arguments[0]).map(name)", role) or [])

    def has(self, role: str, name: str) -> bool:
        return bool(self.run(LOOK + "return !!find(arguments[0], arguments[1])", role, name))

    def sees(self, *texts: str, timeout: float = PATIENCE) -> None:
        """Waits until each text can be seen."""
        for text in texts:
            wait_until(lambda: text.lower() in self.text().lower(), f"{text!r} is seen", timeout, seen=self.describe)

    def sees_any(self, *texts: str, timeout: float = PATIENCE) -> str:
        """Waits until one of the texts can be seen; gives it back."""

        def one() -> str | None:
            seen = self.text().lower()
            return next((t for t in texts if t.lower() in seen), None)

        return wait_until(one, f"one of {texts!r} is seen", timeout, seen=self.describe)

    def sees_no(self, text: str, timeout: float = PATIENCE) -> None:
        """Waits until a text can no longer be seen."""
        wait_until(lambda: text.lower() not in self.text().lower(), f"{text!r} is gone", timeout, seen=self.describe)

    def offers(self, name: str, role: str = "button", timeout: float = PATIENCE) -> None:
        """Waits until there is a button (or another role) with this accessible name."""
        wait_until(lambda: self.has(role, name), f"{role} {name!r}", timeout, seen=self.describe)

    def offers_no(self, name: str, role: str = "button", timeout: float = PATIENCE) -> None:
        wait_until(lambda: not self.has(role, name), f"no {role} {name!r}", timeout, seen=self.describe)

    def describe(self) -> str:
        return f"[{self.kind}] title {self.title()!r}\nbuttons {self.names('button')}\n{self.text()[:1500]}"

    # -- acting

    def click(self, name: str, role: str = "button", timeout: float = PATIENCE) -> None:
        """Clicks the button (or another role) with this accessible name, once it is there."""
        self.offers(name, role, timeout)

        def clicked() -> bool:
            self.click_element(LOOK + "return find(arguments[0], arguments[1])", role, name)
            return True

        wait_until(clicked, f"a click on {role} {name!r}", timeout, seen=self.describe)

    def fill(self, name: str, text: str, timeout: float = PATIENCE) -> None:
        """Replaces what is in a text field."""
        self.offers(name, "textbox", timeout)
        self.run(LOOK + "const e = find('textbox', arguments[0]); e.focus(); e.select();", name)
        self.type_into(LOOK + "return find('textbox', arguments[0])", text, name)

    def focused(self) -> str:
        """The accessible name of what has the keyboard."""
        return str(self.run(LOOK + "return document.activeElement ? name(document.activeElement) : ''"))

    def tab_to(self, name: str, presses: int = 40) -> None:
        """Goes by the Tab key until the thing of this name has the keyboard."""
        seen = []
        for _ in range(presses):
            self.press("Tab")
            seen.append(self.focused())
            if name.lower() in seen[-1].lower():
                return
        raise AssertionError(f"Tab never reached {name!r}; it reached {seen}\n{self.describe()}")

    # -- what the page knows of itself

    def report(self) -> dict:
        """`await roost.report()`."""
        answer = self.run("return window.roost && window.roost.report ? await window.roost.report() : null")
        assert isinstance(answer, dict), f"roost.report() gave {answer!r}"
        return answer

    def report_where(self, test, what: str, timeout: float = PATIENCE) -> dict:
        """Waits until a report satisfies `test`; gives it back."""

        def good() -> dict | None:
            report = self.report()
            return report if test(report) else None

        return wait_until(good, what, timeout, every=0.1, seen=lambda: json.dumps(self.report(), indent=1) + "\n" + self.describe())
