"""The options of the commands: declared here, their work is imported when one is given."""
