"""Build medicell_gazebo as an ament_python package."""

from setuptools import find_packages, setup

setup(
    name='medicell_gazebo',
    version='0.1.0',
    packages=find_packages(exclude=['test']),
    package_data={'medicell_gazebo': ['plugin/*.cc', 'py.typed']},
    data_files=[
        ('share/ament_index/resource_index/packages', ['resource/medicell_gazebo']),
        ('share/medicell_gazebo', ['package.xml']),
    ],
    install_requires=['setuptools'],
    extras_require={'test': ['pytest']},
    zip_safe=False,
    maintainer='Medicell team',
    maintainer_email='team@medicell.example',
    description='The cell in Gazebo: its world, the drives of its arm, a simulator in lock-step.',
    license='Apache-2.0',
)
