"""The player's modules in a real Chromium: exact colours, exact frames, exact times."""

from __future__ import annotations

import hashlib
import io
import subprocess
from base64 import b64encode
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import BrowserContext, Page

from tests.live_server import LiveServer
from tests.sessions_app.running.material import make_session
from upscalers.core.rendition import make_rendition
from upscalers.core.video import FFMPEG, probe, read_frames

pytestmark = pytest.mark.browser

# Kr and Kb as the recommendations give them: BT.709 and BT.601.
WEIGHTS = {"bt709": (0.2126, 0.0722), "smpte170m": (0.299, 0.114)}
# On the server's origin, so that modules can be imported, and free of the policy of pages, as the
# display's workers are.
PLAIN_FILE = "/static/player/converter.js"


@pytest.fixture
def page(server: LiveServer, open_context: Callable[..., BrowserContext]) -> Iterator[Page]:
    page = open_context().new_page()
    page.goto(server.url + PLAIN_FILE)
    return page


def upsample(plane: np.ndarray) -> np.ndarray:
    """4:2:0 chroma, sited left, by linear interpolation at exact positions."""
    height, width = plane.shape
    rows, columns = (np.arange(2 * height) - 0.5) / 2, np.arange(2 * width) / 2

    def blend(values: np.ndarray, at: np.ndarray, axis: int, size: int) -> np.ndarray:
        low = np.floor(at).astype(int)
        part = (at - low).reshape((-1, 1) if axis == 0 else (1, -1))
        first = np.take(values, np.clip(low, 0, size - 1), axis)
        second = np.take(values, np.clip(low + 1, 0, size - 1), axis)
        return first * (1 - part) + second * part

    return blend(blend(plane.astype(float), rows, 0, height), columns, 1, width)


def to_rgb(planes: list[np.ndarray], matrix: str, limited: bool, depth: int) -> np.ndarray:
    """Straight from the definition, in floating point."""
    kr, kb = WEIGHTS[matrix]
    step, top = 2 ** (depth - 8), 2**depth - 1
    black, luma, chroma = (16 * step, 219 * step, 224 * step) if limited else (0, top, top)
    y = (planes[0].astype(float) - black) / luma
    height, width = y.shape
    u, v = ((upsample(plane)[:height, :width] - 128 * step) / chroma for plane in planes[1:])
    red, blue = y + 2 * (1 - kr) * v, y + 2 * (1 - kb) * u
    green = (y - kr * red - kb * blue) / (1 - kr - kb)
    return np.clip(np.stack([red, green, blue], -1), 0, 1) * 255


# Paints one frame as the player does with the one or the other painter, and reads the canvas.
PAINT = """async ({painter: name, frame, picture}) => {
    const painters = await import("/static/player/painter.js");
    const { Converter } = await import("/static/player/converter.js");
    const canvas = document.createElement("canvas");
    canvas.style = "position: fixed; inset: 0 auto auto 0; z-index: 9";
    document.body.append(canvas);
    const painter = new painters[name](canvas);
    const samples = (picture.depth > 8 ? Uint16Array : Uint8Array).from(frame);
    painter.prepare(picture);
    painter.grey();
    const grey = Array.from(painter.pixels());
    if (painter.wants === "planes") painter.paint(samples.buffer);
    else {
        const converter = new Converter(picture);
        converter.planes.set(new Uint8Array(samples.buffer));
        painter.paint(converter.convert().slice().buffer);
    }
    return {painted: Array.from(painter.pixels()), grey};
}"""
PAINTERS = ["ShaderPainter", "PixelPainter"]


@pytest.mark.parametrize("painter", PAINTERS)
@pytest.mark.parametrize("depth", [8, 10])
@pytest.mark.parametrize("matrix", ["bt709", "smpte170m"])
@pytest.mark.parametrize("value_range", ["tv", "pc"])
def test_colours_on_the_canvas_are_those_of_the_definition(
    page: Page, painter: str, depth: int, matrix: str, value_range: str
) -> None:
    width, height = 62, 48
    generator = np.random.default_rng(1)
    planes = [
        generator.integers(0, 2**depth, size, np.uint16)
        for size in ((height, width), (height // 2, width // 2), (height // 2, width // 2))
    ]
    picture = {
        "width": width, "height": height, "matrix": matrix, "range": value_range, "depth": depth
    }  # fmt: skip
    frame = np.concatenate([plane.ravel() for plane in planes]).tolist()
    shown = page.evaluate(PAINT, {"painter": painter, "frame": frame, "picture": picture})
    pixels = np.array(shown["painted"]).reshape(height, width, 4)[..., :3]
    wanted = to_rgb(planes, matrix, value_range == "tv", depth)
    # Rounding to the nearest code: never further away than half of one.
    assert np.abs(pixels - wanted).max() < 0.502


@pytest.mark.parametrize("painter", PAINTERS)
@pytest.mark.parametrize(("width", "height"), [(5, 3), (1, 1), (17, 2), (23, 5)])
def test_pictures_of_odd_size_are_painted_to_the_last_pixel(
    page: Page, painter: str, width: int, height: int
) -> None:
    generator = np.random.default_rng(3)
    half = (height + 1) // 2, (width + 1) // 2
    planes = [generator.integers(0, 256, size, np.uint8) for size in ((height, width), half, half)]
    picture = {"width": width, "height": height, "matrix": "bt709", "range": "tv"}
    frame = np.concatenate([plane.ravel() for plane in planes]).tolist()
    shown = page.evaluate(PAINT, {"painter": painter, "frame": frame, "picture": picture})
    pixels = np.array(shown["painted"]).reshape(height, width, 4)
    wanted = to_rgb(planes, "bt709", limited=True, depth=8)
    assert np.abs(pixels[..., :3] - wanted).max() < 0.502
    assert (pixels[..., 3] == 255).all()


@pytest.mark.parametrize("painter", PAINTERS)
def test_video_grey_is_the_grey_of_the_page(page: Page, painter: str) -> None:
    picture = {"width": 4, "height": 4, "matrix": "bt709", "range": "tv"}
    frame = [126] * 16 + [128] * 8
    shown = page.evaluate(PAINT, {"painter": painter, "frame": frame, "picture": picture})
    assert shown["painted"] == shown["grey"] == [128, 128, 128, 255] * 16


# Runs the checks of a display with this painter, in a browser that tells of the screen or not.
CHECKS = """async ({painter, tells}) => {
    const { runChecks } = await import("/static/player/checks.js");
    const { Arrivals } = await import("/static/player/arrivals.js");
    const painters = await import("/static/player/painter.js");
    const canvas = document.createElement("canvas");
    document.body.append(canvas);
    const arrivals = new Arrivals(canvas);
    if (!tells) arrivals.observer.disconnect();
    const manifest = {codec: "avc1.f40020", width: 64, height: 48, rate: [30, 1],
        matrix: "bt709", range: "tv"};
    const checks = await runChecks([{bytes: 9, manifest}], new painters[painter](canvas), arrivals,
        999, {offset: 0, trip: 1});
    return Object.fromEntries(checks.map((check) => [check.id, check]));
}"""


@pytest.mark.parametrize("painter", PAINTERS)
def test_the_display_checks_how_it_paints_and_that_it_is_told_of_the_screen(
    page: Page, painter: str
) -> None:
    checks = page.evaluate(CHECKS, {"painter": painter, "tells": True})
    assert checks["painting"]["ok"], checks["painting"]
    assert checks["arrival"]["ok"], checks["arrival"]
    assert "30 of 30 pictures, on the screen" in checks["arrival"]["value"]


def test_a_display_that_is_not_told_of_the_screen_fails_the_check(page: Page) -> None:
    checks = page.evaluate(CHECKS, {"painter": "PixelPainter", "tells": False})
    assert not checks["arrival"]["ok"]
    assert checks["arrival"]["value"] == "0 of 30 pictures"


def test_a_cursor_that_would_be_seen_over_the_picture_fails_the_check(page: Page) -> None:
    failed = page.evaluate(CHECKS, {"painter": "PixelPainter", "tells": True})["cursor"]
    assert (failed["ok"], failed["value"]) == (False, "“auto” over the picture")
    page.add_style_tag(url="/static/css/player.css")
    hidden = page.evaluate(CHECKS, {"painter": "PixelPainter", "tells": True})["cursor"]
    assert (hidden["ok"], hidden["value"]) == (True, "while a cell is on")
    assert not page.evaluate("document.body.classList.contains('is-on')")


def test_the_marks_that_go_with_the_pictures_cannot_be_seen(page: Page) -> None:
    page.evaluate(
        """async () => {
            const { Arrivals } = await import("/static/player/arrivals.js");
            document.body.replaceChildren(document.createElement("canvas"));
            document.body.style.background = "rgb(128, 128, 128)";
            const arrivals = new Arrivals(document.querySelector("canvas"));
            arrivals.forget = () => {}; // they stay
            for (let i = 0; i < 5; i++) arrivals.mark();
            await new Promise((resolve) => setTimeout(resolve, 200));
            if (arrivals.times.size !== 5) throw new Error("not on the screen");
        }"""
    )
    picture = Image.open(io.BytesIO(page.screenshot()))
    assert picture.convert("RGB").getcolors() == [(picture.width * picture.height, (128, 128, 128))]


# Frames of a clip of 10, one a refresh of 50 Hz, and when each and the grey after it were told to
# be on the screen.
@pytest.mark.parametrize(
    ("changes", "frames", "held"),
    [
        ({}, 10, 0),
        ({4: 4.0, 5: -4.0}, 10, 0),  # not in step with the refreshes, which does no harm
        ({4: 19.0}, 9, 1),  # overtaken by frame 5, while frame 3 stayed on
        ({4: None}, 9, 0),  # not told of
        ({6: 20.0, 7: 20.0, 8: 20.0, 9: 20.0, 10: 20.0}, 10, 1),  # all a refresh later from 6 on
        ({4: 11.0}, 10, 0),  # on for a shorter time, but on
        ({4: 13.0}, 9, 0),  # on for a moment only
        ({10: 16.0}, 10, 1),
    ],
)
def test_frames_are_counted_as_the_screen_had_them(
    page: Page, changes: dict[int, float | None], frames: int, held: int
) -> None:
    times = [100 + 20.0 * n for n in range(11)]
    told = [
        None if (change := changes.get(n, 0.0)) is None else at + change
        for n, at in enumerate(times)
    ]
    clip = page.evaluate(
        """async (told) => {
            const { Timeline } = await import("/static/player/clock.js");
            const { Evidence } = await import("/static/player/evidence.js");
            const phases = [{name: "a", seconds: null, clip: "c"},
                {name: "vote", seconds: 1, clip: null}];
            const line = new Timeline(phases, new Map([["c", {frames: 10, rate: [50, 1]}]]), 50);
            const evidence = new Evidence(line, {at: (mark) => told[mark]});
            told.forEach((_, due) => evidence.marked({phase: due < 10 ? 0 : 1, painted: due < 10,
                due, stamp: 90 + 20 * due, mark: due}));
            return evidence.report().phases[0];
        }""",
        told,
    )
    assert (clip["frames_arrived"], clip["frames_held"]) == (frames, held)
    assert clip["arrived_ms"] == 200 + (changes.get(10) or 0.0)
    assert clip["arrival_delay_ms"] == 10


def test_a_matrix_that_is_not_known_is_refused(page: Page) -> None:
    message = page.evaluate(
        """async () => {
            const { factors } = await import("/static/player/colour.js");
            try { factors("bt2020nc", "tv"); } catch (error) { return error.message; }
        }"""
    )
    assert "bt2020nc" in message


Decode = Callable[[list[Path]], dict[str, Any]]


@pytest.fixture
def decode(page: Page) -> Decode:
    """Clips one after the other, in the browser; its digests are to be compared with `made`."""

    def run(paths: list[Path]) -> dict[str, Any]:
        found: dict[str, Any] = page.evaluate(
            """async (clips) => {
                const player = await import("/static/player/decoding.js");
                const configured = [], digests = clips.map(() => []), packets = [];
                const configure = VideoDecoder.prototype.configure;
                VideoDecoder.prototype.configure = function (as) {
                    configured.push(as);
                    configure.call(this, as);
                };
                const sources = clips.map(({ manifest, bytes }) => {
                    const data = Uint8Array.from(atob(bytes), (letter) => letter.charCodeAt(0));
                    const read = (at, size) => {
                        packets.push(data.slice(at, at + size));
                        return packets.at(-1);
                    };
                    return { manifest, read };
                });
                await player.decodeClips(sources,
                    async (manifest) => new Uint8Array(player.frameBytes(manifest)),
                    async (planes, frame, place) => {
                        digests[place][frame] = await player.sha256(planes);
                    });
                const copied = packets.filter((packet) => packet.length).length;
                return { digests, configured: configured.length, copied };
            }""",
            [as_rendition(path) for path in paths],
        )
        return found

    return run


def as_rendition(path: Path) -> dict[str, Any]:
    """As the display gets a clip, and the bytes of its file."""
    rendition = path.with_suffix(".h264")
    manifest = make_rendition(path, probe(path), rendition).as_json()
    data = b64encode(rendition.read_bytes()).decode()
    return {"id": path.stem, "manifest": manifest, "bytes": data}


def made(path: Path) -> list[str]:
    return [
        hashlib.sha256(b"".join(plane.tobytes() for plane in planes)).hexdigest()
        for planes in read_frames(path, probe(path))
    ]


def make_noise(
    path: Path, pixels: str = "yuv420p", size: str = "178x98", colours: str = "range=tv"
) -> Path:
    """Its height is no multiple of a macroblock: what is cropped away must not show."""
    tags = f"setparams={colours}:colorspace=bt709:color_primaries=bt709:color_trc=bt709"
    noise = f"noise=alls=30:allf=t:all_seed={sum(path.name.encode())}"
    picture = f"testsrc2=size={size}:rate=25,{noise},format={pixels},{tags}"
    options = ["-f", "lavfi", "-i", picture, "-frames:v", "60", "-c:v", "ffv1"]
    subprocess.run([FFMPEG, "-v", "error", *options, str(path)], check=True)
    return path


@pytest.mark.parametrize("pixels", ["yuv420p", "yuv420p10le"])
def test_every_frame_is_decoded_exactly(decode: Decode, pixels: str, tmp_path: Path) -> None:
    clip = make_noise(tmp_path / "noise.mkv", pixels)
    found = decode([clip])
    assert found["digests"] == [made(clip)]
    assert not found["copied"], "the decoder takes the packets over"


def test_clips_that_are_alike_need_one_decoder(decode: Decode, tmp_path: Path) -> None:
    clips = [
        make_noise(tmp_path / "reference.mkv"),
        make_noise(tmp_path / "a.mkv"),
        make_noise(tmp_path / "b.mkv"),
    ]
    found = decode(clips)
    assert found["digests"] == [made(clip) for clip in clips]
    assert made(clips[0]) != made(clips[1])
    assert found["configured"] == 1


def test_clips_that_are_not_alike_are_decoded_all_the_same(decode: Decode, tmp_path: Path) -> None:
    clips = [
        make_noise(tmp_path / "small.mkv"),
        make_noise(tmp_path / "large.mkv", size="322x182"),
        make_noise(tmp_path / "deep.mkv", "yuv420p10le", size="322x182"),
        make_noise(tmp_path / "small-again.mkv", colours="range=pc"),
    ]
    found = decode(clips)
    assert found["digests"] == [made(clip) for clip in clips]
    assert found["configured"] == 4


@pytest.mark.parametrize(
    "hz, rate, whole",
    [
        (50.0, [25, 1], True), (60.0, [30, 1], True), (59.94, [60000, 1001], True),
        (60.0, [30000, 1001], True), (60.0, [25, 1], False), (50.0, [60, 1], False),
        (75.0, [50, 1], False),
    ],
)  # fmt: skip
def test_each_frame_gets_the_refresh_nearest_to_its_time(
    page: Page, hz: float, rate: list[int], whole: bool
) -> None:
    result: dict[str, Any] = page.evaluate(
        """async ({hz, rate}) => {
            const { Timeline, refreshesPerFrame } = await import("/static/player/clock.js");
            const phases = [
                {name: "grey", seconds: 0.5, message: "", clip: null, votes: false},
                {name: "a", seconds: null, message: "", clip: "c", votes: false}];
            const line = new Timeline(phases, new Map([["c", {frames: 100, rate}]]), hz);
            const [grey, clip] = line.segments;
            const shown = [];
            for (let i = clip.start; i < clip.end; i++) shown.push(line.frameAt(clip, i));
            return {grey: grey.end, shown, due: [...Array(100).keys()].map((n) =>
                line.refreshOf(clip, n)), ...refreshesPerFrame(hz, rate)};
        }""",
        {"hz": hz, "rate": rate},
    )
    assert result["grey"] == round(hz / 2)
    assert result["whole"] is whole
    exact = round(hz * rate[1] / rate[0]) if whole else hz * rate[1] / rate[0]
    assert len(result["shown"]) == round(100 * exact)
    if exact >= 1:
        first = [result["shown"].index(frame) for frame in range(100)]
        assert first == result["due"] == [int(frame * exact + 0.5) for frame in range(100)]
    else:
        assert result["shown"] == sorted(set(result["shown"]))


def test_missed_refreshes_are_counted_and_do_not_stretch_time(page: Page) -> None:
    counted = page.evaluate(
        """async () => {
            const { RefreshCounter, refreshRate } = await import("/static/player/clock.js");
            const counter = new RefreshCounter(50);
            const stamps = [0, 20.1, 39.9, 100.2, 120];
            const even = [...Array(101).keys()].map((n) => 20 * n);
            return [stamps.map((stamp) => counter.tick(stamp)).map((t) => [t.index, t.missed]),
                refreshRate([0, 20, 40, 100, 120, 140]), refreshRate([...even, 2029])];
        }"""
    )
    ticks, with_a_gap, with_a_late_end = counted
    assert ticks == [[0, 0], [1, 0], [2, 0], [5, 2], [6, 0]]
    assert with_a_gap == 50
    assert abs(with_a_late_end - 50) < 0.03  # 0.22 by the first and the last alone


def test_a_sampled_frame_that_was_not_decoded_exactly_is_told(page: Page) -> None:
    report = page.evaluate(
        """async () => {
            const { Timeline } = await import("/static/player/clock.js");
            const { Evidence } = await import("/static/player/evidence.js");
            const phases = [{name: "a", seconds: null, message: "", clip: "c", votes: false}];
            const line = new Timeline(phases, new Map([["c", {frames: 100, rate: [25, 1]}]]), 50);
            const evidence = new Evidence(line);
            for (const [frame, exact] of [[0, true], [1, null], [25, false]]) {
                evidence.proved(0, {frame, exact});
            }
            return evidence.report();
        }"""
    )
    assert report["phases"][0]["frames_hashed"] == 2
    assert [event["what"] for event in report["events"]] == ["frame 25 was not decoded exactly"]


# Has the display's worker decode these clips: a cell that is left at once, and two that are played.
# Of each frame of these: which it is, and the digests of what came and of the pixels of it.
DECODE_CELLS = """async ([clips, wants, depth, ahead]) => {
    const { sha256 } = await import("/static/player/decoding.js");
    const { Converter } = await import("/static/player/converter.js");
    let folder = await navigator.storage.getDirectory();
    for (const name of ["midgrey-clips", "session"]) {
        folder = await folder.getDirectoryHandle(name, { create: true });
    }
    for (const { id, bytes } of clips) {
        const file = await (await folder.getFileHandle(id, { create: true })).createWritable();
        await file.write(Uint8Array.from(atob(bytes), (letter) => letter.charCodeAt(0)));
        await file.close();
    }
    const converters = clips.map(({ manifest }) => new Converter(manifest));
    const pixels = (place, planes) => {
        converters[place].planes.set(new Uint8Array(planes));
        return converters[place].convert();
    };
    const worker = new Worker("/static/player/decoder_worker.js", { type: "module" });
    const decode = clips.map(({ id, manifest }) => ({ id, manifest }));
    const cell = (run, frames) => new Promise((resolve, reject) => {
        const found = { frames: [], digests: [], pixels: [], proofs: 0, most: 0 };
        let held = 0, done = 0;
        worker.onmessage = async ({ data: { error, run: of, place, frame, exact, buffer } }) => {
            if (error) reject(new Error(error));
            if (of === run) {
                held += 1;
                found.most = Math.max(found.most, held);
                found.proofs += exact === true;
                found.frames.push([place, frame]);
                const at = found.frames.length - 1;
                found.digests[at] = await sha256(buffer);
                found.pixels[at] = wants === "pixels" ? found.digests[at]
                    : await sha256(pixels(place, buffer).slice());
                await new Promise((later) => setTimeout(later, 5));
                held -= 1;
                done += 1;
            }
            worker.postMessage({ run: of, buffer }, [buffer]);
            if (done === frames) resolve(found);
        };
        worker.postMessage({ decode, session: "session", run, wants, depth, ahead });
    });
    const total = clips.reduce((sum, { manifest }) => sum + manifest.frames, 0);
    await cell(1, 1);
    const cells = [await cell(2, total), await cell(3, total)];
    worker.terminate();
    return cells;
}"""


def test_cells_are_decoded_exactly_one_after_the_other(page: Page, tmp_path: Path) -> None:
    clips = [
        make_noise(tmp_path / "reference.mkv"),
        make_noise(tmp_path / "a.mkv", size="62x46"),
        make_noise(tmp_path / "b.mkv"),
    ]
    renditions = [as_rendition(clip) for clip in clips]
    depth, ahead = 5, 40
    cells = {
        wants: page.evaluate(DECODE_CELLS, [renditions, wants, depth, ahead])
        for wants in ("planes", "pixels")
    }
    frames = [[place, frame] for place in range(3) for frame in range(60)]
    for found in cells["planes"] + cells["pixels"]:
        assert found["frames"] == frames
        assert found["proofs"] == 9, "one frame in 25 of each clip"
        assert found["most"] <= depth
    for found in cells["planes"]:
        assert found["digests"] == [digest for clip in clips for digest in made(clip)]
    for found in cells["pixels"]:
        assert found["digests"] == cells["planes"][0]["pixels"]


def test_decoding_is_spread_over_a_cell_while_its_clips_are_shown(page: Page) -> None:
    """300 frames, of which there may be 120 decoded ones, and 10 at the page."""
    begun = page.evaluate(
        """async () => {
            const { Run } = await import("/static/player/decoder_worker.js");
            const decode = [1, 2, 3].map((id) => ({ id, manifest: { frames: 100 } }));
            const run = new Run({ run: 1, decode, wants: "pixels", depth: 10, ahead: 120 });
            (async () => { while (run.begun < 300 && await run.begin()); })();
            const show = async (frames) => {
                for (let i = 0; i < frames; i++) { run.letGo(); run.returned(); }
                await new Promise(setTimeout);
            };
            const seen = [];
            const look = async () => { await new Promise(setTimeout); seen.push(run.begun); };
            await look(); // as far as memory goes, before the first clip
            await show(100);
            await look(); // about a third of the rest
            await show(100);
            await look(); // two thirds
            await show(74);
            await look(); // all, and the page and the decoder have them
            run.stop();
            return seen;
        }"""
    )
    assert begun == [120, 186, 252, 300]


def test_decoding_never_falls_behind_what_the_page_may_have(page: Page) -> None:
    """The first frame was shown when no more than ten were begun."""
    begun = page.evaluate(
        """async () => {
            const { Run } = await import("/static/player/decoder_worker.js");
            const decode = [{ id: 1, manifest: { frames: 300 } }];
            const run = new Run({ run: 1, decode, wants: "pixels", depth: 10, ahead: 120 });
            for (let i = 0; i < 10; i++) await run.begin();
            run.letGo();
            run.returned();
            (async () => { while (run.begun < 300 && await run.begin()); })();
            await new Promise(setTimeout);
            run.stop();
            return run.begun;
        }"""
    )
    assert begun == 10 + 17


def test_frames_that_were_not_wanted_leave_their_buffers_to_the_next_cell(page: Page) -> None:
    assert page.evaluate(
        """async () => {
            const { Run, unused } = await import("/static/player/decoder_worker.js");
            const run = new Run({ run: 1, decode: [], wants: "pixels", depth: 10, ahead: 120 });
            const planes = new Uint8Array(8);
            run.waiting.push({ planes, place: 0, frame: 0, exact: null });
            run.stop();
            return unused("planes", 8) === planes.buffer && unused("planes", 8) !== planes.buffer;
        }"""
    )


def test_frames_of_a_cell_that_was_left_give_their_buffers_back(page: Page) -> None:
    posted = page.evaluate(
        """async () => {
            const posted = [];
            window.Worker = class { postMessage(message) { posted.push(message); } };
            const { FrameQueue } = await import("/static/player/frames.js");
            const queue = new FrameQueue("session", "planes");
            const clip = {id: "c", manifest: {width: 16, height: 16, frames: 9}};
            const frame = (run, frame) =>
                queue.worker.onmessage({data: {run, place: 0, frame, buffer: new ArrayBuffer(4)}});
            queue.start([clip]);
            frame(1, 0);
            queue.start([clip]);
            frame(1, 1);
            frame(2, 0);
            queue.stop();
            frame(2, 1);
            return posted.map(({ run, decode, stop, buffer }) =>
                [run, decode ? "decode" : stop ? "stop" : buffer.byteLength]);
        }"""
    )
    assert posted == [
        [0, "stop"], [1, "decode"], [1, "stop"], [1, 4], [2, "decode"], [1, 4], [2, "stop"], [2, 4],
        [2, 4],
    ]  # fmt: skip


FAKE_SOCKETS = """
    window.sockets = [];
    window.WebSocket = class {
        static OPEN = 1;
        constructor() { this.readyState = 0; this.sent = []; sockets.push(this); }
        send(text) { this.sent.push(JSON.parse(text)); }
        close() { this.readyState = 2; }  // and the other end never answers
        open() {
            this.readyState = 1;
            this.onopen();
            this.hear({type: "state", now: Date.now()});
        }
        hear(message) { this.onmessage({data: JSON.stringify(message)}); }
        votes() { return this.sent.filter(({type}) => type === "vote").length; }
    };
"""


@pytest.mark.parametrize("how", ["silence", "waking up"])
def test_what_a_dying_socket_left_unanswered_is_sent_again(page: Page, how: str) -> None:
    """The socket before hangs in its closing handshake, as on a phone that left the network."""
    result = page.evaluate(
        """async ([fake, how]) => {
            eval(fake);
            const { LiveSocket, Outbox } = await import("/static/live/socket.js");
            const links = [];
            const live = new LiveSocket("/ws/", {
                outbox: new Outbox("test"), onlink: (online) => links.push(online)});
            sockets[0].open();
            live.keep({type: "vote", score: 3});
            if (how === "silence") { live.heard = -1e9; live.ping(); }
            else { sockets[0].close(); window.dispatchEvent(new Event("online")); }
            sockets[1].open();
            sockets[0].hear({type: "ack", n: 1});
            return [links, sockets[0].votes(), sockets[1].votes(), live.given.outbox.kept.length];
        }""",
        [FAKE_SOCKETS, how],
    )
    assert result == [[True, False, True], 1, 1, 1]


def test_a_damaged_clip_is_not_accepted(
    server: LiveServer, open_context: Callable[..., BrowserContext], owner: Any
) -> None:
    session = make_session(owner)
    rendition = session.cells.first().a.clip.rendition
    whole = rendition.path.read_bytes()
    rendition.path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    page = open_context().new_page()
    page.goto(f"{server.url}/show/{session.token}/")
    page.get_by_text("A clip arrived damaged").wait_for(timeout=20000)


def test_a_browser_without_exact_decoding_is_refused(
    server: LiveServer, open_context: Callable[..., BrowserContext], owner: Any
) -> None:
    page = open_context().new_page()
    page.add_init_script("delete window.VideoDecoder")
    page.goto(f"{server.url}/show/{make_session(owner).token}/")
    page.get_by_text("This browser has no WebCodecs. Use Chrome or Edge").wait_for()
