"""Pictures: made fit for letters and rid of secrets, shown by signed addresses, kept while something shows them."""

import struct
import zlib
from io import BytesIO
from typing import Any
from uuid import uuid4

import pytest
from flask import Flask
from PIL import Image

from app.content import images, pictures, service
from app.content.image_links import image_token, image_url
from app.infra.errors import Invalid
from tests.page_client import ApiClient, PageClient
from tests.tampered import tampered


def drawn(size: tuple[int, int] = (80, 40), kind: str = "PNG", mode: str = "RGB", **more: Any) -> BytesIO:
    out = BytesIO()
    Image.new(mode, size, 120 if mode == "L" else (20, 90, 40, 128)[: len(mode)]).save(out, kind, **more)
    out.seek(0)
    return out


def add(tenant: Any, file: BytesIO | None = None, **more: Any) -> images.ImageLine:
    return images.add(tenant_id=tenant.id, file=file or drawn(), actor="system", **({"name": "green.png"} | more))


def opened(data: bytes) -> Image.Image:
    return Image.open(BytesIO(data))


@pytest.mark.parametrize(
    ("kind", "mode", "made"),
    [
        ("PNG", "RGB", "image/png"),
        ("PNG", "RGBA", "image/png"),
        ("PNG", "L", "image/png"),
        ("JPEG", "RGB", "image/jpeg"),
        ("JPEG", "CMYK", "image/jpeg"),
        ("GIF", "L", "image/png"),
        ("WEBP", "RGB", "image/jpeg"),
        ("WEBP", "RGBA", "image/png"),
    ],
)
def test_every_kind_becomes_one_that_mail_programs_show(kind: str, mode: str, made: str) -> None:
    found = pictures.fit(drawn(kind=kind, mode=mode))
    assert (found.content_type, found.width, found.height, found.double) == (made, 80, 40, None)
    assert opened(found.data).format == made.partition("/")[2].upper()


@pytest.mark.parametrize(
    ("size", "single", "double"),
    [
        ((1200, 10), (1200, 10), None),
        ((1800, 900), (1200, 600), (1800, 900)),
        ((4800, 1200), (1200, 300), (2400, 600)),
        ((300, 9600), (150, 4800), (300, 9600)),
    ],
)
def test_a_large_one_is_made_smaller_and_its_double_kept(
    size: tuple[int, int], single: tuple[int, int], double: tuple[int, int] | None
) -> None:
    found = pictures.fit(drawn(size))
    assert (found.width, found.height) == opened(found.data).size == single
    assert (opened(found.double).size if found.double else None) == double


def test_it_is_turned_upright_and_what_the_camera_noted_is_gone() -> None:
    noted = Image.Exif()
    noted[0x0112] = 6
    noted[0x010E] = "at Ann's house"
    found = pictures.fit(drawn((80, 40), "JPEG", exif=noted))
    assert (found.width, found.height) == (40, 80)
    assert dict(opened(found.data).getexif()) == {}
    assert b"Ann" not in found.data


def odd_notes(orientation: int, tag: int, kind: int, value: bytes) -> bytes:
    """Return what a camera notes: how it was held, and one tag of a kind that the tag does not have."""
    held = struct.pack("<HHIHH", 0x0112, 3, 1, orientation, 0)
    other = struct.pack("<HHI", tag, kind, len(value)) + value.ljust(4, b"\0")
    return b"Exif\0\0" + struct.pack("<2sHIH", b"II", 42, 8, 2) + held + other + struct.pack("<I", 0)


@pytest.mark.parametrize("tag", [0x011A, 0x0132, 0x8769])
def test_odd_notes_of_a_camera_do_not_keep_its_picture_out(tag: int) -> None:
    found = pictures.fit(drawn((80, 40), "JPEG", exif=odd_notes(6, tag, 2, b"x\0")))
    assert (found.width, found.height) == (40, 80)


@pytest.mark.parametrize(("orientation", "corner"), [(2, 1), (3, 3), (4, 2), (5, 0), (6, 1), (7, 3), (8, 2)])
def test_however_the_camera_was_held_the_picture_is_upright(orientation: int, corner: int) -> None:
    lying = Image.new("L", (64, 32))
    lying.paste(255, (0, 0, 16, 16))
    noted = Image.Exif()
    noted[0x0112] = orientation
    out = BytesIO()
    lying.save(out, "JPEG", exif=noted, quality=95)
    out.seek(0)
    shown = opened(pictures.fit(out).data).convert("L")
    assert shown.size == ((64, 32) if orientation < 5 else (32, 64))
    right, bottom = shown.width - 5, shown.height - 5
    bright = [shown.getpixel(at) for at in ((4, 4), (right, 4), (4, bottom), (right, bottom))]
    assert [one > 200 for one in bright] == [at == corner for at in range(4)]


def test_what_moves_goes_on_moving() -> None:
    frames = [Image.new("RGB", (1400, 70), (shade, 0, 0)) for shade in (0, 120, 240)]
    out = BytesIO()
    frames[0].save(out, "GIF", save_all=True, append_images=frames[1:], duration=[100, 200, 300], loop=0)
    out.seek(0)
    found = pictures.fit(out)
    moving = opened(found.data)
    assert (found.content_type, moving.size, getattr(moving, "n_frames", 1)) == ("image/gif", (1200, 60), 3)
    moving.seek(1)
    assert moving.info["duration"] == 200


def bomb(width: int, height: int) -> bytes:
    """Return a PNG that says it is so large, and unpacks to nothing."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0" * 1000)) + chunk(b"IEND", b"")
    )


def frames(*sizes: tuple[int, int], screen: tuple[int, int] | None = None) -> bytes:
    """Return a GIF whose frames say they are so large, and of which each is one pixel."""
    first = struct.pack("<HHBBB", *(screen or sizes[0]), 0x80, 0, 0) + b"\0\0\0\xff\xff\xff"
    drawn_as = b"\0\x02\x02\x44\x01\0"
    return b"GIF89a" + first + b"".join(b"," + struct.pack("<HHHH", 0, 0, *one) + drawn_as for one in sizes) + b";"


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (b"", "Choose a picture"),
        (b"hello", "Choose a picture"),
        (b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>', "Choose a picture"),
        (drawn((400, 400)).getvalue()[:200], "Choose a picture"),
        (drawn(kind="BMP").getvalue(), "Choose a picture"),
        (bomb(60_000, 60_000), "25 million pixels"),
        (bomb(6_000, 5_000), "25 million pixels"),
        (bomb(25_000, 10), "a side longer than 20,000"),
        (bomb(4_000, 4_000), "Choose a picture"),
        (frames((1, 1), (60_000, 60_000)), "25 million pixels"),
        (frames((1, 1), (6_000, 5_000)), "25 million pixels"),
        (frames((1, 1), (65_000, 1)), "a side longer than 20,000"),
        (frames((60_000, 60_000), (1, 1)), "25 million pixels"),
        (frames(*[(1, 1)] * 4, screen=(4_000, 4_000)), "fewer frames"),
        (frames(*[(1, 1)] * 201), "fewer frames"),
        (frames(*[(1, 1)] * 600_000), "fewer frames"),
        (frames((1, 1))[:-1] + b"!\xf9\x01\0\0" + frames((1, 1))[-16:], "Choose a picture"),
        (b"\xff" * (pictures.MOST_BYTES + 1), "more than 10 MB"),
    ],
)
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_what_is_no_picture_or_too_much_of_one_is_refused(source: bytes, said: str) -> None:
    with pytest.raises(Invalid) as refused:
        pictures.fit(BytesIO(source))
    assert said in refused.value.errors["file"]


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize(("turned", "decoded"), [(1, (4032, 3024)), (6, (4032, 3024))])
def test_of_a_large_jpeg_no_more_is_unpacked_than_is_shown(
    turned: int, decoded: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    unpacked: list[tuple[int, int]] = []
    upright = pictures._turned

    def noted(found: Image.Image) -> Image.Image:
        unpacked.append(found.size)
        return upright(found)

    monkeypatch.setattr(pictures, "_turned", noted)
    lying = Image.Exif()
    lying[0x0112] = turned
    found = pictures.fit(drawn((8064, 6048), "JPEG", exif=lying))
    assert unpacked == [decoded]
    assert found.width == 1200
    assert opened(found.double or b"").width == 2400


def test_its_address_shows_it_to_everybody_for_a_year(app: Flask, tenant: Any) -> None:
    made = add(tenant, drawn((1800, 60)))
    http = app.test_client()
    for double, width in ((False, 1200), (True, 1800)):
        answer = http.get(f"/i/{image_token(tenant.id, made.id, double=double)}")
        assert (answer.status_code, answer.content_type) == (200, "image/png")
        assert opened(answer.data).width == width
        assert "immutable" in answer.headers["Cache-Control"]
        assert "Set-Cookie" not in answer.headers
        assert "sandbox" in answer.headers["Content-Security-Policy"]
    assert http.get(f"/i/{tampered(image_token(tenant.id, made.id))}").status_code == 404
    assert http.get(f"/i/{image_token(tenant.id, uuid4())}").status_code == 404
    assert http.get(f"/i/{image_token(uuid4(), made.id)}").status_code == 404


def test_one_that_is_shown_somewhere_is_not_deleted(tenant: Any, other_tenant: Any) -> None:
    made, unused = add(tenant), add(tenant)
    template = service.create(
        tenant_id=tenant.id,
        name="Welcome",
        subject="Hello",
        html=f'<p><img src="{image_url(tenant.id, made.id)}" alt="x"></p>',
        text=None,
    )
    with pytest.raises(images.InUse, match="Welcome"):
        images.remove(tenant_id=tenant.id, image_id=made.id, actor="system")
    images.remove(tenant_id=tenant.id, image_id=unused.id, actor="system")
    with pytest.raises(images.NoSuchImage):
        images.remove(tenant_id=other_tenant.id, image_id=made.id, actor="system")
    service.archive(tenant_id=tenant.id, template_id=template.id, users=())
    images.remove(tenant_id=tenant.id, image_id=made.id, actor="system")
    assert images.page(tenant_id=tenant.id).items == []


def test_the_page_adds_describes_searches_and_deletes(client: PageClient, sign_in: Any, tenant: Any) -> None:
    sign_in("marketer")
    assert "No pictures yet" in client.get("/templates/images").text
    data = {"file": (drawn(), 'gr<b>een".png'), "alt": "The ninth green"}
    said = client.post("/templates/images", data=data, follow_redirects=True).text
    assert "gr&lt;b&gt;een" in said
    [made] = images.page(tenant_id=tenant.id).items
    assert made.alt == "The ninth green"
    refused = client.post("/templates/images", data={"file": (BytesIO(b"x"), "x.svg"), "alt": "Kept words"})
    assert refused.status_code == 422
    assert "Kept words" in refused.text
    assert "Choose a picture" in refused.text
    assert client.post("/templates/images", data={"alt": "x"}).status_code == 422
    client.post(f"/templates/images/{made.id}", data={"alt": "The tenth"})
    assert images.one(tenant_id=tenant.id, image_id=made.id).alt == "The tenth"
    assert "No picture matches" in client.get("/templates/images?q=nothing").text
    assert image_url(tenant.id, made.id) in client.get("/templates/new?editor=mjml").text
    assert image_url(tenant.id, made.id) in client.get("/templates/new?editor=visual").text
    client.post(f"/templates/images/{made.id}/delete", data={})
    assert images.page(tenant_id=tenant.id).items == []


def test_what_is_dropped_into_the_editor_is_answered_as_it_asks(client: PageClient, sign_in: Any, tenant: Any) -> None:
    sign_in("marketer")
    kept = client.post("/templates/images/drawn", data={"file": (drawn(), "green.png")}).get_json()
    [made] = images.page(tenant_id=tenant.id).items
    assert kept["data"][0]["src"] == image_url(tenant.id, made.id)
    refused = client.post("/templates/images/drawn", data={"file": (BytesIO(b"x"), "x.svg")})
    assert refused.status_code == 422
    assert "Choose a picture" in refused.get_json()["error"]


def test_the_api_does_the_same(app: Flask, api: Any, tenant: Any) -> None:
    made = api.post("/images", data={"file": (drawn((1800, 60)), "green.png"), "alt": "Green"}).get_json()
    assert (made["width"], made["alt"], made["double_url"] is None) == (1200, "Green", False)
    assert [one["id"] for one in api.get("/images?q=gre").get_json()["items"]] == [made["id"]]
    assert api.patch(f"/images/{made['id']}", json={"alt": "Lawn"}).get_json()["alt"] == "Lawn"
    assert api.patch(f"/images/{made['id']}", json={"alt": "Lawn", "name": "a\u202eb"}).status_code == 422
    assert api.patch(f"/images/{made['id']}", json={"alt": "Lawn", "name": " "}).status_code == 422
    assert api.patch(f"/images/{made['id']}", json={"alt": "Lawn", "name": "Lawn.png"}).get_json()["name"] == "Lawn.png"
    assert ApiClient(app, tenant.id, "viewer").delete(f"/images/{made['id']}").status_code == 403
    assert api.delete(f"/images/{made['id']}").status_code == 204
    assert api.get(f"/images/{made['id']}").status_code == 404
