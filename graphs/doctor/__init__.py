"""What `automem doctor` looks at before a run: this machine, a model and its server, a scaffold with that model."""
