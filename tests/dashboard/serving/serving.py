"""A document server that answers while a block runs, and questions to it."""

import contextlib
import http.client
import threading

from learning_instrument.dashboard.serving.server import DocumentServer


@contextlib.contextmanager
def serving(routes, *admission, host="127.0.0.1", **options):
    """Serve *routes* in this block."""
    with DocumentServer(host, 0, routes, *admission, **options) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def ask(server, path="/page", method="GET", body=None, **headers):
    """Return status, headers and body of the answer; ``_`` in the name of a header stands for ``-``."""
    connection = http.client.HTTPConnection(*server.server_address[:2], timeout=30)
    try:
        connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()
    finally:
        connection.close()
