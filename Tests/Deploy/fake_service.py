#!/usr/bin/env python3
"""Stands in for a service under `roost up`: takes its flags, says that it is ready, ends on SIGTERM.

ROOST_FAKE_REFUSES=ID makes that instance end with code 64, as for a wrong setting.
"""

import os
import signal
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

flags = dict(zip(sys.argv[1::2], sys.argv[2::2]))
id, run = flags["--id"], Path(flags["--run-dir"])


class Admin(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = b'{"ready":true,"conditions":{"running":null}}\n'
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


if os.environ.get("ROOST_FAKE_REFUSES") == id:
    print(f"{id}: bad value for colour (from flag --colour): expected blue.")
    sys.exit(64)
server = HTTPServer(("127.0.0.1", 0), Admin)
signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
(run / f"{id}.admin").write_text(f"127.0.0.1:{server.server_port}\n")
server.serve_forever()
with open(run / "ends.txt", "a") as ends:
    ends.write(f"{id}\n")
