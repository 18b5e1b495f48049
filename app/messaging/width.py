"""How many connections to a mail server are used at once."""

LETTERS_TO_TELL = 10
"""So many on each connection say how quick the server is."""
SLOWER = 1.25
"""Answers that take so many times as long gain nothing by one more connection."""
STEADY_LETTERS = 100
MOST_PATIENCE = 5_000
"""So many go out before another connection is tried: at first, and after it was of no use again and again."""


class Width:
    """How many connections to use at once: one more as long as the server answers each as quickly as before.

    What it has not answered yet is in doubt if this process is killed; where it answers the slower the more it is asked
    at once, nothing is gained for that.
    """

    def __init__(self, most: int) -> None:
        self.size = 1
        self._most = most
        self._usual = 0.0
        self._steady = 0
        self._patience = STEADY_LETTERS

    def learn(self, letters: int, seconds: float) -> None:
        """Take note of how long a batch took."""
        if letters < LETTERS_TO_TELL * self.size:
            return
        each = seconds * self.size / letters
        if self.size == 1:
            self._usual = each
        elif each > self._usual * SLOWER:
            self.size, self._steady, self._patience = self.size - 1, 0, min(self._patience * 2, MOST_PATIENCE)
            return
        self._steady += letters
        if self._steady >= self._patience and self.size < self._most:
            self.size, self._steady = self.size + 1, 0
