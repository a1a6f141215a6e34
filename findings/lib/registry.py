# Copyright The Edge Registry Operator Authors.
# SPDX-License-Identifier: Apache-2.0
"""A registry that answers /v2/ with a challenge, for the findings: `python3 registry.py basic|bearer`.

It writes its port to the file `port` and each request to standard output, with what is in Authorization.
"""
import http.server
import sys


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        print(self.command, self.path, self.headers.get("Authorization", "-"), body or "-", flush=True)
        token = self.path.startswith("/token")
        answer = b'{"token": "given", "access_token": "given"}' if token else b"{}"
        welcome = token or "Authorization" in self.headers
        self.send_response(200 if welcome else 401)
        if not welcome:
            self.send_header("WWW-Authenticate", challenge(self.headers["Host"]))
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer)

    do_HEAD = do_POST = do_GET

    def log_message(self, *_):
        pass


def challenge(host):
    if sys.argv[1] == "basic":
        return 'Basic realm="stand-in"'
    return f'Bearer realm="http://{host}/token",service="stand-in"'


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
with open("port", "w") as file:
    file.write(str(server.server_port))
server.serve_forever()
