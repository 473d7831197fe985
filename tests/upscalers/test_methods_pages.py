"""The Methods pages: what they show of each method, cut-outs of one place, adding and removing."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from PIL import Image

from sessions_app.models import Study
from tests.factories import make_clip, make_pvs, make_source, make_user
from tests.upscalers.core.networks import saved, srresnet
from upscalers import costs, lab_methods, samples, services, stills
from upscalers.core.clip import Part
from upscalers.core.errors import ClipError, MethodError
from upscalers.methods import Method, all_methods, lab
from upscalers.models import PVS, AuditEntry, Clip, Job, JobKind, JobState, Source, Upload
from upscalers.services import Ingest
from upscalers.stills import Window
from upscalers.templatetags import cost
from upscalers.views import methods as methods_views

LIST = reverse("upscalers:methods")
ADD = reverse("upscalers:add-external")
VENDOR = {
    "slug": "vendor-net", "name": "Vendor net", "licence": "Commercial",
    "citation": "Vendor, 2026", "description": "",
}  # fmt: skip


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MIDGREY_DATA_DIR", str(tmp_path / "data"))
    return tmp_path / "data" / "media" / "methods"


@pytest.fixture
def coordinator(client: Client, owner: User) -> Client:
    client.force_login(owner)
    return client


@pytest.fixture
def vendor(owner: User) -> str:
    return lab_methods.add_external(**VENDOR, user=owner).slug


def page(url: str) -> str:
    return reverse("upscalers:method", args=[url])


def text(client: Client, url: str, **query: object) -> str:
    response = client.get(url, query)
    assert response.status_code == 200
    return " ".join(re.sub(r"<[^>]+>", " ", response.content.decode()).split())


def row(client: Client, method: str) -> list[str]:
    """The cells of a method in the list, from its short name on."""
    found = client.get(LIST).content.decode()
    [cells] = re.findall(rf'<tr>(?:(?!</tr>).)*muted">{method}</td>.*?</tr>', found, re.DOTALL)
    return [
        " ".join(re.sub(r"<[^>]+>", " ", cell).split())
        for cell in re.findall(r"<td[^>]*>(.*?)</td>", cells, re.DOTALL)[1:]
    ]


def costly(
    source: str, method: str, seconds: float, size: tuple[int, int] = (1280, 720), **more: Any
) -> PVS:
    """A PVS of 50 frames that took so long."""
    pvs = make_pvs(make_source(source), method)
    pvs.clip = make_clip(f"{source} {method} {size}", *size)
    values = {"wall_seconds": seconds, "device": "H100", "peak_memory_bytes": 10**9, **more}
    for name, value in values.items():
        setattr(pvs, name, value)
    pvs.save()
    return pvs


# ---- who may ---------------------------------------------------------------------------------


def test_the_public_and_accounts_without_a_role_see_nothing(client: Client, vendor: str) -> None:
    clip = make_source("bikes").clip
    crop = reverse("upscalers:crop", args=[clip.pk, 0, "8x8+0+0"])
    progress = reverse("upscalers:methods-in")
    for url in (LIST, page(vendor), crop, progress):
        assert client.get(url).status_code == 302, url
    client.force_login(make_user("new"))
    for url in (LIST, page(vendor), crop, progress):
        assert client.get(url).status_code == 403, url


def test_analysts_read_and_neither_add_nor_remove(
    client: Client, colleague: User, vendor: str
) -> None:
    client.force_login(colleague)
    for url in (LIST, page(vendor)):
        assert "<dialog" not in client.get(url).content.decode()
    assert client.post(ADD, VENDOR | {"slug": "other"}).status_code == 403
    assert client.post(reverse("upscalers:remove-method", args=[vendor])).status_code == 403
    assert [method.slug for method in lab.methods()] == [vendor]


def test_actions_take_no_get(coordinator: Client, vendor: str) -> None:
    for url in (ADD, reverse("upscalers:remove-method", args=[vendor])):
        assert coordinator.get(url).status_code == 405


# ---- the list --------------------------------------------------------------------------------


def test_every_method_is_listed_once_and_has_a_page(coordinator: Client, vendor: str) -> None:
    listed = re.findall(r'class="title"><a href="([^"]+)"', coordinator.get(LIST).content.decode())
    assert listed == [page(slug) for slug in all_methods()]
    assert listed[-1] == page(vendor)
    for url in listed:
        assert coordinator.get(url).status_code == 200


def test_an_empty_lab_is_told_where_samples_and_costs_come_from(
    client: Client, colleague: User
) -> None:
    client.force_login(colleague)
    shown = text(client, LIST)
    assert "Nothing to look at yet" in shown
    assert "shown once this lab has made a PVS" in shown
    assert "None yet. A coordinator can add one." in shown
    assert "No PVS of it yet" in text(client, page("span-x2"))


def test_there_is_no_page_of_a_method_that_is_not_there(coordinator: Client) -> None:
    assert coordinator.get(page("magic")).status_code == 404


def test_a_page_says_how_the_method_runs(
    coordinator: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = text(coordinator, page("span-x2"))
    assert "16-bit floats on a GPU, 32-bit on a processor" in shown
    assert "each with 24 samples around it" in shown
    assert "819 kFLOP per low-resolution sample" in shown
    assert all_methods()["span-x2"].weights_sha256 in shown
    monkeypatch.setattr(Method, "parts", lambda self, frames: [Part(n, 60) for n in range(50)])
    assert "in parts of about 60 frames" in text(coordinator, page("span-x2"))
    monkeypatch.setattr(Method, "parts", lambda self, frames: [Part(0, frames)])
    assert "one job for the whole clip" in text(coordinator, page("span-x2"))


# ---- cost ------------------------------------------------------------------------------------


def test_costs_are_medians_over_pvss_of_one_setting(coordinator: Client) -> None:
    for source, seconds, gflop in (("bikes", 10, 90.0), ("harbour", 25, 92.0), ("market", 5, 94.0)):
        costly(source, "span-x2", seconds, gflop_per_frame=gflop)
    assert row(coordinator, "span-x2") == [
        "span-x2", "x2", "410.7 k", "5.00", "92.0", "1.00 GB",
        "Apache-2.0 (network and weights, by the authors of SPAN)", "3",
    ]  # fmt: skip
    assert "PVSs of 1280×720 x2 on H100" in text(coordinator, LIST)


def test_methods_are_compared_in_the_setting_that_most_of_them_share(owner: User) -> None:
    costly("bikes", "nearest", 1)
    costly("bikes", "lanczos3", 2)
    costly("harbour", "lanczos3", 50, (3840, 2160))  # larger, but of one method only
    costly("harbour", "span-x2", 100, device="CPU, 2 threads")
    found = costs.lab_costs()
    assert str(found.setting) == "1280×720 x2 on H100"
    assert found.by_method["lanczos3"].fps == 25
    assert found.by_method["lanczos3"].apart == ""
    assert found.by_method["span-x2"].apart == "CPU, 2 threads"


def test_of_settings_shared_by_as_many_the_larger_picture_counts(db: None) -> None:
    costly("bikes", "nearest", 1, (640, 360))
    costly("harbour", "nearest", 10)
    assert costs.lab_costs().by_method["nearest"].fps == 5


def test_however_many_pvss_there_are_the_database_sums_them_up(
    django_assert_num_queries: Any, db: None
) -> None:
    for source in ("bikes", "harbour", "market"):
        costly(source, "span-x2", 5, joules=100.0)
    with django_assert_num_queries(1):
        cost = costs.lab_costs().by_method["span-x2"]
    assert (cost.pvss, cost.fps, cost.joules_per_frame) == (3, 10.0, 2.0)
    assert cost.gflop_per_frame is None


def test_what_was_made_elsewhere_has_no_cost(db: None) -> None:
    make_pvs(make_source("bikes"), "nearest")  # no time was taken of it
    assert costs.lab_costs() == costs.LabCosts(None, {})


def test_each_pvs_is_shown_with_what_it_cost(coordinator: Client) -> None:
    costly(
        "bikes", "span-x2", 12.5, device_seconds=9.04, joules=1234.5, gflop_per_frame=188.78,
        peak_memory_bytes=2_345_000_000,
    )  # fmt: skip
    shown = text(coordinator, page("span-x2"))
    cells = "1280×720, 50 frames H100 12.5 s 9.04 s 4.00 1234 J 24.7 189 2.35 GB"
    assert f"bikes Bicubic x2 {cells}" in shown


def test_energy_is_a_column_only_where_something_measured_it(coordinator: Client) -> None:
    costly("bikes", "span-x2", 10)
    assert "J/frame" not in text(coordinator, page("span-x2"))


def test_pvss_that_are_being_made_are_counted_apart(coordinator: Client) -> None:
    job = Job.objects.create(kind=JobKind.UPSCALE, title="Upscale bikes")
    unmade(make_source("bikes"), "span-x2", job)
    shown = text(coordinator, page("span-x2"))
    assert "1 being made" in shown
    assert "No PVS of it yet" in shown


@pytest.mark.parametrize("state", [JobState.FAILED, JobState.CANCELLED])
def test_a_pvs_that_was_not_made_in_the_end_is_named_and_not_being_made(
    coordinator: Client, state: JobState
) -> None:
    job = Job.objects.create(kind=JobKind.UPSCALE, title="Upscale bikes", state=state)
    pvs = unmade(make_source("bikes"), "span-x2", job)
    shown = text(coordinator, page("span-x2"))
    assert "being made" not in shown
    assert f"Not made: bikes, Bicubic x2 ({state})" in shown
    assert pvs.get_absolute_url() in coordinator.get(page("span-x2")).content.decode()


def unmade(source: Source, method: str, job: Job) -> PVS:
    pvs = make_pvs(source, method)
    pvs.clip, pvs.job = None, job
    pvs.save()
    return pvs


def test_a_method_with_very_many_pvss_shows_them_page_by_page(
    coordinator: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(methods_views, "PER_PAGE", 2)
    for source in ("bikes", "harbour", "market"):
        make_pvs(make_source(source), "span-x2")
    first, second = (
        coordinator.get(page("span-x2"), {"page": number}).content.decode().split('id="pvss"')[1]
        for number in (1, 2)
    )
    assert ("harbour" in first, "market" in first) == (True, False)
    assert ("harbour" in second, "market" in second) == (False, True)
    assert 'href="/methods/span-x2/?page=2"' in first


def test_a_choice_of_samples_is_bounded(monkeypatch: pytest.MonkeyPatch, db: None) -> None:
    monkeypatch.setattr(samples, "MOST", 2)
    for source in ("bikes", "harbour", "market"):
        make_pvs(make_source(source), "nearest")
    assert [str(low.source) for low in samples.versions()] == ["market", "harbour"]


@pytest.mark.parametrize(
    ("value", "said"),
    [(0.04371, "0.0437"), (5, "5.00"), (99.96, "100"), (1234.5, "1234"), (None, ""), ("", "")],
)
def test_numbers_have_three_digits_that_count(value: Any, said: str) -> None:
    assert cost.digits(value) == said


def test_counts_and_memory_are_said_in_units() -> None:
    assert [cost.count(n) for n in (0, 640, 410_700, 16_697_987)] == [
        "",
        "640",
        "410.7 k",
        "16.7 M",
    ]
    assert [cost.memory(n) for n in (None, 563_990_528, 3_210_000_000)] == ["", "564 MB", "3.21 GB"]


# ---- cut-outs --------------------------------------------------------------------------------


def test_the_sample_is_of_what_most_methods_have_a_pvs_of_and_else_of_the_newest(
    coordinator: Client,
) -> None:
    for source, methods in (("bikes", ["nearest"]), ("harbour", ["nearest", "lanczos3"]),
                            ("market", ["lanczos3", "nearest"])):  # fmt: skip
        for method in methods:
            make_pvs(make_source(source), method)
    found = samples.versions()
    assert [str(low.source) for low in found] == ["market", "harbour", "bikes"]
    sample = samples.chosen(found, {}, 140, 105)
    assert sample is not None
    assert (sample.frame, str(sample.window)) == (25, "140x105+570+307")
    assert [one.name for one in samples.cut_outs(sample)] == ["Reference", "Nearest", "Lanczos"]
    assert "Without a PVS of this: Bilinear" in text(coordinator, LIST)


def test_a_wish_beyond_the_clip_is_brought_into_it(db: None) -> None:
    make_pvs(make_source("bikes"), "nearest")
    wish = {"frame": "999", "left": "-5", "top": "99999", "of": "nothing"}
    sample = samples.chosen(samples.versions(), wish, 140, 105)
    assert sample is not None
    assert (sample.frame, str(sample.window)) == (49, "140x105+0+615")


def test_a_method_is_shown_beside_the_reference_and_lanczos(coordinator: Client) -> None:
    for method in ("nearest", "lanczos3", "span-x2"):
        make_pvs(make_source("bikes"), method)
    shown = coordinator.get(page("span-x2")).content.decode()
    assert re.findall(r'<img src="/clips/\d+/25/188x150[^"]+" .* alt="([^"]+)"', shown) == [
        "Reference", "Lanczos", "SPAN x2",
    ]  # fmt: skip


@pytest.fixture
def clip(owner: User, make_video: Callable[..., Path]) -> Clip:
    """64x48, ten frames."""
    return services.ingest(make_video("moving.mkv", "mandelbrot"), Ingest("m.mkv"), owner).clip


def picture(client: Client, *args: object) -> np.ndarray[Any, Any]:
    name = "crop" if len(args) == 3 else "still"
    response = client.get(reverse(f"upscalers:{name}", args=args))
    assert response.status_code == 200
    assert "immutable" in response["Cache-Control"]
    return np.asarray(Image.open(BytesIO(response.content)))


@pytest.mark.parametrize("window", ["64x48+0+0", "7x5+57+43", "1x1+33+21"])
def test_a_crop_has_the_samples_of_the_whole_frame(
    coordinator: Client, clip: Clip, window: str
) -> None:
    wide, high, left, top = map(int, re.findall(r"\d+", window))
    whole = picture(coordinator, clip.pk, 7)
    assert whole.shape == (48, 64, 3)
    crop = picture(coordinator, clip.pk, 7, window)
    assert np.array_equal(crop, whole[top : top + high, left : left + wide])


@pytest.mark.parametrize(
    "window",
    ["65x48+0+0", "64x48+1+0", "8x8+0+41", "0x8+0+0", "8x0+0+0", "8x8", "8x8+-1+0",
     "8x8+0+0,negate", "999999999x1+0+0"],
)  # fmt: skip
def test_a_crop_outside_the_picture_is_not_there(
    coordinator: Client, clip: Clip, window: str
) -> None:
    url = reverse("upscalers:crop", args=[clip.pk, 0, window])
    assert coordinator.get(url).status_code == 404


def test_a_crop_of_a_frame_or_clip_that_is_not_there_is_not_there(
    coordinator: Client, clip: Clip
) -> None:
    for pk, frame in ((clip.pk, 10), (clip.pk + 1, 0)):
        url = reverse("upscalers:crop", args=[pk, frame, "8x8+0+0"])
        assert coordinator.get(url).status_code == 404


@pytest.mark.parametrize("window", ["", "8x8+0+0"])
def test_a_picture_that_takes_too_long_is_not_there(
    coordinator: Client, clip: Clip, window: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stills, "LONGEST_SECONDS", 0)
    name, place = ("crop", [window]) if window else ("still", [])
    url = reverse(f"upscalers:{name}", args=[clip.pk, 0, *place])
    response = coordinator.get(url)
    assert response.status_code == 404


@pytest.mark.parametrize("name", ["crop", "still"])
def test_a_picture_of_a_lost_file_is_not_there(coordinator: Client, name: str) -> None:
    place = ["8x8+0+0"] if name == "crop" else []
    url = reverse(f"upscalers:{name}", args=[make_source("bikes").clip.pk, 0, *place])
    assert coordinator.get(url).status_code == 404


def test_a_window_says_what_is_wrong_with_it() -> None:
    with pytest.raises(ClipError, match=r"write WIDTHxHEIGHT\+LEFT\+TOP"):
        Window.parse("all of it")
    with pytest.raises(ClipError, match="does not lie in 1280x720 samples"):
        Window(140, 105, 1141, 0).check(Clip(width=1280, height=720))


# ---- a lab's own methods ---------------------------------------------------------------------


def test_a_method_made_elsewhere_is_added_and_recorded(coordinator: Client) -> None:
    response = coordinator.post(ADD, VENDOR | {"slug": "", "name": "Vendor Net 2"})
    assert response["Location"] == page("vendor-net-2")
    assert not all_methods()["vendor-net-2"].runs_here
    shown = text(coordinator, page("vendor-net-2"))
    assert "Licence Commercial" in shown
    assert "Added by olga" in shown
    assert "its PVSs are made elsewhere" in shown
    entry = AuditEntry.objects.get(action="method added")
    assert (entry.who, "vendor-net-2" in entry.what) == ("olga", True)


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        ({"name": ""}, "say the name of the method"),
        ({"licence": " "}, "say the licence of the method"),
        ({"citation": ""}, "say the citation of the method"),
        ({"slug": "Vendor/Net"}, "cannot be a method&#x27;s short name"),
        ({"slug": "lanczos3"}, "there is a method lanczos3 already"),
        ({"description": "x" * 1001}, "at most 1000 can be kept"),
    ],
)
def test_what_cannot_be_added_leaves_nothing_and_keeps_what_was_typed(
    coordinator: Client, folder: Path, wrong: dict[str, str], complaint: str
) -> None:
    response = coordinator.post(ADD, VENDOR | wrong)
    shown = response.content.decode()
    assert response.status_code == 422
    assert complaint in shown
    assert "data-open-now" in shown
    assert 'value="Vendor, 2026"' in shown or "citation" in wrong
    assert not list(lab.methods())
    assert not folder.exists() or not list(folder.iterdir())
    assert not AuditEntry.objects.filter(action="method added").exists()


def test_a_lab_s_method_is_removed(coordinator: Client, vendor: str, folder: Path) -> None:
    response = coordinator.post(reverse("upscalers:remove-method", args=[vendor]), follow=True)
    assert "The method vendor-net is removed." in response.content.decode()
    assert vendor not in all_methods()
    assert not list(folder.iterdir())
    assert AuditEntry.objects.filter(action="method removed", who="olga").exists()


def test_a_method_with_pvss_is_not_removed(coordinator: Client, vendor: str) -> None:
    for source in ("harbour", "bikes"):
        make_pvs(make_source(source), vendor)
    response = coordinator.post(reverse("upscalers:remove-method", args=[vendor]), follow=True)
    assert "Vendor net stays while there are PVSs of it" in response.content.decode()
    assert "of bikes, harbour" in response.content.decode()
    assert vendor in all_methods()
    assert not AuditEntry.objects.filter(action="method removed").exists()


def test_a_method_that_a_study_names_is_not_removed(
    coordinator: Client, vendor: str, owner: User
) -> None:
    Study.objects.create(name="Dusk", slug="dusk", owner=owner, methods=[vendor])
    Study.objects.create(name="Dawn", slug="dawn", owner=owner, anchor=vendor)
    response = coordinator.post(reverse("upscalers:remove-method", args=[vendor]), follow=True)
    assert "chosen in 2 studies" in response.content.decode()
    assert vendor in all_methods()
    Study.objects.all().delete()
    lab_methods.remove(vendor, owner)
    assert vendor not in all_methods()


def test_what_comes_with_midgrey_is_not_removed(coordinator: Client, owner: User) -> None:
    make_pvs(make_source("bikes"), "nearest")
    assert "Remove" not in text(coordinator, page("nearest"))
    with pytest.raises(MethodError, match="no method 'nearest' was added here"):
        lab_methods.remove("nearest", owner)


def test_removing_what_was_removed_meanwhile_says_so(coordinator: Client) -> None:
    response = coordinator.post(reverse("upscalers:remove-method", args=["gone"]), follow=True)
    assert response.redirect_chain[-1][0] == LIST
    assert "no method &#x27;gone&#x27; was added here" in response.content.decode()


# ---- weights by upload -----------------------------------------------------------------------


def upload(client: Client, file_name: str, data: bytes, options: dict[str, str]) -> Any:
    wish = {"file_name": file_name, "size": len(data), "fingerprint": "f", "options": options}
    begin = reverse("upscalers:upload-begin")
    begun = client.post(begin, json.dumps(wish), content_type="application/json")
    if begun.status_code != 200:
        return begun
    url = reverse("upscalers:upload-chunk", args=[begun.json()["id"]])
    return client.patch(url, data, "application/octet-stream", headers={"Upload-Offset": "0"})


def polled_address(client: Client, url: str) -> str:
    """Where a polled part asks the next time: it says what it has seen."""
    found = client.get(url).content.decode()
    return re.findall(r'hx-get="([^"]+)"', found)[0]


def test_a_method_that_came_while_nobody_looked_is_still_fetched(
    coordinator: Client, owner: User
) -> None:
    asks = polled_address(coordinator, reverse("upscalers:methods-in"))
    lab_methods.add_external(**VENDOR, user=owner)
    assert coordinator.get(asks)["HX-Trigger"] == "methods-changed"


@pytest.mark.slow
def test_a_network_uploaded_with_the_form_s_fields_becomes_a_method(
    coordinator: Client, tmp_path: Path, run_jobs: Callable[[], None]
) -> None:
    form = coordinator.get(LIST).content.decode().split('id="add-network"')[1].split("</form>")[0]
    fields = set(re.findall(r'name="(\w+)"', form)) - {"files"}
    assert fields == {"purpose", *VENDOR}
    weights = saved(tmp_path / "net.pth", srresnet().state_dict()).read_bytes()
    options = VENDOR | {"purpose": "weights", "slug": "our-net", "name": "Our net"}
    assert upload(coordinator, "net.pth", weights, options).json()["complete"]
    assert "Network net.pth" in text(coordinator, reverse("upscalers:methods-in"))
    asked_again = polled_address(coordinator, reverse("upscalers:methods-in"))
    run_jobs()
    response = coordinator.get(asked_again)
    assert response["HX-Trigger"] == "methods-changed"
    asked_again = polled_address(coordinator, reverse("upscalers:methods-in"))
    assert "HX-Trigger" not in coordinator.get(asked_again)
    shown = text(coordinator, page("our-net"))
    assert all_methods()["our-net"].weights_sha256 in shown
    assert "Added by olga" in shown
    assert not Upload.objects.exists()


def test_a_refused_network_says_why_until_it_is_dismissed(coordinator: Client) -> None:
    reason = "net.pth holds no network that is known here"
    job = Job.objects.create(
        kind=JobKind.IMPORT, title="Network net.pth", about="methods", state=JobState.FAILED,
        error=reason,
    )  # fmt: skip
    assert reason in text(coordinator, LIST)
    coordinator.post(reverse("upscalers:dismiss-job", args=[job.pk]))
    assert reason not in text(coordinator, LIST)
