#!/usr/bin/env python3
"""Fails on an #include that src/LAYERS does not allow: python3 tools/check_layers.py ROOT"""
import pathlib
import re
import sys

root = pathlib.Path(sys.argv[1])
allowed, externals = {}, []
for line in (root / "src/LAYERS").read_text().splitlines():
    line = line.split("#")[0].strip()
    if not line:
        continue
    left, _, right = line.partition(":")
    if left.startswith("external "):
        externals.append((left.split()[1:], set(right.split())))
    else:
        allowed[left] = set(right.split())

include = re.compile(r'^\s*#\s*include\s+(["<])([^">]+)[">]')
problems = 0
for path in sorted((root / "src").rglob("*")):
    if path.suffix not in (".h", ".cc", ".c"):
        continue
    module = path.relative_to(root / "src").parts[0]
    if module not in allowed:
        print(f"{path}: module {module} is not in src/LAYERS")
        problems += 1
        continue
    may = allowed[module] | {module}
    for number, line in enumerate(path.read_text().splitlines(), 1):
        match = include.match(line)
        if not match:
            continue
        kind, name = match.groups()
        if kind == '"':
            used = name.split("/")[0]
            if "/" not in name or used not in allowed:
                print(f"{path}:{number}: include \"{name}\" is not module/file.h")
                problems += 1
            elif used not in may and "*" not in may:
                print(f"{path}:{number}: {module} may not include {name} (src/LAYERS)")
                problems += 1
        inside = {directory.as_posix() for directory in path.relative_to(root / "src").parents}
        for prefixes, modules in externals:
            if any(name.startswith(prefix) for prefix in prefixes) and not inside & modules:
                print(f"{path}:{number}: only {' '.join(sorted(modules))} may include <{name}> (src/LAYERS)")
                problems += 1
sys.exit(1 if problems else 0)
