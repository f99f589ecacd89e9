"""Build medicell_vision as an ament_python package."""

from setuptools import find_packages, setup

setup(
    name='medicell_vision',
    version='0.1.0',
    packages=find_packages(exclude=['test']),
    package_data={'': ['weights/*.onnx', '*.txt', '*.yaml', 'py.typed']},
    data_files=[
        ('share/ament_index/resource_index/packages', ['resource/medicell_vision']),
        ('share/medicell_vision', ['package.xml']),
    ],
    install_requires=['setuptools'],
    extras_require={'test': ['pytest']},
    zip_safe=False,
    maintainer='Medicell team',
    maintainer_email='team@medicell.example',
    description='Image analysis: cytometry, labels, vial inspection.',
    license='Apache-2.0',
)
