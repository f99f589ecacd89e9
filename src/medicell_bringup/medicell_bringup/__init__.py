"""Start Medicell: the workspace's set-up and the command line."""
