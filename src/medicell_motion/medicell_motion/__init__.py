"""Robot: kinematics, collision, first air, trajectories."""
