"""Build medicell_sim as an ament_python package."""

from setuptools import find_packages, setup

setup(
    name='medicell_sim',
    version='0.1.0',
    packages=find_packages(exclude=['test']),
    package_data={'medicell_sim': ['data/*.yaml', 'py.typed']},
    data_files=[
        ('share/ament_index/resource_index/packages', ['resource/medicell_sim']),
        ('share/medicell_sim', ['package.xml']),
    ],
    install_requires=['setuptools'],
    extras_require={'test': ['pytest']},
    zip_safe=False,
    maintainer='Medicell team',
    maintainer_email='team@medicell.example',
    description='The simulated world: culture, liquids, heat, gas, optics, faults, seed.',
    license='Apache-2.0',
)
