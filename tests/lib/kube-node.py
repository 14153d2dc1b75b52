#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# kube-node.py FILE RUNTIME: the part of the Kubernetes API that knows one node, "node1", with the container runtime
# given. Prints its address; keeps the node's labels in FILE as JSON, where merge patches change them.
import http.server
import json
import os
import sys

PATH, RUNTIME = sys.argv[1:]
labels = {"kubernetes.io/os": "linux"}


class Node(http.server.BaseHTTPRequestHandler):
    def answer(self, code, document):
        body = json.dumps(document, indent=2).encode()
        self.send_response(code)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def node(self):
        if self.headers.get("Authorization") != "Bearer secret":
            self.answer(401, {"kind": "Status", "code": 401})
        elif self.path != "/api/v1/nodes/node1":
            self.answer(404, {"kind": "Status", "code": 404})
        else:
            info = {"containerRuntimeVersion": RUNTIME, "kernelVersion": "6.1.0"}
            self.answer(200, {"kind": "Node", "metadata": {"name": "node1", "labels": labels}, "status": {"nodeInfo": info}})

    do_GET = node

    def do_PATCH(self):
        patch = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.headers["Content-Type"] != "application/merge-patch+json":
            self.answer(415, {"kind": "Status", "code": 415})
            return
        for key, value in patch["metadata"]["labels"].items():
            if value is None:
                labels.pop(key, None)
            else:
                labels[key] = value
        with open(PATH + ".new", "w") as file:
            json.dump(labels, file)
        os.rename(PATH + ".new", PATH)
        self.node()

    def log_message(self, *_):
        pass


server = http.server.HTTPServer(("127.0.0.1", 0), Node)
print(f"http://127.0.0.1:{server.server_port}", flush=True)
server.serve_forever()
