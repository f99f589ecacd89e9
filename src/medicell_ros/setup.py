"""Build medicell_ros as an ament_python package."""

from setuptools import find_packages, setup

setup(
    name='medicell_ros',
    version='0.1.0',
    packages=find_packages(exclude=['test']),
    package_data={'': ['*.yaml', '*.xml', 'py.typed']},
    data_files=[
        ('share/ament_index/resource_index/packages', ['resource/medicell_ros']),
        ('share/medicell_ros', ['package.xml']),
    ],
    install_requires=['setuptools'],
    extras_require={'test': ['pytest']},
    zip_safe=False,
    maintainer='Medicell team',
    maintainer_email='team@medicell.example',
    description='What the nodes of the cell share: conversion, quality of service, parameters.',
    license='Apache-2.0',
)
