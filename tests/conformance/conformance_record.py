"""What the runs of drivers' own tests share: the list of tests that are not run, each with its reason, and the recorded numbers."""
import json
import sys

KINDS = ("enterprise", "sharded", "retired")  # and needs-<what>


def read_skips(path, version):
    """(pattern, kind, reason) of each line that is for this version."""
    skips = []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        line = line.split("#", 1)[0].strip()
        if not line:
            continue
        pattern, _, rest = line.partition(" ")
        versions, colon, rest_of_pattern = pattern.partition(":")
        # A test's own name may hold colons: versions are digits, points and commas.
        colon = colon and not versions.strip("0123456789.,")
        if colon:
            pattern = rest_of_pattern
        kind, _, reason = rest.strip().partition(" ")
        if (kind not in KINDS and not kind.startswith("needs-")) or not reason.strip():
            sys.exit(f"{path}:{number}: expected '[versions:]<test> enterprise|sharded|retired|needs-<what> <reason>'")
        if not colon or version in versions.split(","):
            skips.append((pattern, kind, reason.strip()))
    return skips


def judge(name, path, mode, passed, failed, record):
    """The exit code. The number of tests that pass may only grow."""
    recorded = json.loads(path.read_text()) if path.exists() else {}
    if record and passed > recorded.get(mode, 0):
        recorded[mode] = passed
        path.write_text(json.dumps(recorded, indent=2, sort_keys=True) + "\n")
    if passed < recorded.get(mode, 0):
        print(f"{name} on {mode}: {recorded[mode]} passed before; the number may only grow")
        return 1
    return 1 if failed else 0
