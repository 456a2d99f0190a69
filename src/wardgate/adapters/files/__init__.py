"""The configuration on disk: YAML → checked wire types → frozen plans, with every finding of every file."""
