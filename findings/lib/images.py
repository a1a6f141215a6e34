# Copyright The Edge Registry Operator Authors.
# SPDX-License-Identifier: Apache-2.0
"""Pushes images without layers to a registry, for the findings."""
import base64
import hashlib
import json
import urllib.request

DOCKER = "application/vnd.docker.distribution.manifest"
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
OCI = "application/vnd.oci.image"
OCI_CONFIG = OCI + ".config.v1+json"


class Repository:
    """The repository plant/sensor of a registry at host:port, with a login `user:password` or none."""

    def __init__(self, address, login=None):
        self.base = f"http://{address}/v2/plant/sensor"
        self.headers = {}
        if login:
            self.headers["Authorization"] = "Basic " + base64.b64encode(login.encode()).decode()

    def send(self, method, url, body, kind):
        request = urllib.request.Request(url, body, self.headers | {"Content-Type": kind}, method=method)
        with urllib.request.urlopen(request) as answer:
            return answer.headers

    def blob(self, body, kind):
        """Uploads bytes and returns their descriptor."""
        digest = digest_of(body)
        place = self.send("POST", f"{self.base}/blobs/uploads/", b"", "application/octet-stream")["Location"]
        self.send("PUT", f"{place}&digest={digest}", body, "application/octet-stream")
        return {"mediaType": kind, "digest": digest, "size": len(body)}

    def manifest(self, document, tag=None):
        """Pushes a manifest or an index by its tag, else by its digest, and returns its descriptor."""
        body = json.dumps(document).encode()
        kind, digest = document["mediaType"], digest_of(body)
        self.send("PUT", f"{self.base}/manifests/{tag or digest}", body, kind)
        return {"mediaType": kind, "digest": digest, "size": len(body)}

    def image(self, kind, config, architecture, tag=None, comment=""):
        """Pushes an image of one architecture and returns its descriptor."""
        about = {"architecture": architecture, "os": "linux", "comment": comment, "rootfs": {"type": "layers", "diff_ids": []}}
        part = self.blob(json.dumps(about).encode(), config)
        return self.manifest({"schemaVersion": 2, "mediaType": kind, "config": part, "layers": []}, tag)


def digest_of(body):
    return "sha256:" + hashlib.sha256(body).hexdigest()
