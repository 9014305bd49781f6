"""Headless Chromium, driven over its DevTools protocol: real pages, real keys, what it shows and how it looks."""

import asyncio
import base64
import json
import os
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import TracebackType
from typing import Any

from tornado.httpclient import HTTPRequest
from tornado.websocket import WebSocketClientConnection, websocket_connect

SECONDS = 20.0
_FLAGS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run")


class Browser:
    """One tab."""

    def __init__(self, profile: Path, *, dark: bool = False) -> None:
        self._profile = profile
        self._dark = dark
        self._process: asyncio.subprocess.Process | None = None
        self._socket: WebSocketClientConnection | None = None
        self._number = 0
        self._session = ""

    async def __aenter__(self) -> "Browser":
        home = {**os.environ, "HOME": str(self._profile), "XDG_CONFIG_HOME": str(self._profile)}
        self._process = await asyncio.create_subprocess_exec(
            "chromium", *_FLAGS, f"--user-data-dir={self._profile}", "--remote-debugging-port=0",
            "--window-size=1280,900", "about:blank",
            env=home, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        noted = self._profile / "DevToolsActivePort"
        await _until(lambda: noted.exists() and len(noted.read_text().splitlines()) == 2)
        port, path = noted.read_text().splitlines()
        self._socket = await websocket_connect(
            HTTPRequest(f"ws://127.0.0.1:{port}{path}"), max_message_size=64 * 1024 * 1024
        )
        tabs = (await self._say("Target.getTargets"))["targetInfos"]
        tab = next(one["targetId"] for one in tabs if one["type"] == "page")
        self._session = (await self._say("Target.attachToTarget", targetId=tab, flatten=True))["sessionId"]
        await self._say("Page.enable")
        features = [{"name": "prefers-color-scheme", "value": "dark" if self._dark else "light"}]
        await self._say("Emulation.setEmulatedMedia", features=features)
        # Nothing may need scripts.
        await self.let_scripts(False)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        if self._socket is not None:
            self._socket.close()
        if self._process is not None and self._process.returncode is None:
            self._process.terminate()
            await self._process.wait()

    async def _say(self, method: str, **parameters: Any) -> dict[str, Any]:
        assert self._socket is not None
        self._number += 1
        told = {"id": self._number, "method": method, "params": parameters}
        await self._socket.write_message(json.dumps(told | ({"sessionId": self._session} if self._session else {})))
        while True:
            text = await asyncio.wait_for(_read(self._socket), SECONDS)
            answer: dict[str, Any] = json.loads(text)
            if answer.get("id") == self._number:
                assert "error" not in answer, answer
                found: dict[str, Any] = answer["result"]
                return found

    async def let_scripts(self, run: bool) -> None:
        """Whether pages may run scripts; expressions of a test run anyway, what they leave for later does not."""
        await self._say("Emulation.setScriptExecutionDisabled", value=not run)

    async def run(self, script: str) -> Any:
        """The value of an expression in the page."""
        found = await self._say("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    async def open(self, url: str) -> None:
        """Go there, and wait until it is shown."""
        await self._gone(lambda: self._say("Page.navigate", url=url))

    async def _gone(self, act: Callable[[], Awaitable[object]]) -> None:
        """Do what leads to another page, and wait for that."""
        before = await self.run("performance.timeOrigin")
        await act()

        async def shown() -> bool:
            try:
                return bool(await self.run(f"performance.timeOrigin != {before} && document.readyState == 'complete'"))
            except AssertionError:
                return False  # between two pages

        for _ in range(int(SECONDS / 0.05)):
            if await shown():
                return
            await asyncio.sleep(0.05)
        raise TimeoutError("no other page came")

    async def press(self, key: str, *, leads_on: bool = False) -> None:
        """One key, as a person presses it: `Tab`, `Enter`, ` `."""
        code = {"Tab": 9, "Enter": 13, " ": 32}[key]
        text = {"Enter": "\r", " ": " "}.get(key, "")

        async def act() -> None:
            common = {"key": key, "windowsVirtualKeyCode": code, "code": "Space" if key == " " else key}
            await self._say("Input.dispatchKeyEvent", type="keyDown", text=text, **common)
            await self._say("Input.dispatchKeyEvent", type="keyUp", **common)

        await (self._gone(act) if leads_on else act())

    async def write(self, text: str) -> None:
        """Into what has the focus."""
        await self._say("Input.insertText", text=text)

    async def tab_to(self, selector: str, most: int = 400) -> None:
        """Press Tab until the focus is there."""
        for _ in range(most):
            if await self.run(f"document.activeElement.matches({json.dumps(selector)})"):
                return
            await self.press("Tab")
        raise AssertionError(f"Tab does not come to {selector}")

    async def text(self) -> str:
        """What the page says."""
        return str(await self.run("document.body.innerText"))

    async def screenshot(self, path: Path) -> None:
        """How it looks."""
        found = await self._say("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        await asyncio.to_thread(path.write_bytes, base64.b64decode(found["data"]))


async def _read(socket: WebSocketClientConnection) -> str:
    text = await socket.read_message()
    assert text is not None, "the browser is gone"
    return text if isinstance(text, str) else text.decode()


async def _until(condition: Callable[[], bool]) -> None:
    for _ in range(int(SECONDS / 0.05)):
        if await asyncio.to_thread(condition):
            return
        await asyncio.sleep(0.05)
    raise TimeoutError("the browser does not start")


def with_browser(story: Callable[[Browser], Awaitable[None]], *, dark: bool = False) -> None:
    """Run a story in a browser of its own."""

    async def run() -> None:
        with tempfile.TemporaryDirectory(prefix="browser-", ignore_cleanup_errors=True) as profile:
            async with Browser(Path(profile), dark=dark) as browser:
                await story(browser)

    asyncio.run(run())
