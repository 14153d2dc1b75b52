# SPDX-License-Identifier: Apache-2.0
"""Where seeds go: each once."""

made, known = [], set()


def seed(data):
    data = data if isinstance(data, bytes) else data.encode()
    if data not in known:
        known.add(data)
        made.append(data)
