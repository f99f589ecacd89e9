"""Build medicell_core as an ament_python package."""

from setuptools import find_packages, setup

setup(
    name='medicell_core',
    version='0.1.0',
    packages=find_packages(exclude=['test']),
    package_data={'': ['*.yaml', 'py.typed']},
    data_files=[
        ('share/ament_index/resource_index/packages', ['resource/medicell_core']),
        ('share/medicell_core', ['package.xml']),
    ],
    install_requires=['setuptools'],
    extras_require={'test': ['pytest']},
    zip_safe=False,
    maintainer='Medicell team',
    maintainer_email='team@medicell.example',
    description='The domain of the cell: errors, time, containers, operations.',
    license='Apache-2.0',
)
