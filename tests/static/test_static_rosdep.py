"""Each manifest names the rosdep key of all that its package imports, and of nothing else."""

from __future__ import annotations

import ast
import re
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
MANIFESTS = sorted((REPOSITORY / 'src').glob('*/package.xml'))
PACKAGES = {path.parent.name for path in MANIFESTS}
UBUNTU_NOBLE = {
    'action_msgs': 'ros-jazzy-action-msgs',
    'ament_cmake': 'ros-jazzy-ament-cmake',
    'ament_cmake_pytest': 'ros-jazzy-ament-cmake-pytest',
    'ament_cmake_python': 'ros-jazzy-ament-cmake-python',
    'ament_index_python': 'ros-jazzy-ament-index-python',
    'builtin_interfaces': 'ros-jazzy-builtin-interfaces',
    'coal': 'ros-jazzy-coal',
    'diagnostic_msgs': 'ros-jazzy-diagnostic-msgs',
    'geometry_msgs': 'ros-jazzy-geometry-msgs',
    'launch': 'ros-jazzy-launch',
    'launch_ros': 'ros-jazzy-launch-ros',
    'lifecycle_msgs': 'ros-jazzy-lifecycle-msgs',
    'pinocchio': 'ros-jazzy-pinocchio',
    'py_trees': 'ros-jazzy-py-trees',
    'python3-colcon-common-extensions': 'python3-colcon-common-extensions',
    'python3-cryptography': 'python3-cryptography',
    'python3-fpdf2-pip': 'python3-fpdf',
    'python3-hypothesis': 'python3-hypothesis',
    'python3-matplotlib': 'python3-matplotlib',
    'python3-numpy': 'python3-numpy',
    'python3-opencv': 'python3-opencv',
    'python3-pil': 'python3-pil',
    'python3-psutil': 'python3-psutil',
    'python3-pydantic': 'python3-pydantic',
    'python3-pytest': 'python3-pytest',
    'python3-rich': 'python3-rich',
    'python3-ruamel.yaml': 'python3-ruamel.yaml',
    'python3-scipy': 'python3-scipy',
    'python3-sqlalchemy': 'python3-sqlalchemy',
    'python3-transforms3d': 'python3-transforms3d',
    'python3-typer': 'python3-typer',
    'python3-yaml': 'python3-yaml',
    'python3-zxing-cpp': 'python3-zxing-cpp',
    'rcl_interfaces': 'ros-jazzy-rcl-interfaces',
    'rclpy': 'ros-jazzy-rclpy',
    'robot_state_publisher': 'ros-jazzy-robot-state-publisher',
    'ros2launch': 'ros-jazzy-ros2launch',
    'rosgraph_msgs': 'ros-jazzy-rosgraph-msgs',
    'rosidl_adapter': 'ros-jazzy-rosidl-adapter',
    'rosidl_default_generators': 'ros-jazzy-rosidl-default-generators',
    'rosidl_default_runtime': 'ros-jazzy-rosidl-default-runtime',
    'rosidl_generator_py': 'ros-jazzy-rosidl-generator-py',
    'rosidl_parser': 'ros-jazzy-rosidl-parser',
    'rosidl_runtime_py': 'ros-jazzy-rosidl-runtime-py',
    'rviz2': 'ros-jazzy-rviz2',
    'sensor_msgs': 'ros-jazzy-sensor-msgs',
    'std_msgs': 'ros-jazzy-std-msgs',
    'std_srvs': 'ros-jazzy-std-srvs',
    'tf2_msgs': 'ros-jazzy-tf2-msgs',
    'trajectory_msgs': 'ros-jazzy-trajectory-msgs',
    'unique_identifier_msgs': 'ros-jazzy-unique-identifier-msgs',
    'visualization_msgs': 'ros-jazzy-visualization-msgs',
    'xacro': 'ros-jazzy-xacro',
}
"""rosdep key to Debian package, as rosdep 0.27 resolves it for Ubuntu 24.04 and Jazzy with the
data base of 2026-08-22 (`rosdep resolve --os=ubuntu:noble --rosdistro=jazzy KEY`)."""
GROUPS = {'rosidl_interface_packages'}
KEY_OF_MODULE = {
    'PIL': 'python3-pil',
    'cryptography': 'python3-cryptography',
    'cv2': 'python3-opencv',
    'fpdf': 'python3-fpdf2-pip',
    'ruamel': 'python3-ruamel.yaml',
    'yaml': 'python3-yaml',
    'zxingcpp': 'python3-zxing-cpp',
    'hypothesis': 'python3-hypothesis',
    'matplotlib': 'python3-matplotlib',
    'numpy': 'python3-numpy',
    'psutil': 'python3-psutil',
    'pydantic': 'python3-pydantic',
    'pytest': 'python3-pytest',
    'rich': 'python3-rich',
    'scipy': 'python3-scipy',
    'sqlalchemy': 'python3-sqlalchemy',
    'transforms3d': 'python3-transforms3d',
    'typer': 'python3-typer',
}
"""Python module to rosdep key, where they differ; a module of ROS is its package's name."""
WITHOUT_KEY = {
    'alembic': 'no key in the rosdep data base',
    'argon2': 'no key in the rosdep data base',
    'colcon_core': 'serves the tests of this repository alone',
    'google': 'serves the tests of this repository alone',
    'markdown_it': 'serves the tests of this repository alone',
    'mitsuba': 'draws the model for the documentation alone',
    'ompl': "the distribution's has no Python modules",
    'onnx': 'writes the networks that imaging has learned alone',
    'pint': 'no key in the rosdep data base',
    'psycopg': 'no key in the rosdep data base',
    'ruckig': "the distribution's has no Python module",
    'sphinx': 'builds the documentation alone',
    'torch': 'trains the networks of imaging alone',
}
"""Modules that rosdep cannot bring, and why; the files of pins say what brings them."""
PIN_OF_MODULE = {'argon2': 'argon2-cffi'}
"""Module without a key to its name on PyPI, where they differ."""
NOT_IMPORTED = {
    'medicell_bringup': {
        'launch',
        'launch_ros',
        'robot_state_publisher',
        'ros2launch',
        'rviz2',
        'xacro',
    },
    'medicell_interfaces': {
        'action_msgs',
        'builtin_interfaces',
        'rosidl_default_runtime',
        'std_msgs',
    },
}
"""Keys that a package needs at run time without importing them: launch files, messages."""


def by_folder(path: Path) -> str:
    return path.parent.name


def named(manifest: Path, *tags: str) -> set[str]:
    root = ET.parse(manifest).getroot()
    return {str(item.text).strip() for item in root if item.tag in tags}


def modules(*folders: Path) -> set[str]:
    """Return the top names of all that the Python files import, or import by a literal name."""
    found: set[str] = set()
    for folder in folders:
        for path in folder.rglob('*.py'):
            for node in ast.walk(ast.parse(path.read_text(encoding='utf-8'))):
                if isinstance(node, ast.Import):
                    found |= {alias.name for alias in node.names}
                elif isinstance(node, ast.ImportFrom) and not node.level:
                    found.add(str(node.module))
                elif isinstance(node, ast.Call) and node.args:
                    name = getattr(node.func, 'attr', getattr(node.func, 'id', ''))
                    first = node.args[0]
                    if name == 'import_module' and isinstance(first, ast.Constant):
                        found.add(str(first.value))
    return {name.partition('.')[0] for name in found} - set(sys.stdlib_module_names)


def helpers() -> set[str]:
    """Return the modules that the tests themselves are made of."""
    places = [*REPOSITORY.glob('src/*/test'), REPOSITORY / 'tests']
    files = {path.stem for place in places for path in place.rglob('*.py')}
    folders = {path.name for place in places for path in place.glob('*') if path.is_dir()}
    return files | folders | {'conftest'}


def keys(names: set[str]) -> set[str]:
    return {KEY_OF_MODULE.get(name, name) for name in names - set(WITHOUT_KEY)}


def folders_run(manifest: Path) -> list[Path]:
    own = [manifest.parent / manifest.parent.name]
    if manifest.parent.name == 'medicell_bringup':
        own.append(REPOSITORY / 'launch')
    return own


def folders_tested(manifest: Path) -> list[Path]:
    own = [manifest.parent / 'test']
    if manifest.parent.name == 'medicell_bringup':
        own.append(REPOSITORY / 'tests')
    return own


@pytest.mark.parametrize('manifest', MANIFESTS, ids=by_folder)
def test_every_key_of_a_manifest_is_a_package_here_or_of_the_data_base(manifest: Path) -> None:
    root = ET.parse(manifest).getroot()
    found = {str(item.text).strip() for item in root if item.tag.endswith('depend')}
    assert found - PACKAGES - set(UBUNTU_NOBLE) == set()
    assert {str(item.text) for item in root.findall('member_of_group')} <= GROUPS


@pytest.mark.parametrize('manifest', MANIFESTS, ids=by_folder)
def test_what_a_package_imports_is_named_as_its_dependency(manifest: Path) -> None:
    imported = keys(modules(*folders_run(manifest))) - {manifest.parent.name}
    assert imported - named(manifest, 'depend', 'exec_depend') == set()


@pytest.mark.parametrize('manifest', MANIFESTS, ids=by_folder)
def test_what_a_packages_tests_import_is_named_as_its_dependency(manifest: Path) -> None:
    imported = keys(modules(*folders_tested(manifest)) - helpers()) - {manifest.parent.name}
    assert imported - named(manifest, 'depend', 'exec_depend', 'test_depend') == set()


@pytest.mark.parametrize('manifest', MANIFESTS, ids=by_folder)
def test_every_dependency_at_run_time_is_imported(manifest: Path) -> None:
    needed = keys(modules(*folders_run(manifest))) | NOT_IMPORTED.get(manifest.parent.name, set())
    assert named(manifest, 'depend', 'exec_depend') - needed == set()


@pytest.mark.parametrize('manifest', MANIFESTS, ids=by_folder)
def test_every_dependency_of_tests_is_imported_by_them_alone(manifest: Path) -> None:
    tested = keys(modules(*folders_tested(manifest)) - helpers())
    tools = {'ament_cmake_pytest', 'python3-pytest'}
    assert named(manifest, 'test_depend') - tools - tested == set()
    assert named(manifest, 'test_depend') & named(manifest, 'depend', 'exec_depend') == set()


def test_every_module_without_a_key_is_pinned_for_pypi() -> None:
    pins = sorted(REPOSITORY.glob('**/requirements*.txt'))
    text = '\n'.join(path.read_text(encoding='utf-8') for path in pins)
    pinned = {name.lower() for name in re.findall(r'^([\w-]+)==', text, re.MULTILINE)}
    used = {name for path in MANIFESTS for name in modules(*folders_run(path))}
    assert {PIN_OF_MODULE.get(name, name) for name in WITHOUT_KEY if name in used} <= pinned
