# Copyright The Edge Registry Operator Authors.
# SPDX-License-Identifier: Apache-2.0
"""A registry with one image to be cached or copied, for the findings: `python3 upstream.py basic|REALM`.

It takes the logins of the file `welcome`, `user:password` in each line, by itself or by tokens from the URL in REALM. It is a
proxy for HTTP too, so that it can have any name. Until there is that file it answers 503. It writes its port to the file `port`
and each request to standard output, with what is in Authorization.
"""
import base64
import hashlib
import json
import os
import sys

import answering

KIND = "application/vnd.oci.image.manifest.v1+json"
realm = sys.argv[1]


def welcome():
    """What Authorization holds with each of the logins."""
    with open("welcome") as file:
        return ["Basic " + base64.b64encode(line.strip().encode()).decode() for line in file]


def digest_of(body):
    return "sha256:" + hashlib.sha256(body).hexdigest()


part = {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": digest_of(b"{}"), "size": 2}
manifest = json.dumps({"schemaVersion": 2, "mediaType": KIND, "config": part, "layers": []}).encode()


class Handler(answering.Handler):
    def do_GET(self):
        login = self.headers.get("Authorization", "-")
        print(self.command, self.path, login, flush=True)
        if self.path.startswith(realm):
            self.answer(200, {}, b'{"token": "%s"}' % (b"good" if login in welcome() else b"of-nobody"))
        elif not os.path.exists("welcome"):
            self.answer(503, {})
        elif login not in (welcome() if realm == "basic" else ["Bearer good"]):
            challenge = 'Basic realm="upstream"' if realm == "basic" else f'Bearer realm="{realm}",service="upstream"'
            self.answer(401, {"WWW-Authenticate": challenge})
        elif "/manifests/" in self.path:
            self.answer(200, {"Content-Type": KIND, "Docker-Content-Digest": digest_of(manifest)}, manifest)
        else:
            self.answer(200, {})

    do_HEAD = do_GET


answering.serve(Handler)
