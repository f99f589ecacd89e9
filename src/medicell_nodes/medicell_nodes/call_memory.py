"""What one caller's calls have come to, so that each is done once however often it is asked."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from medicell_interfaces.srv import CallWorld

from medicell_core.errors import ErrorCode
from medicell_sim.history.callers import Answer, Asked


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who calls the world: a node, and which one of those that had its name."""

    node: str
    incarnation: int


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


def caller_of(asked: Asked) -> Caller:
    """Return who has asked."""
    return Caller(node=asked.node, incarnation=asked.incarnation)


def remembered(answers: Iterable[tuple[Asked, Answer]], world: int) -> dict[Caller, CallMemory]:
    """Return what callers may still ask for, by a history, as a world of this number answers."""
    memories: dict[Caller, CallMemory] = {}
    for asked, answer in answers:
        memory = memories.setdefault(caller_of(asked), CallMemory())
        memory.recall(asked.call, asked.oldest)
        memory.keep(
            asked.call,
            CallWorld.Response(
                result_json=answer.result_json,
                error_code=answer.error_code,
                error_msg=answer.error_msg,
                world=world,
                now_s=answer.now_s,
            ),
        )
    return memories
