"""A model hub on loopback, as far as `huggingface_hub` needs one to download a repository."""

import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class HubServer:
    """Holds one repository, `name`, with the files of `folder` at one commit."""

    def __init__(self, folder: Path, name: str) -> None:
        self.fetched: list[str] = []
        hub = self

        class Handler(BaseHTTPRequestHandler):
            def do_HEAD(self) -> None:
                self._answer(with_body=False)

            def do_GET(self) -> None:
                self._answer(with_body=True)

            def _answer(self, *, with_body: bool) -> None:
                path = self.path.partition("?")[0]
                files = {file.name: file for file in folder.iterdir()}
                if path in {f"/api/models/{name}/revision/{one}" for one in ("main", COMMIT)}:
                    siblings = [{"rfilename": one} for one in sorted(files)]
                    return self._tell({"id": name, "sha": COMMIT, "siblings": siblings})
                if path == f"/api/models/{name}/tree/{COMMIT}":
                    return self._tell(
                        [
                            {"type": "file", "path": one, "size": file.stat().st_size, "oid": one}
                            for one, file in sorted(files.items())
                        ]
                    )
                file = files.get(path.removeprefix(f"/{name}/resolve/{COMMIT}/"))
                if file is None:
                    self.send_error(404)
                    return None
                content = file.read_bytes()
                tag = hashlib.sha256(content).hexdigest()
                if with_body:
                    hub.fetched.append(file.name)
                headers = {"ETag": f'"{tag}"', "X-Repo-Commit": COMMIT}
                return self._send(content, headers, with_body=with_body)

            def _tell(self, told: object) -> None:
                self._send(json.dumps(told).encode(), {}, with_body=True)

            def _send(self, content: bytes, headers: dict[str, str], *, with_body: bool) -> None:
                self.send_response(200)
                for key, value in (headers | {"Content-Length": str(len(content))}).items():
                    self.send_header(key, value)
                self.end_headers()
                if with_body:
                    self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> "HubServer":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"
