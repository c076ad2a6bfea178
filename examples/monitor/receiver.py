#!/usr/bin/env python3
"""Receives alerts on 127.0.0.1:8099 and prints them. It refuses each first attempt, to show that they are tried again."""

import http.server
import sys

seen = set()


class Receiver(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"])).decode()
        first = body not in seen
        seen.add(body)
        print("refused " if first else "received", body.strip(), flush=True)
        self.send_response(503 if first else 204)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


try:
    http.server.HTTPServer(("127.0.0.1", 8099), Receiver).serve_forever()
except KeyboardInterrupt:
    sys.exit()
