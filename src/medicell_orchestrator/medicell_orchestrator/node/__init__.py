"""The orchestrator's node and its adapters: its one door to ROS."""
