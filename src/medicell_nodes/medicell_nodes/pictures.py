"""What the imager publishes beside state and telemetry: its pictures."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt
from sensor_msgs.msg import Image

from medicell_ros import qos
from medicell_ros.conversion import time_to_message
from medicell_ros.lifecycle import ManagedNode


@runtime_checkable
class TakesPictures(Protocol):
    """A driver that has taken pictures."""

    def latest_image(self) -> npt.NDArray[np.uint8] | None:
        """Return the newest picture: (H, W) grey, or (2, H, W) nuclei and CAR label."""
        ...


class Pictures:
    """Publishes each new picture of the imager on `~/image`."""

    def __init__(self, node: ManagedNode, driver: TakesPictures) -> None:
        self._node = node
        self._driver = driver
        self._publisher = node.create_publisher(Image, '~/image', qos.images())
        self._last: npt.NDArray[np.uint8] | None = None

    def tell(self, now_s: float) -> None:
        """Publish the newest picture once."""
        picture = self._driver.latest_image()
        if picture is None or picture is self._last:
            return
        self._last = picture
        self._node.send(self._publisher, image_message(picture, now_s))

    def close(self) -> None:
        """Destroy the publisher."""
        self._node.destroy_publisher(self._publisher)


def image_message(picture: npt.NDArray[np.uint8], now_s: float) -> Image:
    """Return a picture as `mono8`; two channels become `rgb8` with the label red, nuclei blue."""
    colours = picture.ndim == 3
    if colours:
        nuclei, label = picture
        picture = np.stack([label, np.zeros_like(label), nuclei], axis=-1)
    height, width = picture.shape[:2]
    image = Image(
        height=height,
        width=width,
        encoding='rgb8' if colours else 'mono8',
        step=width * (3 if colours else 1),
    )
    image.header.stamp = time_to_message(now_s)
    image.header.frame_id = 'imaging'
    image.data.frombytes(np.ascontiguousarray(picture, dtype=np.uint8).tobytes())
    return image
