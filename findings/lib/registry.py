# Copyright The Edge Registry Operator Authors.
# SPDX-License-Identifier: Apache-2.0
"""A registry that answers /v2/ with a challenge, for the findings: `python3 registry.py basic|bearer`.

It writes its port to the file `port` and each request to standard output, with what is in Authorization.
"""
import sys

import answering


class Handler(answering.Handler):
    def do_GET(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        print(self.command, self.path, self.headers.get("Authorization", "-"), body or "-", flush=True)
        token = self.path.startswith("/token")
        answer = b'{"token": "given", "access_token": "given"}' if token else b"{}"
        welcome = token or "Authorization" in self.headers
        headers = {} if welcome else {"WWW-Authenticate": challenge(self.headers["Host"])}
        self.answer(200 if welcome else 401, headers, answer)

    do_HEAD = do_POST = do_GET


def challenge(host):
    if sys.argv[1] == "basic":
        return 'Basic realm="stand-in"'
    return f'Bearer realm="http://{host}/token",service="stand-in"'


answering.serve(Handler)
