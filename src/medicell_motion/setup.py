"""Build medicell_motion as an ament_python package."""

from setuptools import find_packages, setup

setup(
    name='medicell_motion',
    version='0.1.0',
    packages=find_packages(exclude=['test']),
    package_data={'': ['*.yaml', 'py.typed']},
    data_files=[
        ('share/ament_index/resource_index/packages', ['resource/medicell_motion']),
        ('share/medicell_motion', ['package.xml', 'medicell_motion/cell_geometry.yaml']),
    ],
    install_requires=['setuptools'],
    extras_require={'test': ['pytest']},
    zip_safe=False,
    maintainer='Medicell team',
    maintainer_email='team@medicell.example',
    description='Robot: kinematics, collision, first air, trajectories.',
    license='Apache-2.0',
)
