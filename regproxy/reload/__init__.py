"""The policy that runs, and how another takes its place while requests go on."""
