"""The page /diagnostics, as a person uses it."""

from browsers import Tab
from waiting import wait_until


def open_check(tab: Tab, url: str, query: str = "") -> Tab:
    """Opens the page of a Roost at `url` and waits until its list of servers stands."""
    tab.open(f"{url}/diagnostics{query}")
    wait_until(lambda: tab.run("return document.body.dataset.screen") == "diagnostics", "the page stands", seen=tab.describe)
    return tab


def servers(tab) -> list[str]:
    return tab.run("return [...document.querySelectorAll('[data-testid=server]')].map(e => e.dataset.url)")


def reason(tab, url: str) -> str | None:
    return tab.run(
        "return [...document.querySelectorAll('[data-testid=server]')].find(e => e.dataset.url === arguments[0])?.querySelector('[data-reason]')?.dataset.reason ?? null",
        url,
    )


def add(tab, url: str, username: str = "", credential: str = "") -> None:
    if not tab.has("textbox", "STUN or TURN address"):
        tab.click("Add a server")
    for test_id, text in (("url", url), ("username", username), ("credential", credential)):
        if text:
            tab.type_into(f"return document.querySelector('[data-testid={test_id}]')", text)
    tab.click("Add server")


def remove_all(tab) -> None:
    for url in servers(tab):
        tab.click(f"Remove {url}")


def gather(tab) -> list[str]:
    """Presses the button and waits for the verdict; gives back its codes, advice first."""
    return gather_at_once([tab])[0]


def gather_at_once(tabs: list, meanwhile=lambda tab: None) -> list[list[str]]:
    """The same on several pages: what never answers is waited for by all of them together. `meanwhile` looks at each before it has ended."""
    for tab in tabs:
        tab.run("document.querySelector('[data-testid=gather]').scrollIntoView({block: 'center'}); return true")
        tab.click("Gather")
    for tab in tabs:
        meanwhile(tab)
    for tab in tabs:
        tab.offers("Gather again", timeout=40)
    return [
        tab.run("return [document.querySelector('#advice').dataset.code, ...[...document.querySelectorAll('#facts li')].map(e => e.dataset.code)]")
        for tab in tabs
    ]


def cells(tab, table: str) -> list[dict[str, str]]:
    """A table's rows by column names."""
    return tab.run(
        "const t = document.getElementById(arguments[0]); const heads = [...t.querySelectorAll('th')].map(e => e.firstChild.textContent);"
        "return [...t.querySelectorAll('tbody tr')].map(r => Object.fromEntries([...r.cells].map((c, i) => [heads[i], c.textContent])))",
        table,
    )
