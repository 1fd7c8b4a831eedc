"""A TCP proxy that misbehaves on request: cuts, freezes (half-open), is down or silent for a while, delays, drops replies, holds
requests back until a test has done what must come first, and delivers a captured request a second time later, as a network does that
lost an acknowledgement and kept the packet. One for MongoDB's wire protocol, and one for whatever else."""
import select
import socket
import struct
import threading
import time

HEADER = struct.Struct("<iiii")
OP_MSG = 2013


class Link:
    """One client connection and its upstream one."""

    def __init__(self, proxy, client):
        self.proxy = proxy
        self.client = client
        self.thawed = threading.Event()
        if not proxy.silent:
            self.thawed.set()
        self.upstream = socket.create_connection(proxy.target, timeout=10)
        self.upstream.settimeout(None)
        for end in (client, self.upstream):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for source, sink, is_request in ((client, self.upstream, True), (self.upstream, client, False)):
            threading.Thread(target=self.pump, args=(source, sink, is_request), daemon=True).start()

    def pump(self, source, sink, is_request):
        try:
            while True:
                message = self.proxy.read(source)
                if message is None:
                    break
                if not self.thawed.is_set():
                    self.proxy.stuck += 1
                self.thawed.wait()
                if self.proxy.delay:
                    time.sleep(self.proxy.delay)
                if is_request:
                    self.proxy.wait_while_held(message)
                    self.proxy.observe(message)
                elif self.proxy.swallow_reply(message):
                    break
                else:
                    message = self.proxy.altered(message)
                sink.sendall(message)
        except OSError:
            pass
        self.close()

    def close(self):
        self.thawed.set()
        for end in (self.client, self.upstream):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            end.close()
        self.proxy.links.discard(self)


def read_exactly(sock, size):
    parts = bytearray()
    while len(parts) < size:
        piece = sock.recv(size - len(parts))
        if not piece:
            return None
        parts += piece
    return bytes(parts)


def read_message(sock):
    head = read_exactly(sock, HEADER.size)
    if head is None:
        return None
    rest = read_exactly(sock, HEADER.unpack(head)[0] - HEADER.size)
    return None if rest is None else head + rest


def take_each(listener, take):
    """Every connection, until the listener is closed."""
    while True:
        try:
            client, _ = listener.accept()
        except OSError:
            return
        take(client)


class FaultProxy:
    read = staticmethod(read_message)

    def __init__(self, target, port=0):
        self.target = target
        self.links = set()
        self.delay = 0.0
        self.captured = []       # requests kept for delivery later
        self.capture = None      # message -> bool: keep a copy, and lose its reply
        self.lost_replies = {}   # request id -> True
        self.alters = None       # message -> bytes to bytes of the same length, or None: replaced once in its reply
        self.replacements = {}   # request id -> that
        self.held = 0            # requests that were kept back
        self.holds = None        # message -> bool: keep back until release()
        self.released = threading.Event()
        self.refusing = False
        self.refused = 0         # connections that were
        self.silent = False
        self.stuck = 0           # messages that did not come through
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind(("127.0.0.1", port))
        self.listener.listen(256)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=take_each, args=(self.listener, self.take), daemon=True).start()

    def take(self, client):
        if self.refusing:
            self.refused += 1
            client.close()
            return
        try:
            self.links.add(Link(self, client))
        except OSError:
            client.close()

    def hold(self, holds):
        """Requests of which `holds(message)` is true do not arrive until release(); others pass them by."""
        self.released.clear()
        self.held, self.holds = 0, holds

    def wait_while_held(self, message):
        if self.holds is not None and self.holds(message):
            self.held += 1
            self.released.wait()

    def release(self):
        self.holds = None
        self.released.set()

    def observe(self, message):
        if self.capture is not None and self.capture(message):
            self.captured.append(message)
            self.lost_replies[HEADER.unpack_from(message)[1]] = True
        replacement = self.alters and self.alters(message)
        if replacement:
            self.replacements[HEADER.unpack_from(message)[1]] = replacement

    def swallow_reply(self, message):
        """The reply of a captured request never arrives: its connection breaks instead."""
        return self.lost_replies.pop(HEADER.unpack_from(message)[2], False)

    def altered(self, message):
        """A reply with what `alters` has asked for."""
        old, new = self.replacements.pop(HEADER.unpack_from(message)[2], (b"", b""))
        return message.replace(old, new, 1) if old else message

    def cut(self):
        """Every connection breaks; new ones are accepted."""
        for link in list(self.links):
            link.close()

    def freeze(self):
        """Half-open: the connections that there are stay, and nothing comes through them any more. New ones work."""
        for link in list(self.links):
            link.thawed.clear()

    def down(self):
        """No way at all until up(): every connection breaks, and so does each new one."""
        self.refusing = True
        self.cut()

    def silence(self):
        """Until up() nothing comes through, on the connections that there are and on new ones; none of them breaks."""
        self.silent = True
        self.freeze()

    def up(self):
        """There is a way again; what was on it when it fell silent arrives now."""
        self.refusing = self.silent = False
        for link in list(self.links):
            link.thawed.set()

    def deliver_captured(self, handshake):
        """Sends captured requests again on new connections, after `handshake(socket)` made each ready. Answers replies."""
        replies = []
        for message in self.captured:
            with socket.create_connection(self.target, timeout=10) as sock:
                handshake(sock)
                sock.sendall(message)
                readable, _, _ = select.select([sock], [], [], 10)
                replies.append(read_message(sock) if readable else None)
        return replies

    def close(self):
        self.listener.close()
        self.release()
        self.cut()


class ByteProxy(FaultProxy):
    """For another protocol than MongoDB's, HTTP: it passes on bytes as they come, and can cut, freeze, and be down or silent."""

    @staticmethod
    def read(sock):
        return sock.recv(65536) or None

    def observe(self, message):
        pass

    def swallow_reply(self, message):
        return False

    def altered(self, message):
        return message


class ConnectProxy:
    """An HTTP proxy that makes tunnels (CONNECT), and nothing else."""

    def __init__(self):
        self.asked = []          # "host:port"
        self.refuses = False
        self.seen = bytearray()  # what its clients have sent
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=take_each, args=(self.listener, self.take), daemon=True).start()

    def take(self, client):
        threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def serve(self, client):
        try:
            head = b""
            while b"\r\n\r\n" not in head:
                piece = client.recv(1)  # what follows is the server's
                if not piece:
                    return
                head += piece
            self.seen += head
            method, where, _ = head.decode("latin-1").split(" ", 2)
            if method != "CONNECT" or self.refuses:
                client.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
                return
            self.asked.append(where)
            host, _, port = where.rpartition(":")
            with socket.create_connection((host, int(port)), timeout=10) as server:
                client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                self.pump(client, server)
        except OSError:
            pass
        finally:
            client.close()

    def pump(self, client, server):
        while True:
            readable, _, _ = select.select([client, server], [], [], 60)
            if not readable:
                return
            for end in readable:
                piece = end.recv(65536)
                if not piece:
                    return
                if end is client:
                    self.seen += piece
                (server if end is client else client).sendall(piece)

    def close(self):
        self.listener.close()


def op_msg_body(message):
    """The body document's bytes of an OP_MSG, or None."""
    if HEADER.unpack_from(message)[3] != OP_MSG or message[20] != 0:
        return None
    size = struct.unpack_from("<i", message, 21)[0]
    return message[21:21 + size]


def command_name(message):
    body = op_msg_body(message)
    if body is None or len(body) < 6:
        return None
    return body[5:body.index(b"\0", 5)].decode("utf-8", "replace")
