#!/usr/bin/python3
"""The drivers' specifications that come as files with the C driver's sources: the BSON corpus and the connection strings.

Each valid document of the BSON corpus is inserted into a sandbox over the wire and read back, byte for byte; each invalid one is
sent as it is, and must be refused, and harm nobody else. The same documents, their Extended JSON and the connection strings are given
to Drover's own code by specification_cases. What may not pass is listed with its reason in specifications_skip.txt.
"""
import argparse
import collections
import json
import pathlib
import socket
import struct
import subprocess
import sys
import tempfile

import bson
from bson.raw_bson import RawBSONDocument

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "support"))
from sandbox_process import Sandbox  # noqa: E402

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
OP_MSG = 2013
REPLY_SECONDS = 60


class Closed(Exception):
    """The server has closed the connection."""


class Wire:
    """A connection that sends bytes as they are."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), REPLY_SECONDS)
        self.requests = 0

    def run(self, body, documents=()):
        """The reply to a command's bytes, with `documents` as a section of their own; as bytes."""
        sections = b"\x00" + body
        if documents:
            sequence = b"documents\x00" + b"".join(documents)
            sections += b"\x01" + struct.pack("<i", 4 + len(sequence)) + sequence
        self.requests += 1
        message = struct.pack("<iiiiI", 20 + len(sections), self.requests, 0, OP_MSG, 0) + sections
        try:
            self.socket.sendall(message)
            length, = struct.unpack("<i", self.read(4))
            return self.read(length - 4)[12 + 4 + 1:]
        except OSError as error:
            raise Closed() from error

    def read(self, count):
        data = b""
        while len(data) < count:
            part = self.socket.recv(count - len(data))
            if not part:
                raise Closed()
            data += part
        return data

    def close(self):
        self.socket.close()


def first_of_batch(reply):
    decoded = RawBSONDocument(reply)
    if "cursor" not in decoded or not decoded["cursor"]["firstBatch"]:
        return None
    return decoded["cursor"]["firstBatch"][0].raw


def embedded(number, document):
    """{_id: number, d: document}, byte by byte."""
    fields = b"\x10_id\x00" + struct.pack("<i", number) + b"\x03d\x00" + document + b"\x00"
    return struct.pack("<i", 4 + len(fields)) + fields


INSERT = bson.encode({"insert": "corpus", "$db": "specifications"})
COUNT = bson.encode({"count": "corpus", "$db": "specifications"})


def check_valid(wire, number, document):
    wrapped = embedded(number, document)
    reply = bson.decode(wire.run(INSERT, [wrapped]))
    if reply.get("n") != 1:
        return f"not inserted: {reply}"
    found = first_of_batch(wire.run(bson.encode({"find": "corpus", "filter": {"_id": number}, "$db": "specifications"})))
    if found != wrapped:
        return f"read back as {found.hex() if found else found}"
    return ""


def check_refused(port, bystander, documents):
    """As a document to insert and as a command: an error or the end of the connection, and nobody else is hurt."""
    before = bson.decode(bystander.run(COUNT))["n"]
    for body, sequence in ((INSERT, documents), (documents[0], ())):
        wire = Wire(port)
        try:
            reply = bson.decode(wire.run(body, sequence))
            if reply["ok"] == 1 and not reply.get("writeErrors"):
                return f"accepted: {reply}"
        except Closed:
            pass
        finally:
            wire.close()
    after = bson.decode(bystander.run(COUNT))
    return "" if after.get("n") == before else f"the collection changed: {after}"


def over_the_wire(corpus, version):
    """(result, suite, file, description, why) of each document of the corpus."""
    with tempfile.TemporaryDirectory(prefix="drover-specifications-") as scratch:
        sandbox = Sandbox(f"{scratch}/sandbox", version)
        sandbox.start()
        try:
            wire = Wire(sandbox.port)
            number = 0
            for path in sorted(corpus.glob("*.json")):
                cases = json.loads(path.read_text())
                for case in cases.get("valid", []):
                    number += 1
                    why = check_valid(wire, number, bytes.fromhex(case["canonical_bson"]))
                    yield "failed" if why else "passed", "wire-valid", path.name, case["description"], why
                for case in cases.get("decodeErrors", []):
                    why = check_refused(sandbox.port, wire, [bytes.fromhex(case["bson"])])
                    yield "failed" if why else "passed", "wire-decode-error", path.name, case["description"], why
            wire.close()
            if sandbox.process.poll() is not None:
                yield "failed", "wire-valid", "-", "the sandbox lives", "it has ended"
        finally:
            sandbox.stop()


def in_the_program(binary, corpus, tests):
    command = [str(binary), str(corpus), str(tests / "connection_uri"), str(tests / "uri-options")]
    with tempfile.TemporaryDirectory(prefix="drover-specifications-") as scratch:
        for name in ("ca.pem", "cert.pem"):  # which some of the strings name
            (pathlib.Path(scratch) / name).touch()
        output = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True, cwd=scratch).stdout
    for line in output.split("\n"):
        if line:
            yield line.split("\t")


def read_skips(path):
    """(suite, file, description) to reason."""
    skips = {}
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if not line or line.startswith("#"):
            continue
        case, arrow, reason = line.partition(" => ")
        parts = case.split(": ", 2)
        if not arrow or len(parts) != 3 or not reason.strip():
            sys.exit(f"{path}:{number}: expected '<suite>: <file>: <description> => <reason>'")
        skips[tuple(parts)] = reason
    return skips


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", type=pathlib.Path, default=ROOT / "build/libmongoc/source")
    parser.add_argument("--binary", type=pathlib.Path, default=ROOT / "build/tests/conformance/specification_cases")
    parser.add_argument("--server-version", default="8.0")
    options = parser.parse_args()
    corpus = options.source / "src/libbson/tests/json/bson_corpus"
    tests = options.source / "src/libmongoc/tests/json"
    skips = read_skips(HERE / "specifications_skip.txt")
    counts = collections.defaultdict(collections.Counter)
    failures, met = 0, set()
    for result, suite, file, description, why in [*in_the_program(options.binary, corpus, tests),
                                                  *over_the_wire(corpus, options.server_version)]:
        case = (suite, file, description)
        met.add(case)
        if case in skips:
            # A case that passes after all has no place in the list.
            result = "skipped" if result == "failed" else "failed"
            why = f"passes, although it is in specifications_skip.txt: {skips[case]}"
        counts[suite][result] += 1
        if result == "failed":
            failures += 1
            print(f"failed: {suite}: {file}: {description}: {why}")
    for case in set(skips) - met:
        failures += 1
        print(f"failed: {': '.join(case)}: in specifications_skip.txt, but there is no such case")
    for suite, results in counts.items():
        print(f"{suite}: {results['passed']} passed, {results['failed']} failed, {results['skipped']} skipped (specifications_skip.txt)")
    return 1 if failures or not counts else 0


if __name__ == "__main__":
    sys.exit(main())
