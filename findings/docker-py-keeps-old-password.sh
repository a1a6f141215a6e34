#!/usr/bin/env bash
# Copyright The Edge Registry Operator Authors.
# SPDX-License-Identifier: Apache-2.0
#
# Docker's library for Python passes over a new password if the user has a login already: login() succeeds and asks nobody.
#
# Versions:  python3-docker 7.1.0 (PyPI's docker, and Debian 13); Debian 12's 5.0.3 does the same
# Expected:  login(user, password) logs in with that password, as `docker login` does; what is stored counts without a login.
# Seen:      if the file or an earlier login() has an entry of that user for the registry, that entry is returned, with its old
#            password, and the engine is not asked. Pulls and pushes go on with the old password. With reauth=True, which is
#            described as "refresh existing authentication on the Docker server", the new one counts.
# Who:       whoever renews a login whose user stays: `iamapikey` of IBM Cloud, a robot of Harbor with a new secret, a service
#            account of OpenShift. The program is given the new password and fails when the old one ends, long after.
# Source:    the library; only its comments say that an existing login is returned.
set -euo pipefail
# shellcheck source=/dev/null
. "$(dirname "$0")/lib/common.sh"

version=$(python3 -c 'import docker; print(docker.__version__)') || fail "not installed: apt-get install python3-docker"
case $version in
5.0.3 | 7.1.0) echo "python3-docker $version" ;;
*) fail "this is about python3-docker 5.0.3 and 7.1.0, and here is: $version" ;;
esac

cat >ask.py <<'PYTHON'
# `ask.py PASSWORD [reauth]`: logs in and pulls by a stand-in for Docker's engine, and tells the passwords that it was given.
import base64, docker, http.server, json, sys, threading

import answering

logins, pulls = [], []

class Engine(answering.Handler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path.endswith("/auth"):
            logins.append(json.loads(body)["password"])
        else:
            pulls.append(json.loads(base64.urlsafe_b64decode(self.headers["X-Registry-Auth"]))["password"])
        self.answer(200, {"Content-Type": "application/json"}, b'{"Status": "Login Succeeded"}')

server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Engine)
threading.Thread(target=server.serve_forever, daemon=True).start()
client = docker.APIClient(base_url=f"http://127.0.0.1:{server.server_port}", version="1.41")
client.login("iamapikey", sys.argv[1], registry="registry.example.com", reauth="reauth" in sys.argv)
client.pull("registry.example.com/plant/sensor", "1.0.0")
print("engine tried", " ".join(logins) or "none,", "and pulled with", " ".join(pulls))
PYTHON

seen "no login stored" "engine tried new and pulled with new" "$(python3 ask.py new)"
mkdir home/.docker
echo "{\"auths\": {\"registry.example.com\": {\"auth\": \"$(encoded iamapikey:old)\"}}}" >home/.docker/config.json
seen "a login of that user stored" "engine tried none, and pulled with old" "$(python3 ask.py new)"
seen "the same, reauth=True" "engine tried new and pulled with new" "$(python3 ask.py new reauth)"
echo "{\"auths\": {\"registry.example.com\": {\"auth\": \"$(encoded other:old)\"}}}" >home/.docker/config.json
seen "a login of another user stored" "engine tried new and pulled with new" "$(python3 ask.py new)"
echo "as stated"
