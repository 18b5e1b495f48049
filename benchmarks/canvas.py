"""The canvas of a journey of a hundred steps: how long each act of a marketer takes at the server, and what it answers.

An act is posted as the page posts it, over a kept connection to the product as it is served, signed in as its owner;
the time is from its first byte to the answer's last. Beside it stands an empty POST to a Flask view that does nothing,
under the same server: what no act can be faster than.
"""

import http.client
import json
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from html import unescape
from statistics import median
from typing import Any
from urllib.parse import urlencode

from benchmarks.events import noop_served
from benchmarks.figures import Latencies, percentile
from benchmarks.mails import TEMPLATE
from benchmarks.search import Browser
from benchmarks.stack import Stack

MOST = 0.1
BLOCKS = 11
Ways = dict[str, str]


@dataclass
class Acts(Latencies):
    """How long acts took, how many bytes they answered, and how long an empty POST takes."""

    sizes: dict[str, list[int]] = field(default_factory=dict)
    noop: list[float] = field(default_factory=list)

    def lines(self) -> list[str]:
        """Return a line for each act: milliseconds, times an empty POST's, bytes."""
        least = median(self.noop)
        shown = [
            f"{self.name}: {self.what}; p95 at most {self.most * 1000:.0f} ms",
            f"  an empty POST takes {least * 1000:.2f} ms",
            f"  {'':20} p50   p95   max  ms   times an empty POST   bytes",
        ]
        for what, values in self.seconds.items():
            each = (percentile(values, 50), percentile(values, 95), max(values))
            shown.append(
                f"  {what:18}"
                + "".join(f"{one * 1000:6.1f}" for one in each)
                + f"{median(values) / least:15.0f}{median(self.sizes[what]):20,.0f}"
            )
        return shown


def measure(stack: Stack, rounds: int) -> Acts:
    """Measure `rounds` of each act."""
    journey_id = _journey(stack)
    figure = Acts("canvas", f"a live journey of {BLOCKS * 9 + 2} steps, {rounds} times each act", MOST)
    figure.noop.extend(_empty(stack, rounds))
    page = _Page(stack.port, f"/journeys/{journey_id}")
    for _ in range(rounds):
        for what, act in page.acts().items():
            seconds, size = act()
            figure.seconds.setdefault(what, []).append(seconds)
            figure.sizes.setdefault(what, []).append(size)
    return figure


def _journey(stack: Stack) -> str:
    template_id = stack.call("POST", "/templates", TEMPLATE | {"name": "Benchmark canvas"})["id"]
    made = stack.call("POST", "/journeys", {"name": "A hundred steps", "trigger_type": "MANUAL", "timezone": "UTC"})
    rules = [{"field": "membership_tier", "operator": "eq", "value": "Gold"}]
    tag = {"field": "tags", "operation": "add", "value": "x"}
    even = [{"key": one, "name": one.upper(), "weight": 1} for one in "ab"]
    steps = [_step("trigger", "TRIGGER", {"event_type": "MANUAL"}, next="b0_send")]
    send: dict[str, Any] = {"channel": "EMAIL", "template_id": template_id}
    for at in range(BLOCKS):
        b, following = f"b{at}_", f"b{at + 1}_send" if at + 1 < BLOCKS else "end"
        steps += [
            _step(f"{b}send", "SEND", send, next=f"{b}wait"),
            _step(f"{b}wait", "WAIT", {"duration": "3 days"}, next=f"{b}fork"),
            _step(f"{b}fork", "CONDITION", {"rules": rules}, next_yes=f"{b}tag", next_no=f"{b}late"),
            _step(f"{b}tag", "UPDATE", {"updates": [tag]}, next=f"{b}s1"),
            _step(f"{b}s1", "SEND", send, next=following),
            _step(f"{b}late", "WAIT", {"until": {"time": "09:00", "days": 2}}, next=f"{b}split"),
            _step(f"{b}split", "SPLIT", {"variants": even}, next_a=f"{b}s2", next_b=f"{b}s3"),
            _step(f"{b}s2", "SEND", send, next=following),
            _step(f"{b}s3", "SEND", send, next=following),
        ]
    steps.append(_step("end", "END", {}))
    stack.call("PUT", f"/journeys/{made['id']}/steps", {"steps": steps})
    stack.call("POST", f"/journeys/{made['id']}/activate", {})
    return str(made["id"])


def _step(key: str, type: str, config: dict[str, Any], **ways: str) -> dict[str, Any]:
    return {"key": key, "type": type, "config": config, **ways}


class _Page(Browser):
    """The builder in a browser: it knows what it shows, and acts on that."""

    def __init__(self, port: int, there: str) -> None:
        super().__init__(port)
        self.sign_in()
        self.there = there
        self.round = 0

    def acts(self) -> dict[str, Callable[[], tuple[float, int]]]:
        """Return what is done in a round, in its order; at its end the journey's steps are as they were."""
        self.round += 1
        pair = [_step("x", "WAIT", {"duration": "2 days"}, next="y"), _step("y", "WAIT", {"duration": "2 days"})]
        wait = {"either": "duration", "either.of": "duration until", "duration.unit": "days", "open": "b8_wait"}
        return {
            "open a step": self._opened,
            "add": lambda: self._act("steps", type="WAIT", after="b5_send", exit="next"),
            "undo": lambda: self._act("undo"),
            "redo": lambda: self._act("redo"),
            "undo again": lambda: self._act("undo"),
            "move": lambda: self._act("move", key="b4_wait", after="b5_send", exit="next"),
            "move back": lambda: self._act("move", key="b4_wait", after="b4_send", exit="next"),
            "delete": lambda: self._act("remove", key="b7_wait"),
            "undo it": lambda: self._act("undo"),
            "paste": lambda: self._act("paste", clip=json.dumps({"steps": pair}), after="b6_send", exit="next"),
            "undo that": lambda: self._act("undo"),
            "settings": lambda: self._act("steps/b8_wait", **wait, **{"duration.amount": str(self.round + 1)}),
            "note": lambda: self._act("notes", id="n1", text=f"Note {self.round}", step="b2_fork", x="200"),
        }

    def _opened(self) -> tuple[float, int]:
        return self._asked("GET", f"{self.there}/steps/b5_wait", {})

    def _act(self, name: str, **form: str) -> tuple[float, int]:
        """Do an act on the page as it is now; reading the page does not count."""
        text = self.get(self.there)
        canvas = text[text.index('<div id="canvas"') : text.index('id="pulse"')]
        token = re.search(r"X-CSRFToken&#34;: &#34;([^&]+)", text) or re.search(
            r'name="csrf_token" value="([^"]+)"', text
        )
        told = {
            "has": " ".join(re.findall(r'data-mark="([^"]+)"', canvas)),
            "plan": _said(canvas, "data-plan"),
            "revision": _said(canvas, "data-revision"),
            "open": "",
            "csrf_token": token[1] if token else "",
        }
        return self._asked("POST", f"{self.there}/{name}", told | form)

    def _asked(self, method: str, path: str, form: Ways) -> tuple[float, int]:
        headers = {**self._headers, "HX-Request": "true", "Content-Type": "application/x-www-form-urlencoded"}
        body = urlencode(form) or None
        began = time.perf_counter()
        self._connection.request(method, path, body, headers)
        answer = self._connection.getresponse()
        size = len(answer.read())
        seconds = time.perf_counter() - began
        if answer.status != 200:
            raise RuntimeError(f"{path} answered {answer.status}")
        return seconds, size


def _said(text: str, name: str) -> str:
    found = re.search(rf'{name}="([^"]*)"', text)
    return unescape(found[1]) if found else ""


def _empty(stack: Stack, count: int) -> list[float]:
    found = []
    with noop_served(stack) as port:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        for _ in range(count):
            began = time.perf_counter()
            connection.request("POST", "/api/v1/events", b"[]")
            connection.getresponse().read()
            found.append(time.perf_counter() - began)
    return found
