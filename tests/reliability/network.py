"""What the outage tests put between the router and its destinations: a proxy that freezes or goes away, a name server."""

import contextlib
import select
import socket
import struct
import threading
import time

TICK = 0.02


class Proxy:
    """TCP to 127.0.0.1:`target`. Frozen it neither reads nor writes, and its connections stay established, as with a host
    that hangs or a firewall that forgot them. Gone, it refuses connections."""

    def __init__(self, target):
        self.target = target
        self.frozen = self.closed = False
        self.connections = []
        self.lock = threading.Lock()
        self.listener = None
        self.port = 0
        self.appear()

    def appear(self):
        listener = socket.create_server(("127.0.0.1", self.port), backlog=256)
        self.port = listener.getsockname()[1]
        self.listener = listener
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def vanish(self):
        listener, self.listener = self.listener, None
        listener.shutdown(socket.SHUT_RDWR)  # wakes accept()
        listener.close()
        with self.lock:
            connections, self.connections = self.connections, []
        for connection in connections:
            with contextlib.suppress(OSError):
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                connection.shutdown(socket.SHUT_RDWR)

    def freeze(self):
        self.frozen = True

    def thaw(self):
        self.frozen = False

    def close(self):
        self.closed = True
        if self.listener:
            self.vanish()

    def _accept(self, listener):
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._pump, args=(client,), daemon=True).start()

    def _pump(self, client):
        with client, contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.target)) as server:
            with self.lock:
                self.connections.append(client)
            other = {client: server, server: client}
            open_ends = [client, server]
            while open_ends and not self.closed:
                for ready in select.select(open_ends, [], [], TICK)[0]:
                    while self.frozen and not self.closed:
                        time.sleep(TICK)
                    if data := ready.recv(65536):
                        other[ready].sendall(data)
                    else:
                        open_ends.remove(ready)
                        other[ready].shutdown(socket.SHUT_WR)


class NameServer:
    """Knows one name. `mode`: "answers", "no such name", "fails" or "silent"."""

    CODES = {"answers": 0, "fails": 2, "no such name": 3}

    def __init__(self, name, address):
        self.name, self.address = name.encode(), socket.inet_aton(address)
        self.mode, self.asked = "answers", 0
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        # Port 53 is the only one that resolv.conf can name. 127.0.0.1 may have it already.
        self.ip = "127.53.0.1"
        for last in range(1, 255):
            self.ip = f"127.53.0.{last}"
            try:
                self.socket.bind((self.ip, 53))
                break
            except OSError:
                if last == 254:
                    raise
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self):
        self.socket.close()

    def _serve(self):
        while True:
            try:
                query, client = self.socket.recvfrom(4096)
            except OSError:
                return
            self.asked += 1
            if self.mode != "silent":
                self.socket.sendto(self._answer(query), client)

    def _answer(self, query):
        labels, at = [], 12
        while query[at]:
            labels.append(query[at + 1:at + 1 + query[at]])
            at += 1 + query[at]
        question = query[12:at + 5]
        kind = struct.unpack(">H", query[at + 1:at + 3])[0]
        code = self.CODES[self.mode]
        known = b".".join(labels).lower() == self.name
        if code == 0 and not known:
            code = 3
        answer = b""
        if code == 0 and kind == 1:  # A, for a second
            answer = b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, 1, 4) + self.address
        head = query[:2] + struct.pack(">HHHHH", 0x8580 | code, 1, 1 if answer else 0, 0, 0)
        return head + question + answer
