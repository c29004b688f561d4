"""What `make bench` measures: real processes, a local target, numbers beside the targets of docs/targets.md."""
