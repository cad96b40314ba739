"""The page's server: on the loopback address only, for this machine's browser, with nothing from or to elsewhere."""

import json
import socketserver
import sys
import threading
import time
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import resources
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from segsweep.demo.limits import MOST_BYTES, MOST_WAITING
from segsweep.demo.workplace import Workplace
from segsweep.errors import SegsweepError, reason_of

HOST = "127.0.0.1"
_PAGES = {
    "/": ("page.html", "text/html; charset=utf-8"),
    "/page.css": ("page.css", "text/css; charset=utf-8"),
    "/page.js": ("page.js", "text/javascript; charset=utf-8"),
}
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; "
        "form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
_SECONDS_OF_SILENCE = 20
"""After which a connection is given up."""
_DROPPED = 8 * MOST_BYTES
"""Bytes of a body that is too large which are read, or the browser would not hear why it was refused."""
_LONGEST_NAME = 100


class DemoServer(ThreadingHTTPServer):
    """Serves the page of a workplace, at `url`."""

    daemon_threads = True

    def __init__(self, workplace: Workplace, port: int):
        """`port`: 0 for any that is free. Raises SegsweepError where it is not free."""
        self.workplace = workplace
        self.room = threading.BoundedSemaphore(MOST_WAITING)
        try:
            super().__init__((HOST, port), _Handler)
        except OSError as error:
            raise SegsweepError(
                f"--port {port}: cannot be listened to ({error.strerror}); give another, or 0 for any that is free"
            ) from error

    def server_bind(self) -> None:
        # Not that of HTTPServer, which asks the name service for this host's name.
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = HOST, int(self.server_address[1])

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.server_port}/"

    @property
    def hosts(self) -> frozenset[str]:
        """What a browser that was given `url` calls this host. Other names are those of an attack by name service."""
        return frozenset(f"{name}:{self.server_port}" for name in (HOST, "localhost"))

    def handle_error(self, request: Any, client_address: Any) -> None:
        # A browser that went away is none.
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


class _Refused(Exception):
    """A request that is answered with a status and one line."""

    def __init__(self, status: HTTPStatus, line: str):
        super().__init__(line)
        self.status, self.line = status, line


class _Handler(BaseHTTPRequestHandler):
    server: DemoServer
    timeout = _SECONDS_OF_SILENCE

    def do_GET(self) -> None:
        self._answer(self._page)

    def do_POST(self) -> None:
        self._answer(self._prediction)

    def version_string(self) -> str:
        return "segsweep"

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing: the terminal is the user's."""

    def _answer(self, make: Any) -> None:
        try:
            self._require_this_page()
            status, kind, content = make()
        except _Refused as refused:
            status, kind = refused.status, "application/json"
            content = json.dumps({"error": " ".join(refused.line.split())}).encode()
        self.send_response(status)
        for name, value in {**_HEADERS, "Content-Type": kind, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def _require_this_page(self) -> None:
        if self.headers.get_all("Host") not in [[host] for host in self.server.hosts]:
            raise _Refused(HTTPStatus.FORBIDDEN, f"this page is {self.server.url} and answers to no other name")
        origin = self.headers.get("Origin")
        if origin is not None and origin.removeprefix("http://") not in self.server.hosts:
            raise _Refused(HTTPStatus.FORBIDDEN, "other pages may not ask this one")

    def _page(self) -> tuple[HTTPStatus, str, bytes]:
        path = urlsplit(self.path).path
        if path == "/models.json":
            facts = {**self.server.workplace.facts, "most_bytes": MOST_BYTES}
            return HTTPStatus.OK, "application/json", json.dumps(facts).encode()
        if path not in _PAGES:
            raise _Refused(HTTPStatus.NOT_FOUND, f"{path[:_LONGEST_NAME]}: there is no such page")
        name, kind = _PAGES[path]
        return HTTPStatus.OK, kind, resources.files("segsweep.demo").joinpath("page", name).read_bytes()

    def _prediction(self) -> tuple[HTTPStatus, str, bytes]:
        address = urlsplit(self.path)
        if address.path != "/predict":
            raise _Refused(HTTPStatus.NOT_FOUND, f"{address.path[:_LONGEST_NAME]}: there is no such page")
        if self.headers.get("Content-Type") != "application/octet-stream":
            # The kinds that forms send may come from any page of the web without being asked for.
            raise _Refused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "an image is sent as application/octet-stream")
        length = self._length()
        whole = parse_qs(address.query).get("how") == ["whole"]
        name = unquote(self.headers.get("X-Name", "")).replace("\\", "/").rpartition("/")[2]
        name = "".join(each for each in name if each.isprintable())[-_LONGEST_NAME:] or "image"
        if not self.server.room.acquire(blocking=False):
            self._drop(length)
            raise _Refused(HTTPStatus.SERVICE_UNAVAILABLE, "too many images at a time; try again when one is done")
        try:
            content = self.rfile.read(length)
            if len(content) < length:
                raise _Refused(HTTPStatus.BAD_REQUEST, f"{name}: only {len(content)} of {length} bytes arrived")
            found = self.server.workplace.look_at(name, content, whole)
        except SegsweepError as error:
            raise _Refused(HTTPStatus.BAD_REQUEST, str(error)) from error
        except RuntimeError as error:
            print(error, file=sys.stderr)
            line = f"{name}: a defect of segsweep ({reason_of(error)[:200]}); its terminal says more"
            raise _Refused(HTTPStatus.INTERNAL_SERVER_ERROR, line) from error
        finally:
            self.server.room.release()
        return HTTPStatus.OK, "application/json", json.dumps(found).encode()

    def _length(self) -> int:
        """Of the body, in bytes."""
        said = self.headers.get("Content-Length", "")
        if not (said.isascii() and said.isdigit()) or self.headers.get("Transfer-Encoding") is not None:
            raise _Refused(HTTPStatus.LENGTH_REQUIRED, "an image is sent with its length in bytes")
        length = int(said)
        if length > MOST_BYTES:
            self._drop(length)
            raise _Refused(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                f"the file has {length / 2**20:.1f} MiB, and this page takes {MOST_BYTES / 2**20:.0f} MiB; "
                "map it with segsweep predict",
            )
        return length

    def _drop(self, length: int) -> None:
        left, end = min(length, _DROPPED), time.monotonic() + _SECONDS_OF_SILENCE
        while left > 0 and time.monotonic() < end and (data := self.rfile.read(min(left, 2**20))):
            left -= len(data)
