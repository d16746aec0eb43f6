"""A small model that reads, in a real worker behind a real Envoy: every way in gives the text of the image."""

from __future__ import annotations

import base64
import re
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests.colour_reader import line, page, png, write_colour_reader
from tests.pdf_files import form_of_itself, image_pdf, long_path, nested_forms, text_pdf

from command_line import panope
from panope_client import Client, InvalidInputError, PanopeClientError, RetryPolicy, UnavailableError
from panope_registry.session import RegistrySession

# A server with a worker, and a process for each command.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

MODEL = "acme/colours"
PAGE = page([(20, 20, line("rgb")), (40, 60, line("rb g")), (200, 60, line("gg"))])
TEXT = ["rgb", "rb g", "gg"]


@pytest.fixture(scope="module")
def server(make_servers: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    folder = tmp_path_factory.mktemp("ocr")
    home = folder / "home"
    session = RegistrySession.open(home / "registry.sqlite3", home)
    session.registry.import_folder(write_colour_reader(folder / "model"), MODEL)
    session.close()
    servers = make_servers(folder, folder)
    try:
        yield servers.start(f"--load={MODEL}", home=home, demo=False, PANOPE_LIMITS_MEDIA_MAX_PAGE_SECONDS="1")
    finally:
        servers.stop()


@pytest.fixture(scope="module")
def client(server: Any) -> Iterator[Client]:
    with Client(server.grpc_address) as made:
        yield made


def lines(client: Client, *images: Image.Image, **options: Any) -> list[list[str]]:
    found = client.recognize([png(image) for image in images], MODEL, **options)
    return [[each.text for each in page.lines] for page in found.pages]


def test_grpc_gives_the_text_of_each_page_in_its_order(client: Client) -> None:
    turned = Image.fromarray(np.rot90(np.asarray(PAGE.crop((0, 0, 400, 50)))))
    many = [PAGE, page([]), turned, page([(9, 9, line("b"))], (60, 60)), PAGE, PAGE]
    assert lines(client, *many) == [TEXT, [], ["rgb"], ["b"], TEXT, TEXT]
    (found,) = client.recognize([png(PAGE)], MODEL, words=True).pages
    assert (found.number, found.width, found.height) == (1, 400, 300)
    assert [[word.text for word in each.words] for each in found.lines] == [["rgb"], ["rb", "g"], ["gg"]]
    assert [round(point.x) for point in found.lines[0].corners] == pytest.approx([20, 131, 131, 20], abs=2)


def test_rest_gives_it_through_envoy(server: Any) -> None:
    sent = {"model": MODEL, "inputs": base64.b64encode(png(PAGE)).decode(), "parameters": {"words": True}}
    for path in ("/v1/ocr", "/v1/tool/ocr"):
        reply = server.post(path, sent)
        assert reply.status == 200, reply.body
        (found,) = reply.json["pages"]
        assert (reply.json["model"], found["page"], found["text"]) == (MODEL, 1, "\n".join(TEXT))
        assert [word["text"] for word in found["lines"][1]["words"]] == ["rb", "g"]
    plain = server.post(f"/v1/ocr/{MODEL}", body=png(PAGE), headers={"content-type": "image/png"})
    assert [each["text"] for each in plain.json["pages"][0]["lines"]] == TEXT
    assert "words" not in plain.json["pages"][0]["lines"][0]


def test_the_command_line_reads_and_draws(server: Any, tmp_path: Path) -> None:
    image, drawn = tmp_path / "page.png", tmp_path / "drawn.png"
    image.write_bytes(png(PAGE))
    command = ("ocr", MODEL, image, "--address", server.grpc_address)
    assert panope(*command, "--draw", drawn).out.splitlines() == TEXT
    with Image.open(drawn) as opened:
        assert opened.size == PAGE.size
        assert opened.convert("RGB").tobytes() != PAGE.tobytes()
    assert [each["text"] for each in panope(*command, "--json", "--words").json["lines"]] == TEXT


def test_pages_of_documents_are_read_every_way_in(server: Any, client: Client, tmp_path: Path) -> None:
    data = image_pdf(PAGE, page([(20, 20, line("b"))]), page([]))
    found = client.recognize_document(data, MODEL, dpi=72)
    assert [(each.number, [line.text for line in each.lines]) for each in found.pages] == [
        (1, TEXT),
        (2, ["b"]),
        (3, []),
    ]
    plain = server.post(f"/v1/ocr/{MODEL}", body=data, headers={"content-type": "application/pdf"})
    assert [each["page"] for each in plain.json["pages"]] == [1, 2, 3]
    sent = {"inputs": base64.b64encode(data).decode(), "parameters": {"pages": "2-", "dpi": 72}}
    reply = server.post("/v1/ocr", sent)
    assert [(each["page"], each["text"]) for each in reply.json["pages"]] == [(2, "b"), (3, "")]
    file = tmp_path / "file.pdf"
    file.write_bytes(data)
    command = ("ocr", MODEL, file, "--address", server.grpc_address)
    pages = panope(*command, "--dpi", "72", "--pages", "1,2").out.split("\f")
    assert [each.splitlines() for each in pages] == [TEXT, ["b"]]
    assert "`--draw` is for images" in panope(*command, "--draw", tmp_path / "a.png", code=1).err


def test_the_text_that_a_page_holds_is_told_where_it_is_asked_for(server: Any, client: Client) -> None:
    data = text_pdf(["Held by the file"])
    (found,) = client.recognize_document(data, MODEL, text_layer=True, words=True).pages
    assert found.is_text_layer
    assert [(each.text, len(each.words)) for each in found.lines] == [("Held by the file", 4)]
    sent = {"inputs": base64.b64encode(data).decode(), "parameters": {"text_layer": True}}
    (told,) = server.post("/v1/ocr", sent).json["pages"]
    assert (told["text_layer"], told["text"]) == (True, "Held by the file")


def test_documents_that_cannot_be_read_are_refused_by_name(server: Any, client: Client) -> None:
    with pytest.raises(InvalidInputError, match=r"`document\.content` is encrypted"):
        client.recognize_document(text_pdf(["a"], password="secret"), MODEL)
    with pytest.raises(InvalidInputError, match=r"`document\.content\.pages\[0\]` has 25,000 × 25,000 pixels"):
        client.recognize_document(text_pdf(["a"], size=(12_000, 12_000)), MODEL)
    with pytest.raises(InvalidInputError, match=r"`document\.pages` must name pages from 1 on, in ascending order"):
        client.recognize_document(text_pdf(["a"]), MODEL, pages="3-1")
    with pytest.raises(InvalidInputError, match=r"`document\.dpi` must be 36 to 600"):
        client.recognize_document(text_pdf(["a"]), MODEL, dpi=601)
    with pytest.raises(InvalidInputError, match=r"`document\.content` is empty"):
        client.recognize_document(b"", MODEL)

    def refused(body: bytes, **parameters: object) -> tuple[int, str, str]:
        reply = server.post("/v1/ocr", {"inputs": base64.b64encode(body).decode(), "parameters": parameters})
        return reply.status, reply.json["error"]["param"], reply.json["error"]["message"]

    assert refused(text_pdf(["a"]), pages="2")[:2] == (400, "parameters.pages")
    assert refused(png(PAGE), pages="1") == (
        400,
        "parameters.pages",
        "`parameters.pages` is for PDF files, and `inputs` holds an image",
    )
    assert refused(b"%PDF-1.4 and no more")[:2] == (400, "inputs")


def test_pages_that_take_too_much_fail_alone_while_others_are_read(server: Any, client: Client) -> None:
    (worker,) = server.workers()
    bombs = [nested_forms(), form_of_itself(), long_path(64 << 20)]

    def refused(data: bytes) -> tuple[int, str, str]:
        reply = server.post(f"/v1/ocr/{MODEL}", body=data, headers={"content-type": "application/pdf"})
        return reply.status, reply.json["error"]["param"], reply.json["error"]["message"]

    with ThreadPoolExecutor(len(bombs)) as pool:
        sent = [pool.submit(refused, bomb) for bomb in bombs]
        read = 0
        while not all(each.done() for each in sent):
            assert lines(client, PAGE) == [TEXT]
            read += 1
        assert read > 3
        for each in sent:
            status, field, words = each.result()
            assert (status, field) == (400, "inputs.pages[0]")
            assert re.search(r"is not read within (1 seconds of processor time|[\d,]+ bytes of memory)", words)
    assert [each.pid for each in server.workers()] == [worker.pid]
    (found,) = client.recognize_document(image_pdf(PAGE), MODEL, dpi=72).pages
    assert [each.text for each in found.lines] == TEXT


def test_lines_of_several_callers_are_read_together_and_each_hears_its_own(client: Client) -> None:
    texts = ["r", "g", "b", "rg", "gb", "rb"]
    with ThreadPoolExecutor(6) as pool:
        told = pool.map(lambda text: lines(client, page([(20, 20, line(text)), (20, 60, line("r"))])), texts * 4)
        assert list(told) == [[[text, "r"]] for text in texts * 4]


def test_what_is_no_image_or_no_such_parameter_is_refused_by_name(server: Any, client: Client) -> None:
    with pytest.raises(InvalidInputError, match=r"`images\[5\]`"):
        client.recognize([png(PAGE)] * 5 + [b"%PDF-1.7"], MODEL)
    with pytest.raises(InvalidInputError, match="`threshold` must be a number from 0 to 1"):
        client.recognize([png(PAGE)], MODEL, threshold=1.5)
    with pytest.raises(InvalidInputError, match="`images` is empty"):
        client.recognize([], MODEL)
    reply = server.post("/v1/ocr", {"model": MODEL, "inputs": "YQ==", "parameters": {"word": True}})
    assert (reply.status, "word" in reply.json["error"]["message"]) == (400, True)


def test_a_call_whose_worker_dies_fails_and_the_next_is_answered(server: Any) -> None:
    told: list[object] = []

    def ask(client: Client) -> None:
        try:
            told.append(lines(client, PAGE))
        except PanopeClientError as error:
            told.append(type(error))

    (worker,) = server.workers()
    with Client(server.grpc_address, retries=RetryPolicy(max_attempts=1)) as client:
        worker.suspend()  # in the middle of whatever it does
        thread = threading.Thread(target=ask, args=(client,))
        thread.start()
        running = f'panope_in_flight_items{{model="{MODEL}"}} 1'
        server.wait(lambda: running in server.admin("/metrics").body.decode(), 20, "work in the worker")
        worker.kill()
        thread.join(60)
        assert told == [UnavailableError]
        server.wait_ready(60)
        assert lines(client, PAGE) == [TEXT]
