# SPDX-License-Identifier: Apache-2.0
"""Texts: the golden documents with one thing wrong in each, and what chance hardly finds."""

import copy
import glob
import json

from seedbox import seed


def places(node, path=()):
    """Every place of a document."""
    yield path
    if isinstance(node, (dict, list)):
        for key, value in node.items() if isinstance(node, dict) else enumerate(node):
            yield from places(value, path + (key,))


def put(node, path, value):
    """The document with another value in one place."""
    if not path:
        return value
    node = copy.copy(node)
    node[path[0]] = put(node[path[0]], path[1:], value)
    return node


def without_indexes(path):
    return tuple(key if isinstance(key, str) else 0 for key in path)


def specs():
    return [
        json.load(open(f)) for f in sorted(glob.glob("tests/golden/oci/pass-*.json") + glob.glob("tests/golden/samples/*.json"))
    ]


def wrong_types(document, tried):
    """Each member once as something that it must not be."""
    for path in places(document):
        if without_indexes(path) in tried or not path:
            continue
        tried.add(without_indexes(path))
        at = document
        for key in path[:-1]:
            at = at[key]
        old = at[path[-1]]
        for value in ([1], {"a": 1}, "text", -1, None)[: 3 if isinstance(old, (int, bool)) else 5]:
            if type(value) is not type(old) or value == [1]:
                # Only the way there: small documents, which say what is looked at.
                part = value
                for depth in range(len(path) - 1, -1, -1):
                    part = [part] if isinstance(path[depth], int) else {path[depth]: part}
                seed(json.dumps(part))
                break


def json_seeds():
    for text in (
        '{"a":' + "9" * 400 + "}",
        "[" * 40 + "]" * 40,
        '"\\u0000"',
        '{"\\u0000":1}',
        "[" + "1," * 1100 + "1]",
        '{"a":1,"a":2,"b":3,"a":4}',
        '{"a":{"b":[1,{"c":"x"}]}}',
        "[1",
        "tru",
        '{"a" 1}',
        "[1.5,18446744073709551615,-3,1e999]",
        '{"b":true,"i":-1,"u":1,"n":2,"s":"x","o":{},"a":[]}',
        '{"b":1,"i":"x","u":-1,"n":9999999999,"s":1,"o":[],"a":{}}',
        '{"b":null,"i":null,"u":null,"n":null,"s":null,"o":null,"a":null}',
        '"\\ud800"',
        '"\\ud83d\\ude00 \\u00e9 \\u20ac"',
        b'"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\xed\x9f\xbf\xf4\x8f\xbf\xbf"',
        '{"' + "k" * 100 + '":[[[["' + "v" * 300 + '"]]]]}',
        '["\\b\\f\\n\\r\\t\\u0001\\u007f\\"\\\\/"]',
        "\n\n {\n x",
        '{"a":[1,2,[3,{"deep":{"er":null}}]]}',
        "",
        "null",
        "[]",
        "{}",
        "1",
        "1 1",
    ):
        seed(text)
    for data in (
        b"\xe0\x9f\x80",
        b"\xed\xa0\x80",
        b"\xf0\x8f\x80\x80",
        b"\xf4\x90\x80\x80",
        b"\xc2\x85\x1b\x07",
        b"\xff",
        b"\xe2\x82",
        b"\x00\xd8\x00\x00",
        b"\xff\xff\x10\x00",
        b"\x00\x00\x11\x00",
        b"\xac\x20\x00\x00",
        b"\xe9\x00\x00\x00",
        b"\xf0\x9f\x98\xff",
    ):
        seed(data)


def oci_seeds():
    tried = set(), set(), set()
    for spec in specs():
        if "process" in spec:
            seed(json.dumps(spec["process"]))
        if "resources" in spec.get("linux", {}):
            seed(json.dumps(spec["linux"]["resources"]))
        wrong_types(spec, tried[0])
        wrong_types(spec.get("linux", {}).get("resources", {}), tried[1])
        wrong_types(spec.get("process", {}), tried[2])
    base = {"ociVersion": "1.0.2"}
    dialects = (
        ("io.kubernetes.cri.container-type", "sandbox", "container", "io.kubernetes.cri.sandbox-id"),
        ("io.kubernetes.cri-o.ContainerType", "sandbox", "container", "io.kubernetes.cri-o.SandboxID"),
        ("io.kubernetes.docker.type", "podsandbox", "container", "io.kubernetes.sandbox.id"),
        ("io.katacontainers.pkg.oci.container_type", "pod_sandbox", "pod_container", "io.katacontainers.pkg.oci.sandbox_id"),
    )
    notes = []
    for key, sandbox, member, id_key in dialects:
        notes += [
            {key: sandbox},
            {key: sandbox, id_key: "pod"},
            {key: member, id_key: "pod"},
            {key: member},
            {key: "neither"},
            {key: member, id_key: "fuzz"},
            {key: member, id_key: "../.."},
        ]
    cri, crio = dialects[0], dialects[1]
    notes += [
        {cri[0]: "sandbox", cri[3]: "a", crio[0]: "sandbox", crio[3]: "b"},
        {cri[0]: "sandbox", crio[0]: "container", crio[3]: "a"},
        {cri[0]: "sandbox", cri[3]: "a", crio[0]: "sandbox", crio[3]: "a"},
        {"io.container.manager": "libpod"},
        {"io.container.manager": "cri-o"},
    ]
    for key in ("cpu-period", "cpu-shares", "cpu-quota", "memory"):
        for value in ("1", "-1", "x", "100000"):
            notes.append({cri[0]: "sandbox", "io.kubernetes.cri.sandbox-" + key: value})
    notes.append(
        {
            cri[0]: "sandbox",
            **{"io.kubernetes.cri.sandbox-" + key: "1000" for key in ("cpu-period", "cpu-shares", "cpu-quota", "memory")},
        }
    )
    for text in (
        "null",
        "[]",
        "{",
        '{"cpu_period":1,"cpu_shares":2,"cpu_quota":3,"memory_limit_in_bytes":4}',
        '{"cpu_period":-1}',
        '{"cpu_shares":"x"}',
        '{"cpu_quota":1.5}',
        '{"memory_limit_in_bytes":[]}',
    ):
        notes.append({crio[0]: "sandbox", "io.kubernetes.cri-o.PodLinuxResources": text})
    for note in notes:
        seed(json.dumps({**base, "annotations": note}))
    for cpu in ({}, {"period": 1, "shares": 2, "quota": 3}, {"quota": -1}):
        seed(
            json.dumps(
                {
                    **base,
                    "linux": {
                        "resources": {
                            "cpu": cpu,
                            "memory": {"limit": 1},
                            "rdma": {"a": {"hcaHandles": 1}},
                            "unified": {"a": "b", "c": None},
                        }
                    },
                }
            )
        )
    everything = {
        "linux": {
            "resources": {
                "network": {"classID": 1, "priorities": [{"name": "a", "priority": 1}]},
                "blockIO": {
                    "weight": 10,
                    "leafWeight": 10,
                    "weightDevice": [{"major": 1, "minor": 1, "weight": 1, "leafWeight": 1}],
                    "throttleReadBpsDevice": [{"major": 1, "minor": 1, "rate": 1}],
                },
            },
            "timeOffsets": {"monotonic": {"secs": -1, "nanosecs": 1}},
            "netDevices": {"eth0": {"name": "x"}},
        },
        "process": {
            "oomScoreAdj": -5,
            "user": {"uid": 1, "gid": 1, "umask": 18, "additionalGids": [1, 2]},
            "rlimits": [{"type": "RLIMIT_NOFILE", "hard": 1, "soft": 1}],
        },
    }
    seed(json.dumps({**base, **everything}))
    wrong_types({**base, **everything}, tried[0])
    wrong_types(everything["process"], tried[2])
    wrong_types(everything["linux"]["resources"], tried[1])
    seed("[1]")
    seed("{")


def toml_seeds():
    for text in (
        "a = 1\na = 2\n",
        "a.b = 1\na.c = 2\n",
        "a = 1\na.b = 2\n",
        "[a]\n[a]\n",
        "[a.b]\n[a]\nc=1\n",
        "[[a]]\nb=1\n[[a]]\nb=2\n[a.c]\nd=1\n",
        "a = [1]\n[[a]]\n",
        "[a]\n[[a]]\n",
        "[[a]]\n[a]\n",
        "a = {}\n[a.b]\n",
        "a = 1\n[a.b]\n",
        "a = {b=1}\na.c = 2\n",
        "[a.b]\nc=1\n[a]\nb.d=1\n",
        "a = {b.c = 1, b.d = 2}\n",
        "a = {b=1,}\n",
        "a = {b=1 c=2}\n",
        "a = { b = [ {}, {c=1} ] }\n",
        "a = [1 2]\n",
        "a = [1,\n2, # c\n]\n",
        "a = [1, # \x01\n]",
        "# \x01",
        "a = 1 # \x01",
        "a = 1 b",
        "[a",
        "[[a]",
        "[a]]",
        "[]",
        "a",
        "a =",
        "= 1",
        "a. = 1",
        "a.'b'.\"c\" = 1\n",
        '"" = 1\n',
        ".".join("a" * 1 for _ in range(70)) + " = 1\n",
        "a = " + "[" * 70,
        "a = " + "{a=" * 70,
        "[" + ".".join("a" for _ in range(70)) + "]\n",
        "a = [" + "1," * 12000 + "]\n",
        "\n".join(f"k{i}=1" for i in range(300)),
        "[x]\n" * 2,
        b"a = 1\n\xff",
        'a = "\\u00e9\\U0001F600\\n"\n',
        'a = "\\ud800"\n',
        "a.b.c = 1\n[a.b]\n",
        "[a.b.c]\n[a.b]\n[a]\n",
        "[a]\nb = 1\n[a.b]\n",
        "[a]\nb = 1\n[[a.b]]\n",
        "a = { b = 1 }\n[[a.b]]\n",
        "[[a.b]]\n[a.b.c]\n",
        "a.b = 1\n[a]\n",
        "a=1\r\nb=2\r\n",
        "a = 1\r",
        "a = [ # c\r\n1]\n",
        "a = '''x'''\nb=\"\"\"\ny\\\n z\"\"\"\n",
        "a = 1979-05-27T07:32:00Z\nb=1979-05-27\nc=07:32:00\nd=1979-05-27T07:32:00\n",
        "[[a]]\n[[a.b]]\n[[a.b]]\n",
        "a = {b = {c = 1}, d = [1, {e = 2}]}\na.b.f = 1\n",
    ):
        seed(text)
    path = "configuration.toml.in"
    for line in open(path):
        if "=" in line and not line.startswith("#") and not line.startswith("["):
            seed(line.split("=")[0] + "= 1\n")


def template_seeds():
    entropy, secret = "ab" * 64, "cd" * 32
    good = {
        "version": 1,
        "key": "a" * 64,
        "memory": {"size": 1, "inode": 2, "ctime": 3},
        "state": {"size": 1, "inode": 2, "ctime": 3},
        "state_digest": "b" * 64,
        "memory_data": 5,
        "memory_sum": 6,
    }
    seed(json.dumps(good))
    for path in places(good):
        if path:
            for value in (None, "x", -1, [], {}):
                seed(json.dumps(put(good, path, value)))
    seed(json.dumps({**good, "version": 2}))
    seed(json.dumps([good]))
    for n in (16, 32, 64, 128):
        for tail in ("-", "cd" * 16, "cd" * 32, "x" * 64, "+"):
            seed("kata-wake 1 " + "0123456789abcdef" + " " + "ab" * n + " " + tail + "\n")
    for text in (
        "kata-wake 2 " + "0" * 200,
        "kata-wake 1 ",
        "kata-wake 1 " + "0" * 150,
        "kata-wake 1 " + "g" * 16 + " " + entropy + " -\n",
        "kata-wake 1 " + "0" * 16 + " " + "g" * 128 + " -\n",
        "kata-wake 1 " + "0" * 16 + " " + "g" * 64 + " -\n",
        "kata-wake",
        "x" * 4000,
        "kata-wake 1 " + "0" * 16 + " " + "ab" * 32 + " +\n",
    ):
        seed(text)


def policy_seeds():
    for rules in (
        "*",
        "ExecProcess,CreateContainer",
        "*,!ExecProcess",
        "mount=/a/*,mount=/b",
        "storage=x",
        "exec=*,copy=/tmp/*",
        "",
        ",",
        "a,",
        "a;b",
        "!",
        "mount=",
        "unknown=1",
        "a" * 300,
        "x" * 256 + ",b",
        "*," + ",".join("Exec%03d" % i for i in range(600)),
        "Exec,mount=/x",
        "-",
    ):
        for value in ("ExecProcess", "/a/b", "/a/../b", "/b", "..", "/a/..", "/..a"):
            seed(rules.encode() + b"\0" + value.encode())
    for line in (
        "agent.policy=*",
        'agent.policy="*,!ExecProcess" quiet',
        "agent.policy=a;b agent.log=debug",
        "agent.policy=" + "a" * 5000,
        "agent.unknown agent.debug_console",
        "agent.container_pipe_size=4096 agent.container_pipe_size=x\tagent.log=x\n",
        '"agent.policy=Exec one"',
    ):
        seed(line.encode() + b"\0ExecProcess")


MAKERS = {
    "fuzz-json": json_seeds,
    "fuzz-oci": oci_seeds,
    "fuzz-toml": toml_seeds,
    "fuzz-template": template_seeds,
    "fuzz-policy": policy_seeds,
}
