"""Whose cells, and which container: labels read by a camera and held against what a goal says."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from itertools import islice
from typing import Protocol

import numpy as np
import numpy.typing as npt

from medicell_core.containers import Label, parse_label
from medicell_core.errors import ErrorCode, MedicellError, OperationRefused

MOST_PICTURES = 3
"""Pictures of one label that are looked at before it counts as unreadable."""

Picture = npt.NDArray[np.uint8]


class LabelCamera(Protocol):
    """What a driver asks of its instrument to read labels: pictures, and of what there are any."""

    def pictures(self, container: str) -> Iterator[Picture]:
        """Yield grey pictures of the label in a container's place, each taken anew.

        Raises UNKNOWN_CONTAINER when there is no such place.
        """
        ...

    def standing(self) -> list[str]:
        """Return the containers whose places at this instrument are taken."""
        ...


class IdentityCheck:
    """Reads the labels that a goal names, and knows those of what stands beside.

    What a goal names is read every time. What stands beside is read when it has come, and again
    after `forget`. Methods may be called from any thread.
    """

    def __init__(self, camera: LabelCamera) -> None:
        self._camera = camera
        self._reading = threading.Lock()
        self._read: dict[str, Label | None] = {}

    def read(self, container: str) -> str:
        """Return the text of a label as it was printed; raises LABEL_UNREADABLE."""
        # Labels come with a batch: a device at rest does without OpenCV.
        from medicell_vision.labels import decode_label  # noqa: PLC0415

        said = 'the camera gives no picture'
        for picture in islice(self._camera.pictures(container), MOST_PICTURES):
            try:
                return decode_label(picture)
            except MedicellError as error:
                said = error.message
        raise OperationRefused(
            ErrorCode.LABEL_UNREADABLE,
            f'the label of {container} cannot be read in {MOST_PICTURES} pictures: {said}',
        )

    def forget(self) -> None:
        """Read everything anew: somebody may have been at the instrument."""
        with self._reading:
            self._read.clear()

    def read_all(self) -> dict[str, str]:
        """Return the labels of all that stands here, as it came; empty where one is not read."""
        texts: dict[str, str] = {}
        with self._reading:
            while new := [item for item in self._camera.standing() if item not in texts]:
                for item in new:
                    self._read[item] = label = self._label_of(item)
                    texts[item] = '' if label is None else label.text
        return texts

    def require(self, field: str, container: str, *, batch_id: str) -> str:
        """Return a label's text, which names this batch and this container and is alone in that.

        Raises LABEL_UNREADABLE; IDENTITY_MISMATCH when it names another chain of identity, when
        another container at the instrument has the same label, or when one of another batch
        stands there; WRONG_CONTAINER when it names another container.
        """
        try:
            text = self.read(container)
        except OperationRefused as error:
            raise OperationRefused(error.code, f'{field}: {error.message}') from error
        label = parse_label(text)
        with self._reading:
            self._read[container] = label
            check_label(field, label, batch_id=batch_id, container=container)
            beside = self._beside(container, label)
        check_beside(field, label, beside)
        return text

    def _beside(self, container: str, label: Label) -> dict[str, Label]:
        """Return the other containers here by what their labels say, as far as they can be read.

        What has come is read now, and what would be refused is read again.
        """
        others = [item for item in self._camera.standing() if item != container]
        known, self._read = self._read, {container: label}
        for other in others:
            seen = known.get(other)
            if other not in known or (seen is not None and not _harmless(seen, label)):
                seen = self._label_of(other)
            self._read[other] = seen
        return {item: seen for item in others if (seen := self._read[item]) is not None}

    def _label_of(self, container: str) -> Label | None:
        try:
            return parse_label(self.read(container))
        except OperationRefused:
            return None


def check_label(field: str, label: Label, *, batch_id: str, container: str) -> None:
    """Hold a label against whose cells and which container it should name.

    Raises IDENTITY_MISMATCH for another chain of identity, WRONG_CONTAINER for another container.
    """
    if label.batch_id != batch_id:
        raise OperationRefused(
            ErrorCode.IDENTITY_MISMATCH,
            f'{field}: the label of {container} says {label.batch_id!r}, the batch is '
            f'{batch_id!r}',
        )
    if label.container != container:
        raise OperationRefused(
            ErrorCode.WRONG_CONTAINER,
            f'{field}: the label says {label.container!r}, asked for was {container!r}',
        )


def label_to_print(field: str, text: str, *, batch_id: str, container: str) -> None:
    """Refuse a text that is to be printed for a container and is not that of its label.

    Raises INVALID_GOAL for one that is no label of this cell, and what `check_label` raises.
    """
    try:
        label = parse_label(text)
    except MedicellError as error:
        raise OperationRefused(ErrorCode.INVALID_GOAL, f'{field}: {error.message}') from error
    check_label(field, label, batch_id=batch_id, container=container)


def check_beside(field: str, label: Label, beside: dict[str, Label]) -> None:
    """Raise IDENTITY_MISMATCH for a second label like this, or one of another batch, beside it."""
    for place, other in beside.items():
        if _harmless(other, label):
            continue
        if other == label:
            text = f'{place} has the same label as {label.container}: one of them is another'
        else:
            text = f'the line is not clear: the label of {place} says {other.batch_id!r}'
        raise OperationRefused(ErrorCode.IDENTITY_MISMATCH, f'{field}: {text}')


def _harmless(other: Label, label: Label) -> bool:
    return other.batch_id == label.batch_id and other.container != label.container
