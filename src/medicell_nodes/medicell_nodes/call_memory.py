"""What one caller's calls have come to, so that each is done once however often it is asked."""

from __future__ import annotations

from medicell_interfaces.srv import CallWorld

from medicell_core.errors import ErrorCode


class CallMemory:
    """The answers of a caller's numbered calls, kept until the caller says that it has them."""

    def __init__(self) -> None:
        self._answers: dict[int, CallWorld.Response] = {}
        self._oldest = 0

    def recall(self, call: int, oldest: int) -> CallWorld.Response | None:
        """Return what a call is answered with that has come before; None for one to be done now.

        One that is not done yet is answered as under way, and one whose answer the caller has
        got by a refusal: nothing is ever done a second time. `oldest` is the first call whose
        answer the caller still awaits. A call with the number 0 is never known.
        """
        self._oldest = max(self._oldest, oldest)
        for number in [number for number in self._answers if number < self._oldest]:
            del self._answers[number]
        if call == 0:
            return None
        if call < self._oldest:
            return CallWorld.Response(
                error_code=int(ErrorCode.INVALID_GOAL),
                error_msg=f'call: {call} is over; the oldest that is awaited is {self._oldest}',
            )
        known = self._answers.get(call)
        if known is None:
            self._answers[call] = CallWorld.Response(under_way=True)
        return known

    def keep(self, call: int, answer: CallWorld.Response) -> None:
        """Keep the answer of a call that is done, unless nobody awaits it any more."""
        if call in self._answers:
            self._answers[call] = answer
