"""A name server for tests: it answers by what it is told, and falls silent or fails on demand."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset


@dataclass
class Names:
    """Records by (name, type), each as it stands in a zone file. `silent` answers nothing, `failing` with an error."""

    records: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    silent: bool = False
    failing: bool = False
    port: int = 0

    def put(self, name: str, kind: str, *values: str) -> None:
        """Set a name's records; TXT is written in strings of 255 characters, as name servers keep it."""
        if kind == "TXT":
            values = tuple(" ".join(f'"{one[at : at + 255]}"' for at in range(0, len(one), 255)) for one in values)
        self.records[name, kind] = list(values)

    def answer(self, asked: bytes) -> bytes | None:
        if self.silent:
            return None
        query = dns.message.from_wire(asked)
        reply = dns.message.make_response(query)
        reply.flags |= dns.flags.RA
        [question] = query.question
        name, kind = question.name.to_text(omit_final_dot=True), dns.rdatatype.to_text(question.rdtype)
        found = self.records.get((name.lower(), kind))
        if self.failing:
            reply.set_rcode(dns.rcode.SERVFAIL)
        elif found:
            reply.answer.append(dns.rrset.from_text(question.name, 60, "IN", kind, *found))
        elif not any(each[0] == name.lower() for each in self.records):
            reply.set_rcode(dns.rcode.NXDOMAIN)
        return reply.to_wire()


@contextmanager
def answering(names: Names) -> Iterator[Names]:
    """Let `names` answer at a port of this machine for as long as the block lasts."""
    listening = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    listening.bind(("127.0.0.1", 0))
    names.port = listening.getsockname()[1]

    def serve() -> None:
        while True:
            asked, who = listening.recvfrom(4096)
            if not asked:
                return
            reply = names.answer(asked)
            if reply is not None:
                listening.sendto(reply, who)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield names
    finally:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
            last.sendto(b"", ("127.0.0.1", names.port))
        thread.join()
        listening.close()
