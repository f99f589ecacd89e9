"""Build medicell_orchestrator as an ament_python package."""

from setuptools import find_packages, setup

setup(
    name='medicell_orchestrator',
    version='0.1.0',
    packages=find_packages(exclude=['test']),
    package_data={'': ['*.yaml', 'py.typed']},
    data_files=[
        ('share/ament_index/resource_index/packages', ['resource/medicell_orchestrator']),
        ('share/medicell_orchestrator', ['package.xml']),
    ],
    install_requires=['setuptools'],
    extras_require={'test': ['pytest']},
    zip_safe=False,
    maintainer='Medicell team',
    maintainer_email='team@medicell.example',
    description='Recipe to behaviour tree, and its one ROS adapter.',
    license='Apache-2.0',
    entry_points={'console_scripts': ['orchestrator = medicell_orchestrator.main:main']},
)
