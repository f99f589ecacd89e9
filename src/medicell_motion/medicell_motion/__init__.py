"""The fill robot's motion: kinematics, stations, trajectories, collision and first air."""
