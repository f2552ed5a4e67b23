"""What is about to leave this machine, written down before it does."""

from ragtuned_kedro.language_models.call_file import Sending
from ragtuned_kedro.language_models.completion_store import CompletionStore


class Leaving:
    """Notes what waits to be sent and keeps it in the store before the first of it leaves.

    A transaction for each call would take a tenth of a call's processor time. So all that waits
    beside a call is written together with it; after a kill, some of that stands there without
    having left, and never the other way round.
    """

    def __init__(self, store: CompletionStore) -> None:
        self._store = store
        self._waiting: dict[int, Sending] = {}
        self._n_noted = 0

    def note(self, sending: Sending) -> int:
        """Have a call wait; the number is its name here."""
        self._n_noted += 1
        self._waiting[self._n_noted] = sending
        return self._n_noted

    def write(self, number: int) -> None:
        """Do this right before a call leaves, and before each of its repetitions."""
        if number in self._waiting:
            self._store.add_sendings(list(self._waiting.values()))
            self._waiting.clear()

    def forget(self, number: int) -> None:
        """Do this when a call has ended: if it never left, nothing is written."""
        self._waiting.pop(number, None)
