"""The domain: errors, time, containers, operations. No ROS, no device, no simulation."""
