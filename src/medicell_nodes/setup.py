"""Build medicell_nodes as an ament_python package."""

from setuptools import find_packages, setup

setup(
    name='medicell_nodes',
    version='0.1.0',
    packages=find_packages(exclude=['test']),
    package_data={'': ['*.yaml', 'py.typed']},
    data_files=[
        ('share/ament_index/resource_index/packages', ['resource/medicell_nodes']),
        ('share/medicell_nodes', ['package.xml']),
    ],
    install_requires=['setuptools'],
    extras_require={'test': ['pytest']},
    zip_safe=False,
    maintainer='Medicell team',
    maintainer_email='team@medicell.example',
    description='Thin lifecycle nodes of the devices and of the simulated world.',
    license='Apache-2.0',
    entry_points={
        'console_scripts': [
            f'{name} = medicell_nodes.main:{name}'
            for name in (
                'fluid_handler',
                'incubator',
                'imaging',
                'fill_robot',
                'particle_counter',
                'laboratory',
                'gazebo',
                'scene',
                'world',
            )
        ],
    },
)
