"""What the imager publishes beside state and telemetry: pictures, their scale, what was found."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import numpy.typing as npt
from medicell_interfaces.msg import Cytometry
from sensor_msgs.msg import CameraInfo, Image

from medicell_devices.contracts.imaging import Analysis, ImageSource, Shot
from medicell_ros import qos
from medicell_ros.conversion import time_to_message, to_message
from medicell_ros.lifecycle import ManagedNode

FRAME = 'imaging_optical_frame'
"""The model's link: x to the right, y down, z into the picture (REP 103)."""
UM_PER_M = 1e6


class Pictures:
    """Publishes each new picture of the imager, and what each analysis has found, once.

    `~/image` and `~/camera_info` of a picture, `~/annotated` and `~/cytometry` of an analysis
    have the time at which the picture was taken.
    """

    def __init__(self, node: ManagedNode, driver: ImageSource) -> None:
        self._node = node
        self._driver = driver
        self._telling = threading.Lock()
        self._image = node.create_publisher(Image, '~/image', qos.images())
        self._info = node.create_publisher(CameraInfo, '~/camera_info', qos.images())
        self._annotated = node.create_publisher(Image, '~/annotated', qos.images())
        self._cytometry = node.create_publisher(Cytometry, '~/cytometry', qos.telemetry())
        self._shot: Shot | None = None
        self._analysis: Analysis | None = None

    def tell(self, now_s: float) -> None:
        """Publish what is new since the last time."""
        with self._telling:
            shot, analysis = self._driver.latest_shot(), self._driver.latest_analysis()
            if shot is not None and shot is not self._shot:
                self._shot = shot
                self._node.send(self._image, image_message(shot.picture, shot.at_s))
                self._node.send(self._info, camera_message(shot))
            if analysis is not None and analysis is not self._analysis:
                self._analysis = analysis
                message = image_message(analysis.annotated, analysis.shot.at_s)
                self._node.send(self._annotated, message)
                self._node.send(self._cytometry, cytometry_message(analysis))

    def close(self) -> None:
        """Destroy the publishers."""
        for publisher in (self._image, self._info, self._annotated, self._cytometry):
            self._node.destroy_publisher(publisher)


def image_message(picture: npt.NDArray[np.uint8], at_s: float) -> Image:
    """Return a picture as `mono8`, or `rgb8` when it has colours, (H, W, 3).

    Two channels, (2, H, W), become `rgb8` with the label red, nuclei blue.
    """
    if picture.ndim == 3 and picture.shape[0] == 2:
        nuclei, label = picture
        picture = np.stack([label, np.zeros_like(label), nuclei], axis=-1)
    height, width = picture.shape[:2]
    colours = picture.ndim == 3
    image = Image(
        height=height,
        width=width,
        encoding='rgb8' if colours else 'mono8',
        step=width * (3 if colours else 1),
    )
    _head(image, at_s)
    image.data.frombytes(np.ascontiguousarray(picture, dtype=np.uint8).tobytes())
    return image


def camera_message(shot: Shot) -> CameraInfo:
    """Return the scale of a picture: the projection of a telecentric camera, which has no K.

    P is that of an affine camera: its last row is (0, 0, 0, 1), so that u and v do not depend on
    z; its first entry is in pixels per metre (Hartley and Zisserman, Multiple View Geometry, 2004,
    6.3). K is zero, which the message calls uncalibrated: no ray starts in one point.
    """
    height, width = shot.picture.shape[-2:]
    scale = UM_PER_M / shot.um_per_px
    info = CameraInfo(height=height, width=width)
    info.p = [
        *(scale, 0.0, 0.0, (width - 1) / 2.0),
        *(0.0, scale, 0.0, (height - 1) / 2.0),
        *(0.0, 0.0, 0.0, 1.0),
    ]
    _head(info, shot.at_s)
    return info


def cytometry_message(analysis: Analysis) -> Cytometry:
    """Return the figures of an analysis, and what its pictures are like."""
    message = Cytometry(
        operation_id=analysis.operation_id,
        batch_id=analysis.batch_id,
        modality=analysis.modality,
        um_per_px=analysis.shot.um_per_px,
    )
    _head(message, analysis.shot.at_s)
    to_message(analysis.figures, message)
    return message


def _head(message: Any, at_s: float) -> None:
    message.header.stamp = time_to_message(at_s)
    message.header.frame_id = FRAME
