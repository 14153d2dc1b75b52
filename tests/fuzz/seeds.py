#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""seeds.py NAME FOLDER: writes inputs for the fuzzer of that name, made from the golden data, or from what its input means.

They are the ones that chance hardly finds: documents with one thing wrong, conversations with an order of their own."""

import sys

import seedbox
import seeds_documents
import seeds_messages
import seeds_steps

name, folder = sys.argv[1:]
for module in (seeds_documents, seeds_messages, seeds_steps):
    module.MAKERS.get(name, lambda: None)()
for number, data in enumerate(seedbox.made, 1):
    with open(f"{folder}/made-{number:04}", "wb") as f:
        f.write(data)
