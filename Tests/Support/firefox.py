"""Firefox ESR by Marionette (Debian has no geckodriver), with a made-up camera and microphone."""

import base64
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from marionette_driver.keys import Keys
from marionette_driver.marionette import Marionette

from browsers import FAREWELL, Tab
from cluster import free_ports

KEYS = {
    "Tab": Keys.TAB, "Enter": Keys.ENTER, "Escape": Keys.ESCAPE, "Space": " ", "ArrowDown": Keys.ARROW_DOWN,
    "ArrowUp": Keys.ARROW_UP,
}  # fmt: skip

PREFERENCES = {
    "media.navigator.streams.fake": True,
    "media.navigator.permission.disabled": True,
    "media.peerconnection.ice.loopback": True,
    "media.autoplay.default": 0,
    # A made-up sound device: on a machine without one Firefox never starts Web Audio, and nothing could be measured.
    "media.cubeb.force_mock_context": True,
    # There is no graphics processor: the page is painted by the processor, 60 times a second if it were let.
    "layout.frame_rate": 20,
    # As Chromium's camera.
    "media.navigator.video.default_fps": 15,
    # Nothing is fetched from elsewhere, and no page but ours opens.
    "app.normandy.enabled": False,
    "app.update.disabledForTesting": True,
    "browser.aboutwelcome.enabled": False,
    "browser.shell.checkDefaultBrowser": False,
    "browser.safebrowsing.malware.enabled": False,
    "browser.safebrowsing.phishing.enabled": False,
    "datareporting.policy.dataSubmissionPolicyBypassNotification": True,
    "dom.disable_beforeunload": True,
    "extensions.update.enabled": False,
    "intl.accept_languages": "en-US, en",
    "media.gmp-manager.updateEnabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "services.settings.server": "data:,#none",
    "startup.homepage_welcome_url": "about:blank",
    "termsofuse.bypassNotification": True,
    "toolkit.telemetry.enabled": False,
}


def _preference(name: str, value: object) -> str:
    shown = str(value).lower() if isinstance(value, bool) else value if isinstance(value, int) else f'"{value}"'
    return f'user_pref("{name}", {shown});\n'


class Firefox:
    """A browser process with a profile of its own."""

    def __init__(self) -> None:
        self.profile = Path(tempfile.mkdtemp(prefix="roost-firefox-", dir="/tmp"))
        port = free_ports(1)
        preferences = {**PREFERENCES, "marionette.port": port}
        (self.profile / "user.js").write_text("".join(_preference(k, v) for k, v in preferences.items()))
        binary = shutil.which("firefox-esr") or shutil.which("firefox") or "/usr/bin/firefox-esr"
        self.process = subprocess.Popen(
            [binary, "--headless", "--marionette", "--no-remote", "--profile", str(self.profile), "--width", "1280", "--height", "800"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        try:
            self.marionette = Marionette(host="127.0.0.1", port=port, socket_timeout=60)
            end = time.monotonic() + 60
            while True:
                try:
                    self.marionette.start_session({"acceptInsecureCerts": True, "unhandledPromptBehavior": "accept"})
                    break
                except Exception:  # noqa: BLE001 - not listening yet
                    if time.monotonic() > end or self.process.poll() is not None:
                        raise
                    time.sleep(0.3)
            self.marionette.timeout.script = 30
            self.marionette.timeout.page_load = 60
            self.tab = FirefoxTab(self)
        except BaseException:
            self.quit()
            raise

    def quit(self) -> None:
        try:
            marionette = getattr(self, "marionette", None)
            if marionette is not None and marionette.session:
                marionette.delete_session()
        except Exception:  # noqa: BLE001 - it is ended below in any case
            pass
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(5)
        shutil.rmtree(self.profile, ignore_errors=True)


class FirefoxTab(Tab):
    kind = "Firefox"

    def __init__(self, browser: Firefox):
        self.browser = browser
        self.marionette = browser.marionette

    def open(self, url: str) -> None:
        self.marionette.navigate(url)

    def run(self, script: str, *arguments: object) -> object:
        return self.marionette.execute_script(
            f"return (async function() {{ {script} }}).apply(null, arguments)", script_args=list(arguments), sandbox=None, new_sandbox=False
        )

    def click_element(self, script: str, *arguments: object) -> None:
        self.marionette.execute_script(script, script_args=list(arguments), sandbox=None).click()

    def type_into(self, script: str, text: str, *arguments: object) -> None:
        self.marionette.execute_script(script, script_args=list(arguments), sandbox=None).send_keys(text)

    def press(self, *keys: str) -> None:
        for key in keys:
            pressed = KEYS.get(key, key)
            self.marionette.actions.sequence("key", "keyboard").key_down(pressed).key_up(pressed).perform()

    def screenshot(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(base64.b64decode(self.marionette.screenshot(full=False)))

    def clear(self) -> None:
        self.marionette.execute_script(FAREWELL, sandbox=None)
        self.marionette.navigate("about:blank")

    def close(self) -> None:
        self.marionette.close()
