"""A real server that receives webhooks."""

import contextlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Receiver(ThreadingHTTPServer):
    """Keeps what it receives; answers with the next of *answers*, and with 200 after them.

    An answer is a status, or a callable that is given the handler.
    """

    daemon_threads = True

    def __init__(self, answers=()):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers = list(answers)
        self.requests = []

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}/services/T0/secret-path?token=secret-query"

    @property
    def documents(self):
        """The documents that were answered with 200."""
        return [document for status, document, _ in self.requests if status == 200]

    def handle_error(self, request, client_address):
        """A client that went away is no error of a test."""


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        answer = self.server.answers.pop(0) if self.server.answers else 200
        self.server.requests.append((answer, json.loads(body), dict(self.headers)))
        if callable(answer):
            answer(self)
        else:
            self.send_response(answer)
            if 300 <= answer < 400:
                self.send_header("Location", "/elsewhere")
            self.end_headers()
            self.wfile.write(b"ok")

    def do_GET(self):
        self.server.requests.append(("GET", None, dict(self.headers)))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *args):
        pass


@contextlib.contextmanager
def receiving(*answers):
    """Serve in this block."""
    with Receiver(answers) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
