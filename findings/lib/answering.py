# Copyright The Edge Registry Operator Authors.
# SPDX-License-Identifier: Apache-2.0
"""What the servers of the findings share: they answer whole, say nothing themselves, and write their port to the file `port`."""
import http.server


class Handler(http.server.BaseHTTPRequestHandler):
    def answer(self, status, headers, body=b"{}"):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_):
        pass


def serve(handler):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    with open("port", "w") as file:
        file.write(str(server.server_port))
    server.serve_forever()
