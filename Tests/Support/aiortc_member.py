"""A member of a room that is no browser: aiortc's WebRTC over docs/protocol/signal.md, each in a thread of its own.

It sends a picture of one colour and one tone, and tells which colours it sees and which tones it hears, by mid.
"""

import asyncio
import fractions
import threading
import time

import numpy
from aiortc import RTCBundlePolicy, RTCConfiguration, RTCPeerConnection, RTCRtpSender, RTCSessionDescription, VideoStreamTrack
from aiortc.mediastreams import AudioStreamTrack, MediaStreamError
from av import AudioFrame, VideoFrame

from wire import Wire

SIZE = (320, 240)
RATE = 48_000


class Colour(VideoStreamTrack):
    """A picture of one colour, with a bar that moves."""

    def __init__(self, colour: tuple[int, int, int], every: int = 1):
        super().__init__()
        self.colour = colour
        # Of thirty pictures a second, one in so many.
        self.every = every
        self.count = 0

    async def recv(self) -> VideoFrame:
        for _ in range(self.every):
            pts, time_base = await self.next_timestamp()
        picture = numpy.full((SIZE[1], SIZE[0], 3), self.colour, numpy.uint8)
        self.count += 1
        picture[:8, self.count * 4 % SIZE[0] :][:, :8] = 255 - picture[:8, self.count * 4 % SIZE[0] :][:, :8]
        frame = VideoFrame.from_ndarray(picture, "rgb24")
        frame.pts, frame.time_base = pts, time_base
        return frame


class Tone(AudioStreamTrack):
    """A sine of one frequency."""

    def __init__(self, hertz: float):
        super().__init__()
        self.hertz = hertz
        self.position = 0
        self.began: float | None = None

    async def recv(self) -> AudioFrame:
        count = RATE // 50
        if self.began is None:
            self.began = time.monotonic()
        wait = self.began + self.position / RATE - time.monotonic()
        if wait > 0:
            await asyncio.sleep(wait)
        at = (numpy.arange(count) + self.position) / RATE
        wave = (numpy.sin(2 * numpy.pi * self.hertz * at) * 12_000).astype(numpy.int16)
        frame = AudioFrame.from_ndarray(wave.reshape(1, -1), format="s16", layout="mono")
        frame.pts, frame.sample_rate, frame.time_base = self.position, RATE, fractions.Fraction(1, RATE)
        self.position += count
        return frame


class Member:
    """One member; `seen` and `heard` grow while it lives."""

    def __init__(self, url: str, name: str, room: str, colour: tuple[int, int, int], hertz: float, slots: int = 4, sends: str = "VP8", takes: tuple[str, ...] = ("VP8", "H264"), only: str = "", every: int = 1):
        self.wire = Wire(url).hello(name)
        self.room = room
        self.colour, self.hertz, self.slots = colour, hertz, slots
        self.sends, self.takes, self.every = sends, takes, every
        # Of the candidates of the answer, those with this in their address.
        self.only = only
        self.answer = ""
        self.paused: list[dict] = []
        self.lock = threading.Lock()
        self.seen: dict[str, tuple[int, tuple[int, int, int]]] = {}
        self.heard: dict[str, tuple[int, float]] = {}
        self.map: list[dict] = []
        self.state = "new"
        self.failure: BaseException | None = None
        media = {"audio": True, "video": True, "screen": False}
        answer = self.wire.ask("join", room=room, kind="room", topology="sfu", media=media)
        self.member = answer["self"]
        self.ending = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    @staticmethod
    def _codecs(*names: str) -> list:
        kept = [f"video/{name}" for name in names] + ["video/rtx"]
        return [each for each in RTCRtpSender.getCapabilities("video").codecs if each.mimeType in kept]

    # -- the thread

    def _run(self) -> None:
        try:
            asyncio.run(self._live())
        except BaseException as failure:  # noqa: BLE001 - told to the test
            self.failure = failure

    async def _live(self) -> None:
        # One transport, as the node has: otherwise aiortc keeps the candidates of its last sound m-line alone.
        connection = RTCPeerConnection(RTCConfiguration(bundlePolicy=RTCBundlePolicy.MAX_BUNDLE))
        tasks: list[asyncio.Task] = []
        connection.addTransceiver(Tone(self.hertz), direction="sendonly")
        camera = connection.addTransceiver(Colour(self.colour, self.every), direction="sendonly")
        camera.setCodecPreferences(self._codecs(self.sends))
        for _ in range(self.slots):
            connection.addTransceiver("audio", direction="recvonly")
        for _ in range(self.slots):
            connection.addTransceiver("video", direction="recvonly").setCodecPreferences(self._codecs(*self.takes))

        @connection.on("connectionstatechange")
        def changed() -> None:
            self.state = connection.connectionState

        await connection.setLocalDescription(await connection.createOffer())
        loop = asyncio.get_running_loop()

        def ask(type: str, **fields: object) -> dict:
            with self.lock:
                return self.wire.ask(type, room=self.room, **fields)

        answer = await loop.run_in_executor(None, lambda: ask("offer", n=1, sdp=connection.localDescription.sdp))
        self.answer = answer["sdp"]
        kept = [line for line in self.answer.splitlines() if not line.startswith("a=candidate:") or self.only in line.split()[4]]
        await connection.setRemoteDescription(RTCSessionDescription("\r\n".join(kept) + "\r\n", "answer"))
        await loop.run_in_executor(None, lambda: ask("answered", n=1))
        sending = [t.mid for t in connection.getTransceivers() if t.sender.track is not None]
        tracks = [{"mid": mid, "source": source, "muted": False} for mid, source in zip(sending, ("microphone", "camera"))]
        await loop.run_in_executor(None, lambda: ask("publish", tracks=tracks))
        for transceiver in connection.getTransceivers():
            if transceiver.sender.track is None:
                watch = self._watch if transceiver.kind == "video" else self._listen
                tasks.append(asyncio.create_task(watch(transceiver.mid, transceiver.receiver.track)))
        while not self.ending.is_set():
            await loop.run_in_executor(None, self._pump)
            await asyncio.sleep(0.02)
        for task in tasks:
            task.cancel()
        await connection.close()

    def _pump(self) -> None:
        with self.lock:
            while self.wire.pump(0.01):
                pass
            for message in self.wire.heard:
                if message["type"] == "media" and message["kind"] == "map":
                    self.map = message["slots"]
                if message["type"] == "media" and message["kind"] == "quality":
                    self.paused = message["paused"]
            self.wire.heard.clear()

    async def _watch(self, mid: str, track) -> None:
        try:
            while True:
                frame: VideoFrame = await track.recv()
                middle = frame.to_ndarray(format="rgb24")[SIZE[1] // 2, SIZE[0] // 2]
                count = self.seen.get(mid, (0, (0, 0, 0)))[0]
                self.seen[mid] = (count + 1, tuple(int(c) for c in middle))
        except MediaStreamError:
            pass

    async def _listen(self, mid: str, track) -> None:
        try:
            while True:
                frame: AudioFrame = await track.recv()
                wave = frame.to_ndarray().reshape(-1).astype(float)
                if frame.layout.name == "stereo":
                    wave = wave[::2]
                if numpy.abs(wave).max() < 500:
                    continue
                spectrum = numpy.abs(numpy.fft.rfft(wave * numpy.hanning(len(wave))))
                hertz = float(spectrum.argmax()) * frame.sample_rate / len(wave)
                count = self.heard.get(mid, (0, 0.0))[0]
                self.heard[mid] = (count + 1, hertz)
        except MediaStreamError:
            pass

    # -- the test's side

    def shows(self, other: "Member") -> bool:
        """Whether the slot that is mapped to the other's camera shows its colour."""
        for slot in self.map:
            if slot["member"] == other.member and slot["source"] == "camera":
                count, colour = self.seen.get(slot["mid"], (0, (0, 0, 0)))
                return count > 10 and all(abs(a - b) < 40 for a, b in zip(colour, other.colour))
        return False

    def hears(self, other: "Member") -> bool:
        """Whether the slot that is mapped to the other's microphone sounds like it."""
        for slot in self.map:
            if slot["member"] == other.member and slot["source"] == "microphone":
                count, hertz = self.heard.get(slot["mid"], (0, 0.0))
                return count > 10 and abs(hertz - other.hertz) < 60
        return False

    def describe(self) -> str:
        return f"{self.state} {self.failure!r} map {self.map} paused {self.paused} seen {self.seen} heard {self.heard}"

    def close(self) -> None:
        self.ending.set()
        self.thread.join(10)
        self.wire.close()
