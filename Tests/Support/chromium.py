"""Chromium by Selenium and chromedriver, with a made-up camera and microphone."""

import base64
import shutil
import tempfile
from pathlib import Path

from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys

from browsers import FAREWELL, Tab
from waiting import wait_until

KEYS = {
    "Tab": Keys.TAB, "Enter": Keys.ENTER, "Escape": Keys.ESCAPE, "Space": Keys.SPACE, "ArrowDown": Keys.ARROW_DOWN,
    "ArrowUp": Keys.ARROW_UP,
}  # fmt: skip

COMMON = [
    "--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--no-first-run", "--disable-gpu",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--metrics-recording-only",
    # Tabs of one window hide each other: a hidden page's timers must run as a visible one's.
    "--disable-background-timer-throttling", "--disable-backgrounding-occluded-windows", "--disable-renderer-backgrounding",
    "--allow-loopback-in-peer-connection", "--window-size=1280,800", "--lang=en-US",
]  # fmt: skip

# What the browser says to a page that asks for camera and microphone.
DEVICES = {
    "": ["--use-fake-device-for-media-stream=device-count=3,fps=15", "--use-fake-ui-for-media-stream"],
    # More frames of the same size, for a bench of three pages on a machine with nothing else to do.
    "smooth": ["--use-fake-device-for-media-stream=device-count=3,fps=20", "--use-fake-ui-for-media-stream"],
    # A camera as good as a page may ask for.
    "sharp": ["--use-fake-device-for-media-stream=device-count=3", "--use-fake-ui-for-media-stream"],
    # Many windows of one browser. Pages share their processes: each costs more than a page's pictures.
    "crowded": ["--use-fake-device-for-media-stream=fps=5", "--use-fake-ui-for-media-stream", "--renderer-process-limit=2"],
    "refusing": ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream=deny"],
    "deviceless": ["--use-fake-device-for-media-stream=device-count=0", "--use-fake-ui-for-media-stream"],
}

# Width and height of pictures from cameras of these kinds: encoding them takes most of what two processors have.
CAMERAS = {"": (640, 360), "smooth": (640, 360), "crowded": (160, 90)}


class Chromium:
    """A browser process with a profile of its own."""

    def __init__(self, devices: str = ""):
        self.profile = tempfile.mkdtemp(prefix="roost-chromium-", dir="/tmp")
        self.devices = devices
        options = Options()
        options.binary_location = shutil.which("chromium") or "/usr/bin/chromium"
        for argument in [*COMMON, *DEVICES[devices], f"--user-data-dir={self.profile}"]:
            options.add_argument(argument)
        options.set_capability("acceptInsecureCerts", True)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        options.set_capability("unhandledPromptBehavior", "accept")
        service = Service(shutil.which("chromedriver") or "/usr/bin/chromedriver")
        self.driver = webdriver.Chrome(options=options, service=service)
        self.driver.set_script_timeout(30)
        self.driver.set_page_load_timeout(60)
        self.tab = ChromiumTab(self, self.driver.current_window_handle)
        if devices in CAMERAS:
            self.tab.small_camera(*CAMERAS[devices])

    def new_tab(self, kind: str = "tab") -> "ChromiumTab":
        """Another page; of kind "window" it is seen all the time, as the first one is."""
        self.driver.switch_to.new_window(kind)
        tab = ChromiumTab(self, self.driver.current_window_handle)
        if self.devices in CAMERAS:
            tab.small_camera(*CAMERAS[self.devices])
        return tab

    def quit(self) -> None:
        try:
            self.driver.quit()
        finally:
            shutil.rmtree(self.profile, ignore_errors=True)


class ChromiumTab(Tab):
    kind = "Chromium"

    def __init__(self, browser: Chromium, handle: str):
        self.browser = browser
        self.handle = handle
        self._scripts: list[str] = []

    def _driver(self):
        driver = self.browser.driver
        if len(driver.window_handles) > 1:
            driver.switch_to.window(self.handle)
        return driver

    def open(self, url: str) -> None:
        self._driver().get(url)

    def run(self, script: str, *arguments: object) -> object:
        # Chrome's execute_script awaits a returned promise.
        return self._driver().execute_script(f"return (async function() {{ {script} }}).apply(null, arguments)", *arguments)

    def click_element(self, script: str, *arguments: object) -> None:
        self._driver().execute_script(script, *arguments).click()

    def type_into(self, script: str, text: str, *arguments: object) -> None:
        self._driver().execute_script(script, *arguments).send_keys(text)

    def press(self, *keys: str) -> None:
        chain = ActionChains(self._driver(), duration=0)
        for key in keys:
            chain = chain.send_keys(KEYS.get(key, key))
        chain.perform()

    def screenshot(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(base64.b64decode(self.cdp("Page.captureScreenshot", format="png")["data"]))

    def clear(self) -> None:
        driver = self._driver()
        for handle in driver.window_handles:
            if handle != self.handle:
                driver.switch_to.window(handle)
                driver.close()
        driver.switch_to.window(self.handle)
        origin = str(driver.execute_script(f"{FAREWELL} return location.origin"))
        driver.get("about:blank")
        if origin.startswith("http"):
            self.cdp("Storage.clearDataForOrigin", origin=origin, storageTypes="all")
        self.appearance()
        self.cdp("Emulation.setUserAgentOverride", userAgent="", acceptLanguage="")
        while self._scripts:
            self.cdp("Page.removeScriptToEvaluateOnNewDocument", identifier=self._scripts.pop())
        self.errors()

    def close(self) -> None:
        self._driver().close()
        self.browser.driver.switch_to.window(self.browser.tab.handle)

    # -- only here

    def cdp(self, command: str, **parameters: object) -> dict:
        return self._driver().execute_cdp_cmd(command, parameters)

    def appearance(self, width: int = 0, height: int = 0, dark: bool | None = None, phone: bool = False) -> None:
        """Size of the page and the colours its person prefers; nothing given: as it was at the start."""
        if width:
            self.cdp(
                "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=2 if phone else 1, mobile=phone
            )
            self.cdp("Emulation.setTouchEmulationEnabled", enabled=phone)
        else:
            self.cdp("Emulation.clearDeviceMetricsOverride")
            self.cdp("Emulation.setTouchEmulationEnabled", enabled=False)
        scheme = {None: "", True: "dark", False: "light"}[dark]
        # Screens move nothing in pictures: less motion, the same picture each time.
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        if dark is not None:
            features.append({"name": "prefers-reduced-motion", "value": "reduce"})
        self.cdp("Emulation.setEmulatedMedia", features=features)

    def language(self, languages: str) -> None:
        """What the browser says that its person reads, e.g. "zh-CN,zh"."""
        agent = str(self.run("return navigator.userAgent"))
        self.cdp("Emulation.setUserAgentOverride", userAgent=agent, acceptLanguage=languages)

    def small_camera(self, width: int, height: int) -> None:
        """Pages that open from now on get no larger picture from the camera, as from a cheap one."""
        source = """
          const devices = navigator.mediaDevices;
          const ask = devices.getUserMedia.bind(devices);
          devices.getUserMedia = (wanted) => ask(wanted?.video ? { ...wanted, video: { ...wanted.video, width: WIDTH, height: HEIGHT } } : wanted);
        """
        self._add_script(source.replace("WIDTH", str(width)).replace("HEIGHT", str(height)))

    def before_pages(self, script: str) -> None:
        """Pages that open from now on, until this one is cleared, run this function body before anything of their own."""
        self._scripts.append(self._add_script(script))

    def _add_script(self, script: str) -> str:
        return self.cdp("Page.addScriptToEvaluateOnNewDocument", source=f"(() => {{ {script} }})();")["identifier"]

    def wait_idle(self) -> None:
        """Waits until the page and its modules are loaded."""
        wait_until(
            lambda: self.run("return document.readyState === 'complete' && document.body.dataset.screen !== 'loading'"), "the page is loaded"
        )

    def errors(self) -> list[str]:
        """Errors of the console since the last look: refused by the content policy, uncaught, failed to load."""
        return [e["message"] for e in self._driver().get_log("browser") if e["level"] == "SEVERE"]
