# SPDX-License-Identifier: Apache-2.0
"""The deadlines of the product, shorter than by default, for tests in which something hangs."""
import os
import re

SLOW = int(os.environ.get("KATA_TEST_SLOW", "1"))
DEADLINES = {"request_timeout": 10, "create_container_timeout": 10, "dial_timeout": 20, "start_timeout": 30}


def write_config(build, path):
    """The configuration of a build folder, with these deadlines, times SLOW."""
    with open(os.path.join(build, "configuration.toml"), encoding="utf-8") as f:
        lines = f.read()
    for key, seconds in DEADLINES.items():
        lines, found = re.subn("(?m)^#? ?%s = .*" % key, "%s = %d" % (key, seconds * SLOW), lines)
        assert found == 1, key
    with open(path, "w", encoding="utf-8") as f:
        f.write(lines)
