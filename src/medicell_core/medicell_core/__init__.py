"""The domain of the cell: errors, time, containers, operations. No ROS, no device, no simulation."""
