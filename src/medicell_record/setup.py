"""Build medicell_record as an ament_python package."""

from setuptools import find_packages, setup

setup(
    name='medicell_record',
    version='0.1.0',
    packages=find_packages(exclude=['test']),
    package_data={'': ['*.yaml', 'py.typed']},
    data_files=[
        ('share/ament_index/resource_index/packages', ['resource/medicell_record']),
        ('share/medicell_record', ['package.xml']),
    ],
    install_requires=['setuptools'],
    extras_require={'test': ['pytest']},
    zip_safe=False,
    maintainer='Medicell team',
    maintainer_email='team@medicell.example',
    description='Batch record: journal, audit chain, release rules, report.',
    license='Apache-2.0',
)
