#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Checks the layers of src/ against src/layers.txt: over the includes, and over the link graph.

  layers.py [--root DIR] [--objects DIR]

src/layers.txt says for each folder which folders it may use, lowest first; only what stands above a folder may be
named, so there are no circles. Further lines name families: `family HEADER: STEM...` are the .c files, beside the
header, in which the functions of that header live.

What is wrong is printed, a line each, and makes the exit status 1:
  - a folder that the table does not know, a row whose folder is gone, a row that names what stands below it;
  - an include, or a symbol of an object that another folder's object defines, along an arrow that the table lacks;
  - an exported function that nobody in src uses, unless its name ends in _for_test;
  - a function that is declared in another header than its own file's or family's;
  - a folder of more than 25 .c files, or a main.c that is not alone.
"""
import argparse
import os
import re
import subprocess
import sys

MAX_SOURCES = 25
ROOT = ""


def read_table(path):
    """The rows in their order, as {folder: [folders it may use]}, and the families, as {header: {stems}}."""
    rows, families, wrong = {}, {}, []
    with open(path, encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            line = line.split("#")[0].strip()
            if not line:
                continue
            name, colon, rest = line.partition(":")
            if not colon:
                wrong.append(f"{path}:{number}: a row is \"folder: folders\"")
            elif name.startswith("family "):
                families[name.split()[1]] = set(rest.split())
            elif name in rows:
                wrong.append(f"{path}:{number}: {name} has a second row")
            else:
                for used in rest.split():
                    if not any(covers(used, row) for row in rows):
                        wrong.append(f"{path}:{number}: {name} names {used}, which does not stand above it: "
                                     "that allows a circle")
                rows[name] = rest.split()
    return rows, families, wrong


def covers(used, folder):
    """Does a word of the table stand for a folder? A folder's name stands for its subfolders, too."""
    return folder == used or folder.startswith(used + "/")


def sources():
    """Every .c and .h below src, as paths below it."""
    found = []
    for top, _, names in os.walk(os.path.join(ROOT, "src")):
        for name in names:
            if name.endswith((".c", ".h")):
                found.append(os.path.relpath(os.path.join(top, name), os.path.join(ROOT, "src")))
    return sorted(found)


def check_folders(rows, files):
    """Folders and rows belong together; sizes."""
    wrong, count = [], {}
    for path in files:
        folder = os.path.dirname(path)
        count.setdefault(folder, []).append(os.path.basename(path))
    for folder, names in sorted(count.items()):
        if folder not in rows:
            wrong.append(f"src/{folder} has no row in src/layers.txt")
        sources_in = [name for name in names if name.endswith(".c")]
        if len(sources_in) > MAX_SOURCES:
            wrong.append(f"src/{folder} has {len(sources_in)} .c files, more than {MAX_SOURCES}")
        if "main.c" in names and len(names) > 1:
            wrong.append(f"src/{folder}/main.c is not alone in its folder")
    for folder in rows:
        if folder not in count:
            wrong.append(f"src/layers.txt: there is nothing in src/{folder}")
    return wrong


def allowed(rows, user, used):
    """May a folder use another? A name in its row stands for those of its subfolders that are above the row."""
    if user == used:
        return True
    above = list(rows)[:list(rows).index(user)] if user in rows else []
    return used in above and any(covers(word, used) for word in rows[user])


def check_includes(rows, files):
    """The arrows that includes make."""
    wrong = []
    for path in files:
        user = os.path.dirname(path)
        with open(os.path.join(ROOT, "src", path), encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                match = re.match(r'#include "([^"]+)"', line)
                if not match:
                    continue
                used = os.path.dirname(match.group(1))
                if used in rows and not allowed(rows, user, used):
                    wrong.append(f"src/{path}:{number}: {user} may not use {used}")
    return wrong


def read_objects(objects):
    """({symbol: its object}, {object: {symbols it wants}}, {functions}); an object is its source's path below src."""
    defined, wanted, functions = {}, {}, set()
    top = os.path.join(objects, "src")
    for folder, _, names in os.walk(top):
        for name in names:
            source = os.path.relpath(os.path.join(folder, name), top)[:-1] + "c"
            # An object whose source was moved away may still lie in the build folder.
            if not name.endswith(".o") or not os.path.exists(os.path.join(ROOT, "src", source)):
                continue
            wanted[source] = set()
            listing = subprocess.run(["nm", "-P", os.path.join(folder, name)], check=True, capture_output=True,
                                     text=True).stdout
            for line in listing.splitlines():
                symbol, kind = line.split()[:2]
                if kind in "Uw":
                    wanted[source].add(symbol)
                elif kind.isupper() and source != "main.c":
                    if os.path.basename(source) == "main.c":
                        continue
                    defined[symbol] = source
                    if kind == "T":
                        functions.add(symbol)
    return defined, wanted, functions


def check_links(rows, defined, wanted):
    """The arrows that symbols make."""
    wrong = []
    for source, symbols in sorted(wanted.items()):
        user = os.path.dirname(source)
        for symbol in sorted(symbols):
            used = os.path.dirname(defined.get(symbol, source))
            if not allowed(rows, user, used):
                wrong.append(f"src/{source}: {user} may not use {used}: {symbol} of src/{defined[symbol]}")
    return wrong


def check_exports(defined, wanted, functions):
    """Exported functions that nobody uses."""
    used = set().union(*wanted.values()) if wanted else set()
    return [f"src/{defined[name]}: nobody in src calls {name}()"
            for name in sorted(functions, key=lambda name: (defined[name], name))
            if name not in used and not name.endswith("_for_test") and not used_at_home(name, defined[name])]


def without_comments(text):
    return re.sub(r"/\*.*?\*/", "", text, flags=re.S)


def used_at_home(name, source):
    """Is a function named in its own file, apart from its definition? The compiler may have taken the call away."""
    with open(os.path.join(ROOT, "src", source), encoding="utf-8") as file:
        return len(re.findall(rf"\b{name}\b", without_comments(file.read()))) > 1


def check_headers(families, files, defined, functions):
    """A function is declared in the header of its file's stem, or of a family that its file is in."""
    wrong = []
    for path in files:
        if not path.endswith(".h"):
            continue
        stem = os.path.splitext(path)[0]
        with open(os.path.join(ROOT, "src", path), encoding="utf-8") as file:
            text = without_comments(file.read())
        for name in sorted(set(re.findall(r"^[a-z][\w \t*]*?\b(\w+)\(", text, flags=re.M)) & functions):
            source = os.path.splitext(defined[name])[0]
            family = families.get(path, set())
            in_family = os.path.dirname(source) == os.path.dirname(stem) and os.path.basename(source) in family
            if source != stem and not in_family:
                wrong.append(f"src/{path} declares {name}(), which lives in src/{defined[name]}")
    return wrong


def main():
    global ROOT
    parser = argparse.ArgumentParser(usage="%(prog)s [--root DIR] [--objects DIR]")
    parser.add_argument("--root", default=os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
    parser.add_argument("--objects", help="objects of the same tree, default: build/obj below the root")
    options = parser.parse_args()
    ROOT = options.root
    objects = options.objects or os.path.join(ROOT, "build", "obj")
    rows, families, wrong = read_table(os.path.join(ROOT, "src", "layers.txt"))
    files = sources()
    defined, wanted, functions = read_objects(objects)
    missing = [path for path in files if path.endswith(".c") and path not in wanted]
    if missing:
        sys.exit(f"layers: {objects} has no object of src/{missing[0]}: build it first")
    wrong += check_folders(rows, files)
    wrong += check_includes(rows, files)
    wrong += check_links(rows, defined, wanted)
    wrong += check_exports(defined, wanted, functions)
    wrong += check_headers(families, files, defined, functions)
    for line in wrong:
        print(line)
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
