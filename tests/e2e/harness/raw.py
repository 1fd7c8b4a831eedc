"""Documents that no driver would build: raw BSON, and commands that carry it."""
import socket
import struct

import bson
from bson.raw_bson import RawBSONDocument

from harness.compare import RAW


def element(kind, name, payload):
    return bytes([kind]) + name.encode() + b"\0" + payload


def counted(text):
    data = text.encode() + b"\0"
    return struct.pack("<i", len(data)) + data


def string(name, text):
    return element(0x02, name, counted(text))


def symbol(name, text):
    return element(0x0E, name, counted(text))


def db_pointer(name, namespace, object_id):
    return element(0x0C, name, counted(namespace) + object_id)


def int32(name, value):
    return element(0x10, name, struct.pack("<i", value))


def double(name, value):
    return element(0x01, name, struct.pack("<d", value))


def document(*elements):
    body = b"".join(elements) + b"\0"
    return struct.pack("<i", len(body) + 4) + body


def embedded(name, *elements):
    return element(0x03, name, document(*elements))


def raw(*elements):
    return RawBSONDocument(document(*elements))


def message(body, sequences=()):
    """An OP_MSG: the command, and (name, encoded documents) of each sequence."""
    sections = b"\x00" + bson.encode(body)
    for name, documents in sequences:
        section = name.encode() + b"\0" + b"".join(documents)
        sections += b"\x01" + struct.pack("<i", len(section) + 4) + section
    return struct.pack("<iiiiI", 20 + len(sections), 1, 0, 2013, 0) + sections


def read_message(sock):
    data = sock.recv(4, socket.MSG_WAITALL)
    return data + sock.recv(struct.unpack("<i", data)[0] - 4, socket.MSG_WAITALL)


def insert(database, collection, documents, **options):
    """Through the command itself: no check of names, bytes as they are. Raises on any write error."""
    for start in range(0, len(documents), 100):
        batch = [one if isinstance(one, RawBSONDocument) else RawBSONDocument(bson.BSON.encode(one))
                 for one in documents[start:start + 100]]
        reply = database.command("insert", collection, documents=batch, codec_options=RAW, **options)
        reply = bson.BSON(reply.raw).decode()
        if reply.get("writeErrors"):
            raise AssertionError(f"the server refused {reply['writeErrors'][0]}")
