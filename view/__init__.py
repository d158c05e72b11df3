"""The page over all runs below a folder, served to a browser on this machine: `automem view`."""
