"""Where the nodes of a run live: in this process, in one each, or in a cell that runs already."""
